/* task_sweep - what is left over: old expunge records, device tokens that nobody renews,
 * rows that were set aside and never looked at. */
#include "store/store_expire.h"
#include "task.h"

/* Nothing refers to a message that is older than this, so nothing about it is kept. */
enum rc task_sweep(struct task_tools *t, int64_t *removed)
{
    return store_expire_leftovers(t->db, t->options->delete_mails_after * TASK_DAY_S,
                                  removed);
}
