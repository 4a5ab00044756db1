/* rest.h - between two batches the janitor rests, so that however much is due at once, it
 * takes no more than a quarter of a disk or a core.  Thread: the janitor's one.
 */
#pragma once

#include <stdint.h>

struct task_tools;

/* After work that began then; ends early when the task is asked to stop. */
void rest_since(struct task_tools *t, int64_t began_ms);
