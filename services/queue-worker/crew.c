/* crew.c - the threads that take batches: what wakes them and when they rest. */
#include "crew.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "batch.h"
#include "keyring.h"
#include "reroute.h"
#include "store/db.h"
#include "svc/svc.h"
#include "work/backoff.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum {
    THREADS_STANDARD = 1, /* the database is the limit: larger batches cost it less */
    THREADS_MAX = 64,
    CARE_MS = 5000, /* between two looks for overdue rows and at the queue's length */
    REROUTE_MS = 600000, /* between two passes for rows that were made by other routes */
    SUSPECTS_MAX = 100,  /* of one such look */
};

struct member {
    struct crew *crew;
    pthread_t thread;
    struct batch batch;
    struct keyring keys;
    int failures; /* in a row */
    int64_t care_at_ms, reroute_at_ms;
    int64_t reroute_after; /* where the pass has got to */
    int64_t retry_at_ms;   /* when something that was put back is due; 0: nothing was */
    bool marked;           /* overdue rows got another turn, there may be more of them */
    bool again;            /* there is more to do: do not wait */
};

struct crew {
    struct svc *svc;
    struct arena *arena;
    struct deliver_rules rules;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned mail_hints; /* 1: somebody must look; more than one burst collapses */
    bool outcome_hint;
    bool draining;
    size_t running;
    size_t count;
    struct member member[THREADS_MAX];
};

static struct metric waiting = { .kind = METRIC_GAUGE,
                                 .name = "postbus_queue_messages",
                                 .labels = "queue=\"local\"",
                                 .help =
                                     "Messages that wait; above 10,000 about so many." };
static struct metric waiting_remote = {
    .kind = METRIC_GAUGE,
    .name = "postbus_queue_messages",
    .labels = "queue=\"remote\"",
    .help = "Messages that wait; above 10,000 about so many."
};
static struct metric waiting_aside = {
    .kind = METRIC_GAUGE,
    .name = "postbus_queue_messages",
    .labels = "queue=\"aside\"",
    .help = "Messages that wait; above 10,000 about so many."
};
static struct metric oldest = { .kind = METRIC_GAUGE,
                                .name = "postbus_queue_oldest_seconds",
                                .labels = "queue=\"local\"",
                                .help = "Age of the oldest message that is due." };
static struct metric oldest_remote = { .kind = METRIC_GAUGE,
                                       .name = "postbus_queue_oldest_seconds",
                                       .labels = "queue=\"remote\"",
                                       .help = "Age of the oldest message that is due." };

static struct metric ahead = { .kind = METRIC_COUNTER,
                               .name = "postbus_queue_ahead",
                               .labels = "queue=\"local\"",
                               .help =
                                   "Messages whose time lay further ahead than it can, "
                                   "because a clock had been ahead." };

