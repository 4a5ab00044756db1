/* order.h - of one sender's messages to one mailbox none overtakes another.
 *
 * A batch holds what it could claim.  What it could not, because another worker has it or
 * because it was put off, may be older than what it has; then the younger one waits.
 * Thread: the db's.
 */
#pragma once

#include "base/str.h"
#include "store/store_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;
struct route_rules;

struct order; /* of one batch; lives in its arena */

/* After store_queue_ask_elders for these rows and the flush. */
struct order *order_read(struct arena *a, const struct db *db, size_t which,
                         const struct route_rules *rules,
                         const struct store_queue_row *rows, size_t n);

/* Is an older message of the row's sender to this address (as in struct route) left?
 * *due_us: when the youngest of them is due. */
bool order_is_behind(const struct order *o, const struct store_queue_row *row,
                     str_t address, int64_t *due_us);
