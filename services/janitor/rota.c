/* rota.c - one janitor works at a time, and runs each task when it is due. */
#include "rota.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "clocks.h"
#include "store/db.h"
#include "store/store_expire.h"
#include "svc/svc.h"
#include "task.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_MS = 1000, /* is a task due? */
    LOCK_MS = 3000, /* is the lock free, is it still ours? */
    AGAIN_S = 30,   /* a task that failed */
};

/* A row of tasks.def.  interval: where the option lies in struct options. */
struct task_row {
    const char *name, *counts;
    size_t interval;
    task_fn run;
    struct metric *runs, *failures, *removed;
};

#define TASK_METRIC(id, what, task, help_)                                               \
    static struct metric id = { .kind = METRIC_COUNTER,                                  \
                                .name = "postbus_janitor_" what,                         \
                                .labels = "task=\"" task "\"",                           \
                                .help = help_ };
#define TASK(name, interval, counts)                                                     \
    TASK_METRIC(runs_##name, "runs", #name, "Runs of a task that succeeded.")            \
    TASK_METRIC(failures_##name, "failures", #name, "Runs of a task that failed.")       \
    TASK_METRIC(removed_##name, "removed", #name, "What the task's runs removed.")
#include "tasks.def"
#undef TASK

static const struct task_row rows[] = {
#define TASK(name, interval, counts)                                                     \
    { #name,          counts,       offsetof(struct options, interval),                  \
      task_##name,    &runs_##name, &failures_##name,                                    \
      &removed_##name },
#include "tasks.def"
#undef TASK
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct rota {
    struct svc *svc;
    struct task_tools tools;
    struct db *lock_db;
    bool locked;
    struct clocks clocks;
    enum clocks_verdict clocks_were;
    int failures; /* of the lock's connection, in a row */
    int64_t lock_at_ms;
    int64_t due_ms[ROWS];
    bool failed[ROWS];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool draining, ended;
};

static struct metric working = { .kind = METRIC_GAUGE,
                                 .name = "postbus_janitor_working",
                                 .labels = "",
                                 .help = "1 in the replica that works." };

static int64_t interval_ms(const struct rota *r, const struct task_row *row)
{
    int64_t seconds;

    memcpy(&seconds, (const char *)r->tools.options + row->interval, sizeof(seconds));
    return seconds * 1000;
}

static void note_lock(struct rota *r, bool locked, enum rc rc)
{
    if (rc != RC_OK && r->failures++ == 0)
        log_warn("janitor.lock_failed", "reason=%s sqlstate=%s", rc_name(rc),
                 db_sqlstate(r->lock_db));
    if (rc == RC_OK)
        r->failures = 0;
    if (locked == r->locked)
        return;
    log_info(locked ? "janitor.working" : "janitor.resting", "lock=%s",
             locked ? "taken" : "lost");
    r->locked = locked;
    metric_set(&working, locked);
    for (size_t i = 0; i < ROWS; i++)
        r->due_ms[i] = 0; /* whoever begins to work runs everything once */
}

/* Take the lock, or see whether it is still ours. */
static void mind_lock(struct rota *r)
{
    bool locked = false;
    enum rc rc;

    if (clock_monotonic_ms() < r->lock_at_ms)
        return;
    rc = r->locked ? store_expire_locked(r->lock_db, &locked)
                   : store_expire_lock(r->lock_db, &locked);
    db_reset(r->lock_db);
    note_lock(r, rc == RC_OK && locked, rc);
    r->lock_at_ms = clock_monotonic_ms() + LOCK_MS;
}

static void note_run(struct rota *r, size_t i, enum rc rc, int64_t removed,
                     int64_t took_ms)
{
    metric_add(rows[i].removed, removed);
    metric_add(rc == RC_OK ? rows[i].runs : rows[i].failures, 1);
    if (rc == RC_OK && removed > 0)
        log_info("janitor.done", "task=%s %s=%" PRId64 " ms=%" PRId64, rows[i].name,
                 rows[i].counts, removed, took_ms);
    else if (rc != RC_OK && !r->failed[i])
        log_warn("janitor.failed", "task=%s reason=%s sqlstate=%s", rows[i].name,
                 rc_name(rc), db_sqlstate(r->tools.db));
    r->failed[i] = rc != RC_OK;
}

static void run_task(struct rota *r, size_t i)
{
    int64_t begin = clock_monotonic_ms();
    int64_t removed = 0;
    enum rc rc = rows[i].run(&r->tools, &removed);
    int64_t now = clock_monotonic_ms();

    note_run(r, i, rc, removed, now - begin);
    r->due_ms[i] = now + (rc == RC_OK ? interval_ms(r, &rows[i]) : AGAIN_S * 1000);
    db_reset(r->tools.db);
    arena_reset(r->tools.arena);
}

static void note_clocks(const struct clocks *c, enum clocks_verdict verdict)
{
    switch (verdict) {
    case CLOCKS_RIGHT:
        log_info("janitor.clocks_right", " ");
        break;
    case CLOCKS_DIFFER:
        log_error("janitor.clocks_differ",
                  "offset_ms=%" PRId64 " advice=\"set the clocks of this machine and of "
                  "PostgreSQL's by NTP; nothing is removed until they agree\"",
                  c->offset_ms);
        break;
    case CLOCKS_JUMPED:
        log_error(
            "janitor.clock_jumped",
            "jump_ms=%" PRId64 " wait_ms=%" PRId64 " advice=\"set PostgreSQL's clock "
            "if it is wrong; when it has held for this wait, it is believed and what "
            "is overdue by it is removed\"",
            c->jump_ms, c->interval_ms);
        break;
    case CLOCKS_UNKNOWN:
        log_warn("janitor.clocks_unknown", "reason=database");
        break;
    }
}

/* Right before each task, which a jump of the clock would make forget too much. */
static bool is_time_right(struct rota *r)
{
    enum clocks_verdict verdict =
        clocks_look(&r->clocks, r->tools.db, clock_monotonic_ms());

    db_reset(r->tools.db);
    if (verdict != r->clocks_were)
        note_clocks(&r->clocks, verdict);
    r->clocks_were = verdict;
    return verdict == CLOCKS_RIGHT;
}

/* The lock is looked at between tasks too: a long one may outlive it.  Two janitors at
 * once would do no harm but double work. */
static void run_due(struct rota *r)
{
    for (size_t i = 0; i < ROWS && r->locked && !r->tools.stop; i++) {
        if (clock_monotonic_ms() < r->due_ms[i])
            continue;
        if (!is_time_right(r))
            return;
        run_task(r, i);
        mind_lock(r);
    }
}

/* False: draining. */
static bool await(struct rota *r)
{
    struct timespec until;
    bool go_on;
    int e = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    pthread_mutex_lock(&r->mutex);
    while (!r->draining && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&r->wake, &r->mutex, &until);
    go_on = !r->draining;
    pthread_mutex_unlock(&r->mutex);
    return go_on;
}

static void *rota_main(void *arg)
{
    struct rota *r = arg;

    do {
        mind_lock(r);
        run_due(r);
    } while (await(r));
    if (r->locked && store_expire_unlock(r->lock_db) != RC_OK)
        log_debug("janitor.unlock_failed", "reason=connection");
    pthread_mutex_lock(&r->mutex);
    r->ended = true;
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

static void register_metrics(void)
{
    metric_register(&working);
    for (size_t i = 0; i < ROWS; i++)
        metric_register(rows[i].runs);
    for (size_t i = 0; i < ROWS; i++)
        metric_register(rows[i].failures);
    for (size_t i = 0; i < ROWS; i++)
        metric_register(rows[i].removed);
}

struct rota *rota_new(struct svc *svc)
{
    struct rota *r = mem_alloc(sizeof(*r));
    pthread_condattr_t attr;

    register_metrics();
    r->svc = svc;
    r->tools.db = svc_db_new(svc);
    r->tools.arena = arena_new();
    r->tools.bus = svc->bus;
    r->tools.options = svc->options;
    r->lock_db = svc_db_new(svc);
    r->clocks.interval_ms = svc->options->expiry_interval_seconds * 1000;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    CHECK(pthread_create(&r->thread, NULL, rota_main, r) == 0);
    pthread_setname_np(r->thread, "janitor");
    return r;
}

void rota_drain(struct rota *r)
{
    r->tools.stop = true;
    pthread_mutex_lock(&r->mutex);
    r->draining = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
}

bool rota_is_drained(struct rota *r)
{
    bool ended;

    pthread_mutex_lock(&r->mutex);
    ended = r->ended;
    pthread_mutex_unlock(&r->mutex);
    return ended;
}

void rota_free(struct rota **pr)
{
    struct rota *r = *pr;

    if (r == NULL)
        return;
    rota_drain(r);
    pthread_join(r->thread, NULL);
    db_free(&r->tools.db);
    db_free(&r->lock_db);
    arena_free(&r->tools.arena);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->mutex);
    mem_free(r);
    *pr = NULL;
}
