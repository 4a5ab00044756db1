/* svc_pool.c - what work/ leaves open, filled in: the context is a connection. */
#include "svc/svc_pool.h"

#include "store/db.h"
#include "svc/options.h"
#include "svc/svc.h"
#include "work/worker_pool.h"

static void *open_database(void *svc)
{
    return svc_db_new(svc);
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

struct worker_pool *svc_pool_new(struct svc *svc, const char *name, int count)
{
    struct worker_pool_options o = {
        .name = name,
        .count = (unsigned)count,
        .queue_max = (size_t)svc->options->job_queue_max,
        .context_new = open_database,
        .context_after_job = after_job,
        .context_free = close_database,
        .user = svc,
    };

    return worker_pool_new(&o);
}
