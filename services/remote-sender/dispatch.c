/* dispatch.c - gives each destination its thread, and keeps half of the threads for those
 * that have proven themselves. */
#include "dispatch.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "desk.h"
#include "destination.h"
#include "proven_list.h"
#include "roster.h"
#include "store/db.h"
#include "svc/options.h"
#include "svc/routes.h"
#include "svc/svc.h"
#include "throttle.h"
#include "upkeep.h"

enum {
    PER_CLAIM = 10,  /* rows of one destination that are claimed together */
    LOBBY_MAX = 500, /* destinations */
    RENEW_MAX = 256, /* leases in one round */
    /* How long a stranger's host is searched and knocked at while others wait, and how
     * soon it is seen that they do. */
    PATIENCE_MS = 2000, /* times the attempts, for hosts that are slow by nature */
    PATIENCE_MAX_MS = 20 * 1000,
    LOOK_MS = 250,
    STACK_BYTES = 512 * 1024,
    STOP_MS = 5000, /* after a drain's deadline */
};

struct dispatch {
    struct svc *svc;
    struct destination_rules rules;
    struct db *db;
    struct arena *arena;
    struct store_remote_cursor cursor;
    size_t concurrency, per_destination;
    struct upkeep upkeep;
    struct throttle *throttle; /* NULL: no rate */
    int failures;              /* in a row */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, at_end;
    bool woken, draining, ended;
    struct destination *list;  /* in progress */
    struct destination *lobby; /* claimed, without a thread, in order */
    size_t lobby_count;
    struct destination *ended_list; /* their threads wait to be joined */
    struct proven_list proven;
};

static struct metric in_progress = { .kind = METRIC_GAUGE,
                                     .name = "postbus_remote_destinations",
                                     .labels = "",
                                     .help = "Destinations that have a thread." };

