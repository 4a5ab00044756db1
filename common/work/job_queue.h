/* job_queue.h - a bounded queue between threads that have work and threads that do it.
 *
 * Who waits longest is woken last: under light load the same thread, with its warm
 * caches and its warm database connection, does all the work.
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
    int64_t queued_us; /* monotonic, set by job_queue_put */
};

struct job_queue *job_queue_new(size_t max_count);
void job_queue_free(struct job_queue **q); /* empty, and nobody waits */

/* RC_LIMIT: full; RC_CLOSED: job_queue_close was called.  Never blocks for long. */
enum rc job_queue_put(struct job_queue *q, struct job *j) RC_CHECKED;
/* The oldest job; waits for one.  NULL: closed and empty. */
struct job *job_queue_take(struct job_queue *q);
void job_queue_close(struct job_queue *q); /* takers get what is left, then NULL */
size_t job_queue_count(struct job_queue *q);
