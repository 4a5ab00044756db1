/* clocks.h - may this be the day to forget?
 *
 * "Now" is PostgreSQL's.  A clock that has jumped ahead would have every message
 * forgotten at once, and every account, so nothing is
 *   - while PostgreSQL's clock and this machine's differ, and
 *   - when PostgreSQL's is more than an interval and a day from what it showed at the
 * last run, which is kept in the database.  This is what helps where one machine has both
 *     clocks.  Only time itself can tell such a jump from a server that was off: it is
 *     believed when the clock has gone on for an interval just as the monotonic one.
 *
 * Limits: a clock that stays wrong for longer than an interval is believed.  What came
 * while a clock was ahead is forgotten by the time that it carries, so too late: to count
 * it as overdue would forget mail that nobody has read.  task_report says how much it is.
 * Thread: the db's.
 */
#pragma once

#include "base/rc.h"

#include <stdbool.h>
#include <stdint.h>

struct db;

struct clocks {
    int64_t interval_ms; /* between two looks, and how long a jump must hold */
    /* set by clocks_look */
    int64_t offset_ms; /* how far PostgreSQL's clock is ahead of this machine's */
    int64_t jump_ms;   /* how far it is from what it showed when it was trusted last */
    /* owned by clocks.c: the jump that is being watched */
    bool watching;
    int64_t from_us, from_monotonic_ms;
};

enum clocks_verdict {
    CLOCKS_RIGHT,   /* and that is noted in the database */
    CLOCKS_DIFFER,  /* see offset_ms */
    CLOCKS_JUMPED,  /* see jump_ms */
    CLOCKS_UNKNOWN, /* the database does not say */
};

enum clocks_verdict clocks_look(struct clocks *c, struct db *db, int64_t monotonic_ms);