/* With the lock. */
static void unlink_destination(struct dispatch *d, struct destination *t)
{
    struct destination **at = &d->list;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

/* A destination's thread, from its first parcel to its end. */
static void *destination_main(void *arg)
{
    struct destination *t = arg;
    struct dispatch *d = t->rules->user;

    destination_serve(t);
    pthread_mutex_lock(&d->lock);
    unlink_destination(d, t);
    t->next = d->ended_list;
    d->ended_list = t;
    d->woken = true; /* what waits for this destination may be claimed again */
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* Threads that have left are joined by the dispatcher's. */
static void reap(struct dispatch *d)
{
    struct destination *t;

    pthread_mutex_lock(&d->lock);
    t = d->ended_list;
    d->ended_list = NULL;
    pthread_mutex_unlock(&d->lock);
    while (t != NULL) {
        struct destination *next = t->next;

        pthread_join(t->thread, NULL);
        destination_free(&t);
        t = next;
    }
}

static bool start_thread(struct destination *t)
{
    pthread_attr_t attr;
    bool started;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    started = pthread_create(&t->thread, &attr, destination_main, t) == 0;
    pthread_attr_destroy(&attr);
    return started;
}

/* With the lock.  A thread that only lingers makes room for one that has work. */
static void make_room(struct dispatch *d)
{
    struct roster_census c = roster_count(d->list);

    for (struct destination *t = d->list; t != NULL; t = t->next)
        if (c.working + c.idle >= d->concurrency && roster_is_idle(t) && !t->leaving) {
            destination_leave(t);
            return;
        }
}

/* With the lock: at the end of those who wait for a thread.  Where the operator has set a
 * route, strangers cannot lead us astray. */
static struct destination *enter_lobby(struct dispatch *d,
                                       const struct store_remote_row *row)
{
    struct destination *t = destination_new(&d->rules, row);
    struct destination **at = &d->lobby;

    while (*at != NULL)
        at = &(*at)->next;
    *at = t;
    d->lobby_count++;
    t->proven = t->transport->shared ||
                proven_list_has(&d->proven, row->destination, clock_monotonic_ms());
    return t;
}

/* With the lock: takes the one at *at out of the lobby. */
static struct destination *leave_lobby(struct dispatch *d, struct destination **at)
{
    struct destination *t = *at;

    *at = t->next;
    t->next = NULL;
    d->lobby_count--;
    return t;
}

/* The rows come back with the end of their lease. */
static void turn_away(struct destination *t)
{
    destination_abandon(t);
    destination_free(&t);
}

/* With the lock. */
static void give_thread(struct dispatch *d, struct destination *t)
{
    make_room(d);
    t->next = d->list;
    d->list = t;
    if (start_thread(t))
        return;
    log_error("remote.no_thread", "destinations=%zu", roster_count(d->list).working);
    unlink_destination(d, t);
    turn_away(t);
}

/* With the lock.  False: no thread of the destination waits with a connection. */
static bool give_to_idle(struct dispatch *d, struct destination **at)
{
    struct destination *idle = roster_idle(d->list, (*at)->name), *t;

    if (idle == NULL)
        return false;
    t = leave_lobby(d, at);
    while (t->waiting != NULL) {
        struct parcel *p = t->waiting;

        t->waiting = p->next;
        destination_add(idle, p);
    }
    destination_free(&t);
    return true;
}

/* With the lock. */
static bool may_have_thread(const struct dispatch *d, const struct destination *t,
                            const struct roster_census *c)
{
    return (t->proven || c->unproven < (d->concurrency + 1) / 2) &&
           roster_working_on(d->list, t->name) < d->per_destination;
}

/* With the lock: threads for whoever may have one, in order.  The unproven share half of
 * them, so that no number of hosts that hold us up keeps mail from the others.  Too many
 * who wait, or for too long, and the first are turned away: their place is needed to look
 * for proven ones further down in the queue. */
static void serve_lobby(struct dispatch *d)
{
    struct destination **at = &d->lobby;
    struct roster_census c = roster_count(d->list);

    while (*at != NULL && c.working < d->concurrency) {
        bool proven = (*at)->proven;

        if (!give_to_idle(d, at)) {
            if (!may_have_thread(d, *at, &c)) {
                at = &(*at)->next;
                continue;
            }
            give_thread(d, leave_lobby(d, at));
        }
        c.working++;
        c.unproven += !proven;
    }
    while (d->lobby != NULL &&
           (d->lobby_count > LOBBY_MAX ||
            d->lobby->waiting->leased_until_ms - clock_monotonic_ms() < PARCEL_SPARE_MS))
        turn_away(leave_lobby(d, &d->lobby));
}

/* With the lock. */
static int64_t patience_ms(const struct destination *t)
{
    int64_t ms =
        PATIENCE_MS * (int64_t)(t->current != NULL ? t->current->row.attempts : 1);

    return ms < PATIENCE_MAX_MS ? ms : PATIENCE_MAX_MS;
}

/* With the lock: as many strangers as wait for a thread get one from those whose host has
 * been searched for long; these are tried again later.  True: somebody waits. */
static bool hurry(struct dispatch *d)
{
    size_t waiting = 0;

    for (const struct destination *t = d->lobby; t != NULL; t = t->next)
        waiting += !t->proven;
    for (struct destination *t = d->list; t != NULL && waiting > 0; t = t->next)
        if (!t->proven && delivery_yield(t->delivery, patience_ms(t)))
            waiting--;
    return d->lobby != NULL;
}

/* For the next sender; those whose turn would come after a failure wait for the end of
 * their lease. */
static void empty_lobby(struct dispatch *d)
{
    bool ok = true;

    pthread_mutex_lock(&d->lock);
    while (d->lobby != NULL) {
        struct destination *t = leave_lobby(d, &d->lobby);

        pthread_mutex_unlock(&d->lock);
        ok = ok && destination_hand_back(t);
        turn_away(t);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
}

/* Give each claimed row to a destination. */
static void hand_out(struct dispatch *d, const struct store_remote_row *rows, size_t n,
                     int64_t claimed_ms)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        struct destination *t = roster_taker(d->list, d->lobby, &rows[i], PER_CLAIM);

        if (t == NULL)
            t = enter_lobby(d, &rows[i]);
        destination_add(t, parcel_new(&rows[i], claimed_ms));
    }
    serve_lobby(d);
    pthread_mutex_unlock(&d->lock);
}

void dispatch_wake(struct dispatch *d)
{
    pthread_mutex_lock(&d->lock);
    d->woken = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

static enum rc look_after(struct dispatch *d)
{
    bool more = false;
    enum rc rc = upkeep_run(&d->upkeep, d->db, &d->rules, &more);

    if (more)
        dispatch_wake(d);
    return rc;
}

/* Whoever made the row may know nothing of ways. */
static void choose_way(const struct dispatch *d, struct store_remote_row *row)
{
    if (!row->is_unrouted)
        return;
    row->transport = routes_find(d->rules.desk->routes, row->domain);
    if (row->transport.n > 0)
        row->destination = row->transport;
}

static enum rc claim(struct dispatch *d)
{
    struct store_remote_claim how = { .per_destination = PER_CLAIM,
                                      .lease_s = PARCEL_LEASE_S };
    struct store_remote_row *rows;
    struct store_remote_pause *late;
    int64_t now = clock_monotonic_ms();
    struct roster_census c;
    str_t *busy;
    size_t n = 0, go;
    enum rc rc;

    pthread_mutex_lock(&d->lock);
    serve_lobby(d);
    c = roster_count(d->list);
    how.busy_count = roster_busy(d->arena, d->list, d->lobby, d->per_destination, &busy);
    pthread_mutex_unlock(&d->lock);
    metric_set(&in_progress, (int64_t)(c.working + c.idle));
    how.busy_count = throttle_busy(d->throttle, d->arena, now, &busy, how.busy_count);
    if (c.working >= d->concurrency)
        return RC_OK;
    how.busy = busy;
    how.limit = d->concurrency - c.working;
    rc = store_remote_claim(d->arena, d->db, &d->cursor, &how, &rows, &n);
    if (rc != RC_OK || n == 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        choose_way(d, &rows[i]);
    go = throttle_admit(d->throttle, d->arena, rows, n, now * 1000, &late);
    hand_out(d, rows, go, now);
    pthread_mutex_lock(&d->lock);
    d->woken = d->woken || n == how.limit; /* there may be more */
    pthread_mutex_unlock(&d->lock);
    return throttle_put_off(d->throttle, d->db, &rows[go], late, n - go);
}

/* With the lock: is it time to renew this one's lease? */
static size_t note_lease(const struct parcel *p, struct store_remote_row *rows, size_t n)
{
    int64_t left = p->leased_until_ms - clock_monotonic_ms();

    if (n == RENEW_MAX || left > PARCEL_LEASE_S * 1000 - PARCEL_RENEW_MS ||
        p->leased_until_ms == 0)
        return n;
    rows[n].id = p->row.id;
    rows[n].lease = p->row.lease;
    return n + 1;
}

static void note_renewed(struct dispatch *d, int64_t id, enum rc rc, int64_t asked_ms)
{
    pthread_mutex_lock(&d->lock);
    for (struct destination *t = d->list; t != NULL; t = t->next) {
        if (t->current != NULL && t->current->row.id == id)
            parcel_renewed(t->current, rc, asked_ms);
        for (struct parcel *p = t->waiting; p != NULL; p = p->next)
            if (p->row.id == id)
                parcel_renewed(p, rc, asked_ms);
    }
    pthread_mutex_unlock(&d->lock);
}

/* What takes long stays ours.  Asked without the lock: the parcel may be gone when the
 * answer comes, which is why it is looked up again. */
static enum rc renew_leases(struct dispatch *d)
{
    struct store_remote_row *rows = arena_array(d->arena, RENEW_MAX, sizeof(*rows));
    size_t n = 0;
    enum rc rc = RC_OK;

    pthread_mutex_lock(&d->lock);
    for (struct destination *t = d->list; t != NULL; t = t->next) {
        if (t->current != NULL)
            n = note_lease(t->current, rows, n);
        for (struct parcel *p = t->waiting; p != NULL; p = p->next)
            n = note_lease(p, rows, n);
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n && (rc == RC_OK || rc == RC_CONFLICT); i++) {
        int64_t now = clock_monotonic_ms();

        rc = store_remote_extend(d->db, &rows[i], PARCEL_LEASE_S);
        note_renewed(d, rows[i].id, rc, now);
    }
    return rc == RC_CONFLICT ? RC_OK : rc;
}

/* Once when it begins to fail, once when it works again. */
static void note_result(struct dispatch *d, enum rc rc)
{
    if (rc == RC_OK) {
        if (d->failures > 0)
            log_info("remote.resumed", "failures=%d", d->failures);
        d->failures = 0;
    } else if (d->failures++ == 0) {
        log_warn("remote.failed", "reason=%s sqlstate=%s", rc_name(rc),
                 db_sqlstate(d->db));
    }
}

/* Until woken, or a while.  False: draining, and nobody is in progress any more. */
static bool await(struct dispatch *d, int64_t ms, bool heed_hints)
{
    struct deadline until;
    bool go_on;

    pthread_mutex_lock(&d->lock);
    until = deadline_in_ms(hurry(d) && ms > LOOK_MS ? LOOK_MS : ms);
    while (!(heed_hints && d->woken) && !(d->draining && d->list == NULL) &&
           cond_wait(&d->wake, &d->lock, until))
        ;
    d->woken = false;
    if (d->draining)
        for (struct destination *t = d->list; t != NULL; t = t->next) {
            destination_leave(t);
            delivery_abort(t->delivery, false);
        }
    go_on = !(d->draining && d->list == NULL);
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

static bool is_draining(struct dispatch *d)
{
    bool draining;

    pthread_mutex_lock(&d->lock);
    draining = d->draining;
    pthread_mutex_unlock(&d->lock);
    return draining;
}

/* Whoever drains claims nothing more, also when a rest has ended. */
static int64_t pause_ms(struct dispatch *d)
{
    static const struct backoff rest = { .min_ms = 50, .max_ms = 5000 };
    int64_t ms = d->svc->options->queue_poll_ms;

    if (d->failures > 0)
        return backoff_ms(&rest, d->failures, crypto_random_u64());
    ms -= crypto_random_below((uint32_t)ms / 5);
    return is_draining(d) ? ms : throttle_wait_ms(d->throttle, clock_monotonic_ms(), ms);
}

static void *dispatch_main(void *arg)
{
    struct dispatch *d = arg;
    int64_t wait_ms = 0;

    log_context("dispatch");
    while (await(d, wait_ms, d->failures == 0)) {
        enum rc rc;

        reap(d);
        rc = renew_leases(d);
        if (is_draining(d))
            empty_lobby(d);
        else if (rc == RC_OK && (rc = look_after(d)) == RC_OK)
            rc = claim(d);
        note_result(d, rc);
        db_reset(d->db);
        arena_reset(d->arena);
        wait_ms = pause_ms(d);
    }
    empty_lobby(d);
    reap(d);
    pthread_mutex_lock(&d->lock);
    d->ended = true;
    pthread_cond_signal(&d->at_end);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void register_metrics(void)
{
    metric_register(&in_progress);
}

struct dispatch *dispatch_new(struct svc *svc, const struct desk *desk)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct dispatch *d = mem_alloc(sizeof(*d));
    const struct options *o = svc->options;

    pthread_once(&once, register_metrics);
    pthread_mutex_init(&d->lock, NULL);
    cond_init(&d->wake);
    cond_init(&d->at_end);
    d->svc = svc;
    d->rules = (struct destination_rules){
        .desk = desk,
        .bus = svc->bus,
        .backoff = { o->retry_min_seconds * 1000, o->retry_max_seconds * 1000 },
        .lock = &d->lock,
        .wake = &d->wake,
        .woken = &d->woken,
        .proven = &d->proven,
        .user = d,
    };
    d->db = svc_db_new(svc);
    upkeep_init(&d->upkeep);
    d->throttle = throttle_new(o->remote_per_destination_per_minute);
    d->arena = arena_new();
    d->concurrency = (size_t)o->remote_concurrency;
    d->per_destination = (size_t)o->remote_per_destination;
    CHECK(pthread_create(&d->thread, NULL, dispatch_main, d) == 0);
    pthread_setname_np(d->thread, "dispatch");
    return d;
}

void dispatch_drain(struct dispatch *d)
{
    if (d->rules.desk->finder.dns != NULL)
        dns_stop(d->rules.desk->finder.dns);
    pthread_mutex_lock(&d->lock);
    d->draining = true;
    d->woken = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

bool dispatch_is_drained(struct dispatch *d)
{
    bool ended;

    pthread_mutex_lock(&d->lock);
    ended = d->ended;
    pthread_mutex_unlock(&d->lock);
    return ended;
}

/* False: somebody still waits for the database, which may take as long as its statements
 * are allowed to, one after the other. */
static bool abort_all(struct dispatch *d)
{
    struct deadline until = deadline_in_ms(STOP_MS);
    bool ended;

    pthread_mutex_lock(&d->lock);
    for (struct destination *t = d->list; t != NULL; t = t->next)
        delivery_abort(t->delivery, true);
    while (!d->ended && cond_wait(&d->at_end, &d->lock, until))
        ;
    ended = d->ended;
    pthread_mutex_unlock(&d->lock);
    return ended;
}

bool dispatch_free(struct dispatch **pd)
{
    struct dispatch *d = *pd;

    if (d == NULL)
        return true;
    dispatch_drain(d);
    if (!abort_all(d))
        return false;
    pthread_join(d->thread, NULL);
    db_free(&d->db);
    throttle_free(&d->throttle);
    arena_free(&d->arena);
    pthread_cond_destroy(&d->at_end);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *pd = NULL;
    return true;
}
