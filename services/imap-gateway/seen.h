/* seen.h - the day of those who stay logged in.
 *
 * A login writes the day into the account's row, and accounts that nobody has used for
 * long are removed.  Who stays connected does not log in again; so once a day the
 * accounts that are logged in here are noted, some hundred a second.
 * Thread: the main one; the statement runs in a worker.
 */
#pragma once

#include <stdint.h>

struct hints;
struct seen;
struct worker_pool;

struct seen *seen_new(struct hints *hints, struct worker_pool *workers, int64_t now_unix);
void seen_free(struct seen **s); /* when the workers have ended their jobs */

/* Once a second, while the database is there. */
void seen_tick(struct seen *s, int64_t now_unix);
