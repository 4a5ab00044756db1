/* task_inactive_accounts - accounts that nobody has used for long are removed: some in
 * each transaction, with a rest between two of them. */
#include "base/arena.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "rest.h"
#include "store/db.h"
#include "store/store_account.h"
#include "store/store_expire.h"
#include "task.h"

enum { BATCH = 50 };

/* A login in between wins: the condition is part of the removal.  *n: how many of them
 * were removed; those stand in front then. */
static enum rc remove_some(struct task_tools *t, int64_t *accounts, size_t *n,
                           int32_t before_day)
{
    size_t removed = 0;
    enum rc rc = RC_OK;

    db_begin(t->db);
    for (size_t i = 0; i < *n && rc == RC_OK; i++) {
        rc = store_account_delete(t->db, accounts[i], before_day);
        if (rc == RC_OK)
            accounts[removed++] = accounts[i];
        else if (rc == RC_NOT_FOUND)
            rc = RC_OK;
    }
    *n = removed;
    if (rc == RC_OK)
        return db_commit(t->db);
    db_rollback(t->db);
    return rc;
}

static void tell(struct task_tools *t, int64_t account)
{
    struct msg m = { .kind = MSG_account_changed };

    m.account_changed.account = account;
    m.account_changed.removed = 1;
    bus_publish(t->bus, &m);
}

/* RC_NOT_FOUND: there are no more after *after. */
static enum rc one_batch(struct task_tools *t, int32_t before_day, int64_t *after,
                         int64_t *removed)
{
    int64_t *accounts;
    size_t n;
    enum rc rc =
        store_expire_inactive(t->arena, t->db, before_day, *after, BATCH, &accounts, &n);

    if (rc != RC_OK || n == 0)
        return rc != RC_OK ? rc : RC_NOT_FOUND;
    *after = accounts[n - 1];
    rc = remove_some(t, accounts, &n, before_day);
    for (size_t i = 0; rc == RC_OK && i < n; i++, (*removed)++)
        tell(t, accounts[i]);
    return rc;
}

enum rc task_inactive_accounts(struct task_tools *t, int64_t *removed)
{
    int64_t after = -1;
    int32_t today;
    enum rc rc = store_expire_today(t->db, &today); /* once: a clock may jump meanwhile */

    while (rc == RC_OK && !t->stop) {
        int64_t began_ms = clock_monotonic_ms();

        rc = one_batch(t, today - (int32_t)t->options->delete_inactive_users_after,
                       &after, removed);
        arena_reset(t->arena);
        if (rc == RC_OK)
            rest_since(t, began_ms);
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
