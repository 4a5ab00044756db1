/* worker_pool.c - threads around a job queue.
 *
 * The metrics outlive the pool, as metric.h demands: a process makes a handful of pools.
 */
#include "work/worker_pool.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct pool_metrics {
    struct metric queued, busy, wait;
    char labels[64];
};

struct pool_thread {
    struct worker_pool *pool;
    struct worker worker;
    pthread_t id;
};

struct worker_pool {
    struct worker_pool_options options;
    struct job_queue *queue;
    struct pool_metrics *metrics;
    struct pool_thread *threads;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned running; /* threads that have not ended */
};

static struct pool_metrics *metrics_new(const char *pool_name)
{
    struct pool_metrics *m = mem_alloc(sizeof(*m));

    snprintf(m->labels, sizeof(m->labels), "pool=\"%s\"", pool_name);
    m->queued = (struct metric){ .kind = METRIC_GAUGE,
                                 .name = "postbus_pool_queued_jobs",
                                 .labels = m->labels,
                                 .help = "Jobs that wait for a worker." };
    m->busy = (struct metric){ .kind = METRIC_GAUGE,
                               .name = "postbus_pool_busy_workers",
                               .labels = m->labels,
                               .help = "Workers that run a job." };
    m->wait = (struct metric){ .kind = METRIC_HISTOGRAM,
                               .name = "postbus_pool_wait_seconds",
                               .labels = m->labels,
                               .help = "Time from submission to a worker." };
    metric_register(&m->queued);
    metric_register(&m->busy);
    metric_register(&m->wait);
    return m;
}

static void run_job(struct pool_thread *t, struct job *j)
{
    struct worker_pool *p = t->pool;
    int64_t waited_us = clock_monotonic_us() - j->queued_us;
    uint64_t share = j->share; /* afterwards the job may be gone */

    metric_add(&p->metrics->queued, -1);
    metric_add(&p->metrics->busy, 1);
    metric_observe_us(&p->metrics->wait, waited_us);
    j->run(j, &t->worker);
    if (p->options.context_after_job != NULL)
        p->options.context_after_job(t->worker.context);
    arena_reset(t->worker.arena);
    log_context_clear();
    job_queue_done(p->queue, share);
    metric_add(&p->metrics->busy, -1);
}

static void *thread_main(void *arg)
{
    struct pool_thread *t = arg;
    struct worker_pool *p = t->pool;
    struct job *j;

    t->worker.arena = arena_new();
    if (p->options.context_new != NULL)
        t->worker.context = p->options.context_new(p->options.user);
    while ((j = job_queue_take(p->queue)) != NULL)
        run_job(t, j);
    if (p->options.context_free != NULL)
        p->options.context_free(t->worker.context);
    arena_free(&t->worker.arena);
    pthread_mutex_lock(&p->lock);
    p->running--;
    pthread_cond_broadcast(&p->ended);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void thread_start(struct worker_pool *p, unsigned index)
{
    struct pool_thread *t = &p->threads[index];
    char name[32];

    t->pool = p;
    t->worker.index = index;
    CHECK(pthread_create(&t->id, NULL, thread_main, t) == 0);
    snprintf(name, sizeof(name), "%.10s-%u", p->options.name, index);
    name[15] = '\0'; /* the kernel keeps no more */
    pthread_setname_np(t->id, name);
}

/* There are two threads to a core, and one that is busy keeps, with its backend, a core
 * busy: so half of the cores are left to the others. */
static unsigned share_max(unsigned count)
{
    return count > 4 ? count / 4 : 1;
}

struct worker_pool *worker_pool_new(const struct worker_pool_options *o)
{
    struct worker_pool *p = mem_alloc(sizeof(*p));
    pthread_condattr_t attr;

    CHECK(o->count > 0);
    p->options = *o;
    p->queue = job_queue_new(o->queue_max, share_max(o->count));
    p->metrics = metrics_new(o->name);
    p->threads = mem_alloc(o->count * sizeof(*p->threads));
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->ended, &attr);
    pthread_condattr_destroy(&attr);
    p->running = o->count;
    for (unsigned i = 0; i < o->count; i++)
        thread_start(p, i);
    return p;
}

enum rc worker_pool_submit(struct worker_pool *p, struct job *j)
{
    enum rc rc;

    /* Counted before: once it is put, a worker may already have taken it. */
    metric_add(&p->metrics->queued, 1);
    rc = job_queue_put(p->queue, j);
    if (rc != RC_OK)
        metric_add(&p->metrics->queued, -1);
    return rc;
}

enum rc worker_pool_drain(struct worker_pool *p, struct deadline until)
{
    struct timespec at = { .tv_sec = until.at_ms / 1000,
                           .tv_nsec = until.at_ms % 1000 * 1000000 };
    enum rc rc;

    job_queue_close(p->queue);
    pthread_mutex_lock(&p->lock);
    while (p->running > 0 && !deadline_passed(until))
        pthread_cond_timedwait(&p->ended, &p->lock, &at);
    rc = p->running == 0 ? RC_OK : RC_TIMEOUT;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void worker_pool_free(struct worker_pool **pool)
{
    struct worker_pool *p = *pool;

    if (p == NULL)
        return;
    job_queue_close(p->queue);
    for (unsigned i = 0; i < p->options.count; i++)
        pthread_join(p->threads[i].id, NULL);
    job_queue_free(&p->queue);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->threads);
    mem_free(p);
    *pool = NULL;
}

size_t worker_pool_queued(struct worker_pool *p)
{
    return job_queue_count(p->queue);
}
