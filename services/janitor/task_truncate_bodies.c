/* task_truncate_bodies - a day's bodies go at once when nothing refers to them. */
#include "base/log.h"
#include "store/store_expire.h"
#include "task.h"

#include <inttypes.h>

enum rc task_truncate_bodies(struct task_tools *t, int64_t *removed)
{
    int64_t bytes = 0;
    int tables = 0;
    enum rc rc = store_expire_bodies(t->db, TASK_DAY_S, &tables, &bytes);

    if (rc == RC_OK && tables > 0)
        log_info("janitor.bodies", "tables=%d bytes=%" PRId64, tables, bytes);
    *removed = tables;
    return rc;
}
