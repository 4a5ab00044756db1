/* task_expire_large - large messages go earlier, once a client could have fetched them.
 */
#include "expire.h"
#include "store/store_expire.h"

enum { LARGE_BYTES = 200000 }; /* chatmail spec 6.1 */

enum rc task_expire_large(struct task_tools *t, int64_t *removed)
{
    struct store_expire_rule rule = {
        .older_than_s = t->options->delete_large_after * TASK_DAY_S,
        .larger_than = LARGE_BYTES,
        .only_fetched = true,
    };

    return expire_by_rule(t, &rule, removed);
}
