/* api_pool.h - the workers that answer what needs the database.  Thread: the main one. */
#pragma once

struct svc;
struct worker_pool;

/* What waits longer for a worker is answered 503. */
enum { API_POOL_DEADLINE_MS = 10000 };

/* Each worker's context is its struct db, reset after every job.  Statements end earlier
 * than elsewhere, after 5 s: whoever waits is a person, or a program that can come again.
 * So also when PostgreSQL says nothing an answer comes: after the wait for a worker, each
 * of the request's statements (two for the token, and the route's own) and the time to
 * connect; with one statement of the route after some 25 s. */
struct worker_pool *api_pool_new(struct svc *svc);
