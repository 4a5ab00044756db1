/* throttle.h - so many messages a minute to one destination: which claimed rows may go.
 *
 * Asked between the claim and the hand-out, so what is over the rate needs neither thread
 * nor connection.  It goes back to the queue, due when the rate lets the next one go, and
 * until then nothing of its destination is claimed: the destination rests.  A tenth of a
 * minute's messages may go at once.
 *
 * Limits: counts for this process, and in memory: a new one begins anew.  Among those who
 * wait, who came first does not always go first.  What was let go and held up by its host
 * may go together with what is let go later.  With more destinations at rest than
 * THROTTLE_RESTS_MAX, the one whose rest ends first is claimed and put back early; with
 * more than the table of rates holds, some get a few messages more.
 * Thread: the dispatcher's.  NULL stands for no rate, everywhere.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "store/store_remote.h"

#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;
struct throttle;

enum {
    THROTTLE_RESTS_MAX = 1024,
    THROTTLE_REST_MIN_MS = 1000, /* else a high rate would put back at each message */
};

/* 0: no rate, NULL. */
struct throttle *throttle_new(int64_t per_minute);
void throttle_free(struct throttle **t);

/* The names that rest at now_ms (monotonic) behind the n of *busy, in a new list in the
 * arena; returns how many there are in all. */
size_t throttle_busy(struct throttle *t, struct arena *a, int64_t now_ms, str_t **busy,
                     size_t n);

/* Those over the rate move behind the others, each in their order, and *late has their
 * waits, in the arena.  Returns how many may go. */
size_t throttle_admit(struct throttle *t, struct arena *a, struct store_remote_row *rows,
                      size_t n, int64_t now_us, struct store_remote_pause **late);

/* Back to the queue with the n rows, and their destinations rest.  An error: they come
 * back with the end of their lease. */
enum rc throttle_put_off(struct throttle *t, struct db *db,
                         const struct store_remote_row *rows,
                         const struct store_remote_pause *late, size_t n) RC_CHECKED;

/* Until the first rest ends, at least 1 and at most most_ms. */
int64_t throttle_wait_ms(const struct throttle *t, int64_t now_ms, int64_t most_ms);
