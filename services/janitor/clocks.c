/* clocks.c - compare the clocks that the janitor can see, and the time of its last run.
 */
#include "clocks.h"

#include "base/log.h"
#include "store/db.h"
#include "store/store_expire.h"

#include <inttypes.h>
#include <stdlib.h>

enum { DIFFERENCE_MAX_MS = 60 * 1000, DAY_MS = 86400 * 1000 };

/* Has the clock gone on steadily for an interval since the jump was seen? */
static bool is_confirmed(struct clocks *c, int64_t now_us, int64_t monotonic_ms)
{
    int64_t passed_ms = monotonic_ms - c->from_monotonic_ms;
    int64_t drift_ms = (now_us - c->from_us) / 1000 - passed_ms;

    if (!c->watching || llabs(drift_ms) > DIFFERENCE_MAX_MS) {
        c->watching = true;
        c->from_us = now_us;
        c->from_monotonic_ms = monotonic_ms;
        return false;
    }
    if (passed_ms < c->interval_ms)
        return false;
    log_warn("janitor.jump_believed", "jump_ms=%" PRId64, c->jump_ms);
    return true;
}

enum clocks_verdict clocks_look(struct clocks *c, struct db *db, int64_t monotonic_ms)
{
    int64_t now_us, trusted_us;

    if (db_clock_offset_ms(db, &c->offset_ms) != RC_OK ||
        store_expire_clock(db, &now_us, &trusted_us) != RC_OK)
        return CLOCKS_UNKNOWN;
    c->jump_ms = (now_us - trusted_us) / 1000;
    if (llabs(c->offset_ms) > DIFFERENCE_MAX_MS) {
        c->watching = false;
        return CLOCKS_DIFFER;
    }
    if (llabs(c->jump_ms) > c->interval_ms + DAY_MS &&
        !is_confirmed(c, now_us, monotonic_ms))
        return CLOCKS_JUMPED;
    c->watching = false;
    return store_expire_trust(db, now_us) == RC_OK ? CLOCKS_RIGHT : CLOCKS_UNKNOWN;
}
