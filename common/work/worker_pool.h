/* worker_pool.h - threads that run jobs one after the other, each with its own context.
 *
 * The context is opaque: services put a database connection into it.  A job runs
 * ordinary sequential code and may block; it ends by posting its result to where it came
 * from.  Jobs of one share (job_queue.h) hold a quarter of the threads.  Thread: any.
 */
#pragma once

#include "base/clock.h"
#include "base/rc.h"
#include "work/job_queue.h"

#include <stddef.h>

struct arena;
struct worker_pool;

struct worker_pool_options {
    const char *name; /* in thread names and metric labels; outlives the pool */
    unsigned count;   /* threads */
    size_t queue_max; /* jobs that wait */
    /* Each in the worker's thread; all may be NULL. */
    void *(*context_new)(void *user);
    void (*context_after_job)(void *context); /* before the next job, e.g. roll back */
    void (*context_free)(void *context);
    void *user;
};

struct worker {
    void *context;
    struct arena *arena; /* reset after each job */
    unsigned index;      /* 0 .. count-1 */
};

struct worker_pool *worker_pool_new(const struct worker_pool_options *o);

/* RC_LIMIT: the queue is full; RC_CLOSED: draining.  The job is untouched then.
 * run(j) may free j or post it elsewhere: the pool does not touch it afterwards. */
enum rc worker_pool_submit(struct worker_pool *p, struct job *j) RC_CHECKED;

/* Take no more jobs, finish the queued ones.  RC_TIMEOUT: some still run. */
enum rc worker_pool_drain(struct worker_pool *p, struct deadline until) RC_CHECKED;
void worker_pool_free(struct worker_pool **p); /* drains without a deadline, joins */

size_t worker_pool_queued(struct worker_pool *p);
