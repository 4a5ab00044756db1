/* traffic.h - how much may be under way at once, and begin in a minute, in several
 * scopes: of all, of one client network, of one domain.
 *
 * Whoever enters is counted in each scope by a key and leaves all of them together; who
 * is one too many anywhere has entered nowhere.  Where the table of rates is full, it
 * errs in favour of people (base/rate.h); what is under way is counted exactly.  Nobody
 * waits. Thread: any; locks inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRAFFIC_SCOPES_MAX = 4 };

struct traffic;

struct traffic_scope {
    int64_t per_minute; /* a tenth of them may begin at once; 0: no limit */
    int64_t at_once;    /* 0: no limit */
};

/* What somebody holds; zero: nothing. */
struct traffic_pass {
    struct traffic *traffic;
    uint64_t keys[TRAFFIC_SCOPES_MAX];
};

struct traffic *traffic_new(const struct traffic_scope *scopes, size_t count);
void traffic_free(struct traffic **t); /* after the last has left */

/* keys: one for each scope; 0: it does not count there. */
bool traffic_enter(struct traffic *t, const uint64_t *keys, int64_t now_us,
                   struct traffic_pass *out);
void traffic_leave(struct traffic_pass *p);
