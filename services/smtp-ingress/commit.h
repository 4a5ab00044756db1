/* commit.h - messages that became ready at the same time share one transaction.
 *
 * Nobody waits for company: the first worker that comes commits at once, and whatever
 * arrives during that commit is the next batch, which the same worker takes.  So a lone
 * message has the latency of one commit and a crowd the cost of few.
 * Thread: any; each caller brings its own db.
 */
#pragma once

#include "base/deadline.h"
#include "store/store_accept.h"

#include <stdint.h>

struct commit;
struct db;

struct commit_item {
    struct store_accept message; /* .rc and .body_id tell the outcome */
    /* Called once, in the thread that committed; the item may be gone afterwards. */
    void (*done)(struct commit_item *item);
    size_t bytes; /* of the message; set by commit_add, as what follows */
    struct commit_item *next;
    struct deadline until; /* for a database that is away */
};

/* committed(user, body_id, count) runs after each commit and before the done calls; NULL:
 * nobody cares. */
struct commit *commit_new(void (*committed)(void *user, int64_t body_id, uint32_t count),
                          void *user);
void commit_free(struct commit **c);

/* How long a message waits for a database that is away, from commit_add on (default
 * 15 s). */
void commit_wait(struct commit *c, int ms);

/* What item points to must live until done. */
void commit_add(struct commit *c, struct db *db, struct commit_item *item);
