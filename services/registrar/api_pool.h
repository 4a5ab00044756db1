/* api_pool.h - the workers that answer what needs the database.  Thread: the main one. */
#pragma once

struct svc;
struct worker_pool;

/* What waits longer for a worker is answered 503. */
enum { API_POOL_DEADLINE_MS = 10000 };

/* Each worker's context is its struct db, reset after every job.  Statements end earlier
 * than elsewhere: whoever waits is a person, or a program that can come again.  So an
 * answer comes within twice the deadline, also when PostgreSQL says nothing. */
struct worker_pool *api_pool_new(struct svc *svc);
