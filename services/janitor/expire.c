/* expire.c - apply one expiry rule to all mailboxes, in batches, with hints. */
#include "expire.h"

#include "base/arena.h"
#include "base/clock.h"
#include "hints.h"
#include "rest.h"
#include "store/store_expire.h"

/* One batch after *after; *after moves on.  RC_NOT_FOUND: there are no more. */
static enum rc one_batch(struct task_tools *t, const struct store_expire_rule *rule,
                         int64_t *after, int64_t *removed)
{
    struct store_expire_hint *hints;
    int64_t *mailboxes;
    size_t n, count;
    enum rc rc = store_expire_find(t->arena, t->db, rule, *after, STORE_EXPIRE_BATCH,
                                   &mailboxes, &n);

    if (rc != RC_OK || n == 0)
        return rc != RC_OK ? rc : RC_NOT_FOUND;
    rc = store_expire_messages(t->arena, t->db, rule, mailboxes, n, &hints, &count);
    if (rc != RC_OK)
        return rc;
    *removed += hints_send(t->bus, hints, count);
    *after = mailboxes[n - 1];
    return RC_OK;
}

enum rc expire_by_rule(struct task_tools *t, const struct store_expire_rule *rule,
                       int64_t *removed)
{
    int64_t after = 0;
    enum rc rc = RC_OK;

    while (rc == RC_OK && !t->stop) {
        int64_t began_ms = clock_monotonic_ms();

        rc = one_batch(t, rule, &after, removed);
        arena_reset(t->arena);
        if (rc == RC_OK)
            rest_since(t, began_ms);
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
