/* arc.h - what the hosts before say of a message (ARC), as they say it.
 *
 * Nobody verifies it here: it is for reports, never for a decision.  Pure.  RFC 8617 4,
 * 5.2 without its signatures.  Thread: any.
 */
#pragma once

#include "base/str.h"

struct arena;

enum { ARC_SETS_MAX = 50 };

enum arc_state {
    ARC_NONE,   /* no set of fields */
    ARC_PASS,   /* the last one claims that those before it hold */
    ARC_FAIL,   /* it says that they do not */
    ARC_BROKEN, /* they are no chain: a field is missing, too many, or cannot be read */
};

struct arc {
    enum arc_state state;
    unsigned sets; /* with PASS and FAIL */
};

struct arc arc_read(struct arena *a, str_t message);

const char *arc_state_name(enum arc_state s);
