/* task_expire_messages - after some days a message is gone for everybody, read or not. */
#include "expire.h"
#include "store/store_expire.h"

enum rc task_expire_messages(struct task_tools *t, int64_t *removed)
{
    struct store_expire_rule rule = {
        .older_than_s = t->options->delete_mails_after * TASK_DAY_S,
    };

    return expire_by_rule(t, &rule, removed);
}
