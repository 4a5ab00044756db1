/* batch.h - one transaction of a queue-worker, from the claim to the commit.
 *
 * Everything that a batch does, its failures included, is one transaction: a crash
 * anywhere gives the rows back, and what was committed is never done again.  What must
 * be told to other services is returned and told after the commit.
 * Thread: one owner; each thread of the service has its own.
 */
#pragma once

#include "base/rc.h"
#include "deliver.h"
#include "store/store_queue.h"

#include <stddef.h>

struct arena;
struct db;
struct keyring;

struct batch {
    struct db *db;
    const struct deliver_rules *rules;
    size_t rows_max;      /* of one transaction */
    int attempts_max;     /* then a suspect is set aside */
    struct keyring *keys; /* NULL as batch_init leaves it: nothing is signed */
    /* owned by batch.c */
    struct arena *arena;
    struct store_queue_cursor cursor;
    size_t singly;    /* so many rows are claimed one by one, after a batch was refused */
    int collisions;   /* batches of one in a row that met an id of somebody else */
    char sqlstate[6]; /* of the last batch that failed, for the log */
};

/* What to tell after the commit; lives until the next call with this batch. */
struct batch_news {
    size_t rows;                         /* that left the queue */
    const struct store_deliver_box *box; /* those with added > 0 */
    size_t box_count;
    size_t remote_rows;
    size_t bounces;   /* wait in our own queue now */
    bool more;        /* the claim was full: look again at once */
    int64_t retry_ms; /* until something that was put back is due; 0: nothing was */
};

void batch_init(struct batch *b, struct db *db, const struct deliver_rules *rules,
                size_t rows_max, int attempts_max);
void batch_fini(struct batch *b);

/* RC_OK also when nothing waits (news->rows is 0).  RC_RETRY: rolled back, come back
 * later.  Anything else: the content of a row was refused; the next calls find out which
 * and set it aside. */
enum rc batch_run(struct batch *b, struct batch_news *news) RC_CHECKED;

/* One row that may have killed its worker before, alone.  RC_NOT_FOUND: there is none. */
enum rc batch_run_suspect(struct batch *b, struct batch_news *news) RC_CHECKED;

/* What remote-sender gave up becomes bounces. */
enum rc batch_run_failed(struct batch *b, struct batch_news *news) RC_CHECKED;
