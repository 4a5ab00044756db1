/* expire.h - apply one expiry rule to all mailboxes, in batches, with hints. */
#pragma once

#include "task.h"

enum rc expire_by_rule(struct task_tools *t, const struct store_expire_rule *rule,
                       int64_t *removed) RC_CHECKED;