static struct timespec in_ms(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Up to a fifth less, so that replicas do not look all at once. */
static int64_t jittered(int64_t ms)
{
    return ms - (int64_t)crypto_random_below((uint32_t)(ms / 5 + 1));
}

struct call { /* what a thread was woken for */
    bool quit, mail, outcome;
};

/* Until a hint, the drain or the timeout; a timeout asks for both kinds of work.  While
 * the database is away a hint does not count. */
static struct call await(struct crew *c, int64_t ms, bool heed_hints)
{
    struct timespec until = in_ms(ms);
    struct call call = { 0 };
    int e = 0;

    pthread_mutex_lock(&c->lock);
    while (!c->draining && e != ETIMEDOUT &&
           !(heed_hints && (c->mail_hints > 0 || c->outcome_hint)))
        e = pthread_cond_timedwait(&c->wake, &c->lock, &until);
    call.quit = c->draining;
    call.mail = c->mail_hints > 0 || e == ETIMEDOUT;
    call.outcome = c->outcome_hint || e == ETIMEDOUT;
    c->mail_hints = 0;
    c->outcome_hint = false;
    pthread_mutex_unlock(&c->lock);
    return call;
}

static bool is_draining(struct crew *c)
{
    bool draining;

    pthread_mutex_lock(&c->lock);
    draining = c->draining;
    pthread_mutex_unlock(&c->lock);
    return draining;
}

/* After the commit: tell the gateways, the sender, and ourselves. */
static void tell(struct crew *c, const struct batch_news *news)
{
    struct msg m;

    for (size_t i = 0; i < news->box_count; i++) {
        const struct store_deliver_box *box = &news->box[i];

        if (box->added == 0)
            continue;
        m = (struct msg){ .kind = MSG_mailbox_changed };
        m.mailbox_changed.account = box->account;
        m.mailbox_changed.mailbox = box->mailbox;
        m.mailbox_changed.modseq = box->modseq;
        m.mailbox_changed.uidnext = box->uidnext;
        m.mailbox_changed.body = box->last_body;
        m.mailbox_changed.size = (uint32_t)box->last_size;
        bus_publish(c->svc->bus, &m);
    }
    if (news->remote_rows > 0) {
        m = (struct msg){ .kind = MSG_remote_ready };
        m.remote_ready.count = (uint32_t)news->remote_rows;
        bus_send_work(c->svc->bus, &m);
    }
    if (news->bounces > 0)
        crew_mail_queued(c);
}

/* Once when it begins to fail, once when it works again. */
static void note_result(struct member *m, enum rc rc)
{
    if (rc == RC_OK) {
        if (m->failures > 0)
            log_info("queue.resumed", "failures=%d", m->failures);
        m->failures = 0;
        return;
    }
    if (m->failures++ == 0)
        log_warn("queue.failed", "reason=%s sqlstate=%s", rc_name(rc), m->batch.sqlstate);
}

static void note_retry(struct member *m, int64_t in_ms)
{
    int64_t at = clock_monotonic_ms() + in_ms;

    if (in_ms > 0 && (m->retry_at_ms == 0 || at < m->retry_at_ms))
        m->retry_at_ms = at;
}

/* Until nothing waits, or until it is time for take_care: a queue that never empties must
 * not keep us from what is overdue in it.  *more: there is something left. */
static enum rc run_while_more(struct member *m,
                              enum rc (*run)(struct batch *, struct batch_news *),
                              bool *more)
{
    struct batch_news news;
    enum rc rc;

    do {
        rc = run(&m->batch, &news);
        if (rc == RC_OK)
            tell(m->crew, &news);
        note_retry(m, news.retry_ms);
        *more = rc == RC_OK && news.more;
    } while (*more && clock_monotonic_ms() < m->care_at_ms && !is_draining(m->crew));
    return rc;
}

static void show_queue(struct member *m)
{
    struct store_queue_stats s;

    if (store_queue_stats(m->batch.db, &s) != RC_OK)
        return;
    metric_set(&waiting, s.local);
    metric_set(&waiting_remote, s.remote);
    metric_set(&waiting_aside, s.aside);
    metric_set(&oldest, s.local_oldest_s);
    metric_set(&oldest_remote, s.remote_oldest_s);
}

/* What only time brings up: rows whose worker died or that found none.  Of a long backlog
 * a part is marked, and the next when that part is gone (m->marked): it comes through
 * batches like all mail, instead of one by one. */
static enum rc take_care(struct member *m)
{
    struct batch_news news;
    size_t marked = 0, called_back;
    enum rc rc = store_queue_call_back(m->batch.db, &called_back);

    if (called_back > 0) {
        log_warn("queue.ahead",
                 "rows=%zu reason=\"their time lay further ahead than it can; "
                 "a clock was ahead\"",
                 called_back);
        metric_add(&ahead, (int64_t)called_back);
        crew_mail_queued(m->crew);
    }
    if (rc == RC_OK)
        rc = store_queue_mark_overdue(m->batch.db, &marked);
    m->marked = rc == RC_OK && marked > 0;
    if (m->marked)
        log_warn("queue.overdue", "rows=%zu", marked);
    for (int i = 0; rc == RC_OK && i < SUSPECTS_MAX && !is_draining(m->crew); i++) {
        rc = batch_run_suspect(&m->batch, &news);
        if (rc == RC_OK)
            tell(m->crew, &news);
        note_retry(m, news.retry_ms);
    }
    /* There may be more suspects, and new mail shall not wait for all of them. */
    m->again |= rc == RC_OK || m->marked;
    db_reset(m->batch.db);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* What waits follows the routes of today, also what another replica made that has not
 * heard of them yet: hence again and again.  A page at a time, so that mail waits for
 * none; what fails is tried with the next pass. */
static void look_at_routes(struct member *m)
{
    struct batch_news news = { 0 };

    if (m != &m->crew->member[0] || clock_monotonic_ms() < m->reroute_at_ms)
        return;
    if (reroute(m->batch.db, &m->crew->rules.routes, &m->reroute_after,
                &news.remote_rows) != RC_OK)
        m->reroute_after = 0;
    tell(m->crew, &news);
    db_reset(m->batch.db);
    if (m->reroute_after == 0)
        m->reroute_at_ms = clock_monotonic_ms() + jittered(REROUTE_MS);
    else
        m->again = true;
}

static enum rc work(struct member *m, struct call call)
{
    bool more_mail = false, more_failed = false, time_for_care, retry;
    enum rc rc = RC_OK;

    retry = m->retry_at_ms != 0 && clock_monotonic_ms() >= m->retry_at_ms;
    if (retry)
        m->retry_at_ms = 0;
    if (call.mail || retry)
        rc = run_while_more(m, batch_run, &more_mail);
    if (rc == RC_OK && call.outcome)
        rc = run_while_more(m, batch_run_failed, &more_failed);
    m->again = more_mail;
    time_for_care = clock_monotonic_ms() >= m->care_at_ms;
    if (rc == RC_OK && (time_for_care || (m->marked && !more_mail)))
        rc = take_care(m);
    if (rc == RC_OK)
        look_at_routes(m);
    if (time_for_care && m == &m->crew->member[0])
        show_queue(m);
    if (time_for_care)
        m->care_at_ms = clock_monotonic_ms() + jittered(CARE_MS);
    if (more_failed)
        crew_outcome_ready(m->crew);
    return rc;
}

static int64_t rest_ms(struct member *m)
{
    static const struct backoff pause = { .min_ms = 50, .max_ms = 5000 };
    int64_t ms = jittered(m->crew->svc->options->queue_poll_ms), left;

    if (m->failures > 0)
        return backoff_ms(&pause, m->failures, crypto_random_u64());
    if (m->again)
        return 0;
    if (m->retry_at_ms != 0) {
        left = m->retry_at_ms - clock_monotonic_ms();
        ms = left < 0 ? 0 : left < ms ? left : ms;
    }
    return ms;
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct crew *c = m->crew;
    struct call call = { .mail = true, .outcome = true };

    log_context("worker=%zu", (size_t)(m - c->member));
    while (!call.quit) {
        note_result(m, work(m, call));
        call = await(c, rest_ms(m), m->failures == 0);
    }
    pthread_mutex_lock(&c->lock);
    c->running--;
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static size_t thread_count(const struct options *o)
{
    if (o->worker_threads == 0)
        return THREADS_STANDARD;
    return o->worker_threads < THREADS_MAX ? (size_t)o->worker_threads : THREADS_MAX;
}

static void start_member(struct crew *c, struct member *m)
{
    const struct options *o = c->svc->options;
    char name[16];

    m->crew = c;
    batch_init(&m->batch, svc_db_new(c->svc), &c->rules, (size_t)o->queue_batch,
               (int)o->queue_attempts);
    keyring_init(&m->keys, o, c->rules.route.domains);
    m->batch.keys = &m->keys;
    CHECK(pthread_create(&m->thread, NULL, member_main, m) == 0);
    snprintf(name, sizeof(name), "queue-%zu", (size_t)(m - c->member));
    pthread_setname_np(m->thread, name);
}

static void register_metrics(void)
{
    metric_register(&waiting);
    metric_register(&waiting_remote);
    metric_register(&waiting_aside);
    metric_register(&oldest);
    metric_register(&oldest_remote);
    metric_register(&ahead);
}

struct crew *crew_new(struct svc *svc)
{
    struct crew *c = mem_alloc(sizeof(*c));
    const struct options *o = svc->options;
    char name[OPTIONS_NAME_BYTES], why[OPTIONS_ERROR_BYTES];
    struct routes routes;
    pthread_condattr_t attr;
    enum rc rc;

    register_metrics();
    c->svc = svc;
    c->arena = arena_new();
    options_smtp_name(o, name);
    rc = routes_parse(c->arena, str_of(o->routes), &routes, why, sizeof(why));
    CHECK(rc == RC_OK); /* looked at when the options were loaded */
    c->rules = (struct deliver_rules){
        .route = { .domains = options_domains(o),
                   .delimiters = str_of(o->recipient_delimiter) },
        .hostname = arena_str(c->arena, str_of(name)),
        .remote_lifetime_s = o->maximal_queue_lifetime,
        .routes = routes,
    };
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
    c->count = thread_count(o);
    c->running = c->count;
    for (size_t i = 0; i < c->count; i++)
        start_member(c, &c->member[i]);
    return c;
}

void crew_mail_queued(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->mail_hints = 1;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void crew_outcome_ready(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->outcome_hint = true;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void crew_drain(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->draining = true;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

bool crew_is_drained(struct crew *c)
{
    bool drained;

    pthread_mutex_lock(&c->lock);
    drained = c->running == 0;
    pthread_mutex_unlock(&c->lock);
    return drained;
}

void crew_free(struct crew **pc)
{
    struct crew *c = *pc;

    if (c == NULL)
        return;
    crew_drain(c);
    for (size_t i = 0; i < c->count; i++) {
        pthread_join(c->member[i].thread, NULL);
        db_free(&c->member[i].batch.db);
        batch_fini(&c->member[i].batch);
        keyring_fini(&c->member[i].keys);
    }
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    arena_free(&c->arena);
    mem_free(c);
    *pc = NULL;
}
