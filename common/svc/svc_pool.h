/* svc_pool.h - worker threads with a database connection each.  Thread: the main one. */
#pragma once

struct svc;
struct worker_pool;

/* Each worker's context is its struct db, reset after every job.  The queue's length is
 * the option job_queue_max. */
struct worker_pool *svc_pool_new(struct svc *svc, const char *name, int count);
