/* pace.h - how long a session may take for what it does.
 *
 * Silence is bounded for everybody, and a message in DATA has a least speed.  A stranger
 * must also get on: a login or an accepted recipient soon, then a message, with so many
 * commands in between.  Whoever has all this time loses the place earlier when others
 * need it: see net/door.h.
 * Pure: the caller brings the time (monotonic).  Thread: the session's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace_limits {
    int64_t quiet_ms;         /* between two commands */
    int64_t step_ms;          /* to the login or the first recipient of a message */
    int64_t data_begins_ms;   /* from that recipient to DATA */
    int64_t data_stalls_ms;   /* a message may stand still */
    int64_t data_ms;          /* a whole message */
    int64_t data_bytes_per_s; /* below this it counts as standing still */
    unsigned commands;        /* of a stranger, without a message */
};

extern const struct pace_limits pace_standard;

struct pace {
    const struct pace_limits *limits;
    bool known;         /* logged in: only silence and DATA are bounded */
    bool has_recipient; /* since the last message */
    bool in_data;
    unsigned commands;   /* since the last message */
    int64_t heard_at_ms; /* the last sign of life */
    int64_t step_by_ms;
    int64_t data_by_ms, data_end_ms;
};

void pace_begin(struct pace *p, const struct pace_limits *limits, int64_t now_ms);

static inline void pace_heard(struct pace *p, int64_t now_ms)
{
    p->heard_at_ms = now_ms;
}
void pace_login(struct pace *p);
void pace_command(struct pace *p); /* one that was no accepted recipient */
/* One was accepted; true: the first of a message. */
bool pace_recipient(struct pace *p, int64_t now_ms);
void pace_data_begins(struct pace *p, int64_t now_ms);
/* So many have come; false: it is slower than it should be. */
bool pace_data(struct pace *p, size_t bytes, int64_t now_ms);
void pace_data_ends(struct pace *p, bool accepted, int64_t now_ms);

/* More commands than a stranger needs. */
bool pace_dawdles(const struct pace *p);
bool pace_is_over(const struct pace *p, int64_t now_ms);
/* When to ask pace_is_over again at the latest; at least 1. */
int64_t pace_wait_ms(const struct pace *p, int64_t now_ms);
