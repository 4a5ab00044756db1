/* upkeep.h - what only time brings up in the queue for other hosts: messages past their
 * lifetime, and times that a wrong clock has put far away.
 *
 * Thread: the dispatcher's.
 */
#pragma once

#include "base/rc.h"
#include "destination.h"

#include <stdbool.h>
#include <stdint.h>

struct db;

struct upkeep {
    int64_t expire_at_ms; /* monotonic: the next look for what is past its lifetime */
    int64_t ahead_at_ms;
};

void upkeep_init(struct upkeep *u);

/* Each look when it is time.  *more: there is something left, come back at once. */
enum rc upkeep_run(struct upkeep *u, struct db *db, const struct destination_rules *rules,
                   bool *more) RC_CHECKED;
