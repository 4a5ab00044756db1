/* job_queue.h - a bounded queue between threads that have work and threads that do it.
 *
 * Who waits longest is woken last: under light load the same thread, with its warm
 * caches and its warm database connection, does all the work.
 *
 * Jobs are taken in turn from all shares (accounts) that wait, so a share with a thousand
 * jobs delays another by one job; and of one share only so many run at once.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"

#include <stddef.h>
#include <stdint.h>

struct job_queue;
struct worker;

/* Embedded in what the work is about; belongs to the queue from put to take. */
struct job {
    void (*run)(struct job *j, struct worker *w);
    struct job *next;
    uint64_t share;    /* whose it is; 0: nobody's, of which any number runs */
    int64_t queued_us; /* monotonic, set by job_queue_put */
};

/* At most max_count jobs wait, and share_max of one share run. */
struct job_queue *job_queue_new(size_t max_count, unsigned share_max);
void job_queue_free(struct job_queue **q); /* empty, and nobody waits */

/* RC_LIMIT: full; RC_CLOSED: job_queue_close was called.  Never blocks for long. */
enum rc job_queue_put(struct job_queue *q, struct job *j) RC_CHECKED;
/* The oldest job of the share whose turn it is; waits for one.  NULL: closed, and what is
 * left is for those who run jobs of the same share. */
struct job *job_queue_take(struct job_queue *q);
/* A job of that share was taken and has been run. */
void job_queue_done(struct job_queue *q, uint64_t share);
void job_queue_close(struct job_queue *q); /* takers get what is left, then NULL */
size_t job_queue_count(struct job_queue *q);
