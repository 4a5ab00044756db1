/* task_trim_quota - an account that is nearly full loses its oldest messages, before its
 * owner is warned (clients warn at 80 %). */
#include "base/arena.h"
#include "base/clock.h"
#include "hints.h"
#include "rest.h"
#include "store/store_expire.h"
#include "task.h"

enum { HIGH_PERCENT = 75, LOW_PERCENT = 70, BATCH = 100 }; /* chatmail spec 4.5 */

static enum rc trim_one(struct task_tools *t, int64_t account, int64_t *removed)
{
    struct store_expire_hint *hints;
    size_t n;
    enum rc rc =
        store_expire_trim(t->arena, t->db, account, LOW_PERCENT, TASK_DAY_S, &hints, &n);

    if (rc == RC_OK)
        *removed += hints_send(t->bus, hints, n);
    return rc;
}

/* RC_NOT_FOUND: there are no more after *after. */
static enum rc one_batch(struct task_tools *t, int64_t *after, int64_t *removed)
{
    int64_t *accounts;
    size_t n;
    enum rc rc =
        store_expire_full(t->arena, t->db, HIGH_PERCENT, *after, BATCH, &accounts, &n);

    if (rc != RC_OK || n == 0)
        return rc != RC_OK ? rc : RC_NOT_FOUND;
    for (size_t i = 0; i < n && rc == RC_OK && !t->stop; i++)
        rc = trim_one(t, accounts[i], removed);
    *after = accounts[n - 1];
    return rc;
}

enum rc task_trim_quota(struct task_tools *t, int64_t *removed)
{
    int64_t after = 0;
    enum rc rc = RC_OK;

    while (rc == RC_OK && !t->stop) {
        int64_t began_ms = clock_monotonic_ms();

        rc = one_batch(t, &after, removed);
        arena_reset(t->arena);
        if (rc == RC_OK)
            rest_since(t, began_ms);
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
