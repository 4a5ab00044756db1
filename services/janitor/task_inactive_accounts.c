/* task_inactive_accounts - accounts that nobody has used for long are removed. */
#include "base/arena.h"
#include "bus/bus.h"
#include "store/store_account.h"
#include "store/store_expire.h"
#include "task.h"

enum { BATCH = 100 };

/* A login in between wins: the condition is part of the removal. */
static enum rc remove_one(struct task_tools *t, int64_t account, int32_t before_day,
                          int64_t *removed)
{
    struct msg m = { .kind = MSG_account_changed };
    enum rc rc = store_account_delete(t->db, account, before_day);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK) {
        m.account_changed.account = account;
        m.account_changed.removed = 1;
        bus_publish(t->bus, &m);
        (*removed)++;
    }
    return rc;
}

/* RC_NOT_FOUND: nothing is left to remove. */
static enum rc one_batch(struct task_tools *t, int64_t *removed)
{
    int64_t before = *removed;
    int64_t *accounts;
    int32_t before_day;
    size_t n;
    enum rc rc = store_expire_inactive(t->arena, t->db,
                                       (int)t->options->delete_inactive_users_after,
                                       BATCH, &accounts, &n, &before_day);

    for (size_t i = 0; i < n && rc == RC_OK && !t->stop; i++)
        rc = remove_one(t, accounts[i], before_day, removed);
    return rc == RC_OK && *removed == before ? RC_NOT_FOUND : rc;
}

enum rc task_inactive_accounts(struct task_tools *t, int64_t *removed)
{
    enum rc rc = RC_OK;

    while (rc == RC_OK && !t->stop) {
        rc = one_batch(t, removed);
        arena_reset(t->arena);
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
