/* api_pool.c - few workers and a short queue: both together are fewer than the
 * connections of the admin port, so that requests that wait leave some for probes.
 * (Connections that are merely kept open do not: enough of them keep all others out until
 * they have been idle for too long.  The port is for a trusted network.) */
#include "api_pool.h"

#include "store/db.h"
#include "svc/options.h"
#include "svc/svc.h"
#include "svc/svc_db.h"
#include "work/worker_pool.h"

enum { WORKERS_MAX = 16, QUEUE_MAX = 64, STATEMENT_SECONDS = 5 };

static void *open_database(void *user)
{
    struct svc *svc = user;
    struct options hasty = *svc->options;

    if (hasty.database_statement_seconds > STATEMENT_SECONDS)
        hasty.database_statement_seconds = STATEMENT_SECONDS;
    return svc_db_open(&hasty, svc->service->name);
}

static void after_job(void *db)
{
    db_reset(db);
}

static void close_database(void *context)
{
    struct db *db = context;

    db_free(&db);
}

struct worker_pool *api_pool_new(struct svc *svc)
{
    int workers = options_worker_threads(svc->options);
    int64_t queue = svc->options->job_queue_max;
    struct worker_pool_options o = {
        .name = "api",
        .count = (unsigned)(workers < WORKERS_MAX ? workers : WORKERS_MAX),
        .queue_max = (size_t)(queue < QUEUE_MAX ? queue : QUEUE_MAX),
        .context_new = open_database,
        .context_after_job = after_job,
        .context_free = close_database,
        .user = svc,
    };

    return worker_pool_new(&o);
}
