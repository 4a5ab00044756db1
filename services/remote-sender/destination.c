/* destination.c - one destination in progress: its parcels and the thread that sends
 * them. */
#include "destination.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/crypto.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "bus/bus.h"
#include "dbs.h"
#include "desk.h"
#include "outcome.h"
#include "proven_list.h"
#include "store/db.h"
#include "store/store_clock.h"
#include "svc/federation_book.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

enum {
    LINGER_MS = 15 * 1000,
    MESSAGES_MAX = 1000, /* then the thread begins afresh, with new addresses */
};

#define COUNTER(id, outcome)                                                             \
    static struct metric id = { .kind = METRIC_COUNTER,                                  \
                                .name = "postbus_remote_recipients",                     \
                                .labels = "outcome=\"" outcome "\"",                     \
                                .help = "Recipients of attempts, by outcome." }

COUNTER(count_done, "done");
COUNTER(count_retry, "retry");
COUNTER(count_failed, "failed");

static void register_metrics(void)
{
    metric_register(&count_done);
    metric_register(&count_retry);
    metric_register(&count_failed);
}

struct destination *destination_new(const struct destination_rules *rules,
                                    const struct store_remote_row *row)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct transport_way way = transport_way_of(row->transport, row->domain);
    struct destination *t = mem_alloc(sizeof(*t));

    pthread_once(&once, register_metrics);
    t->rules = rules;
    t->transport = way.transport;
    t->delivery = delivery_new(rules->desk, &way);
    snprintf(t->name, sizeof(t->name), "%.*s", STR_ARG(row->destination));
    cond_init(&t->news);
    return t;
}

void destination_free(struct destination **t)
{
    if (*t == NULL)
        return;
    CHECK((*t)->waiting == NULL && (*t)->current == NULL);
    delivery_free(&(*t)->delivery);
    pthread_cond_destroy(&(*t)->news);
    mem_free(*t);
    *t = NULL;
}

void destination_add(struct destination *t, struct parcel *p)
{
    struct parcel **at = &t->waiting;

    while (*at != NULL)
        at = &(*at)->next;
    p->next = NULL;
    *at = p;
    pthread_cond_signal(&t->news);
}

void destination_leave(struct destination *t)
{
    t->leaving = true;
    pthread_cond_signal(&t->news);
}

void destination_abandon(struct destination *t)
{
    while (t->waiting != NULL) {
        struct parcel *p = t->waiting;

        t->waiting = p->next;
        parcel_free(&p);
    }
}

/* With the lock: somebody else may have a thread now. */
static void tell_dispatcher(struct destination *t)
{
    *t->rules->woken = true;
    pthread_cond_signal(t->rules->wake);
}

/* With the lock.  False: nothing came. */
static bool linger(struct destination *t)
{
    struct deadline until = deadline_in_ms(LINGER_MS);

    t->lingering = true;
    tell_dispatcher(t);
    while (t->waiting == NULL && !t->leaving &&
           cond_wait(&t->news, t->rules->lock, until))
        ;
    t->lingering = false;
    return t->waiting != NULL;
}

/* The next parcel to send; NULL, with leaving set, at the end. */
static struct parcel *next_parcel(struct destination *t, bool may_go_on)
{
    struct parcel *p = NULL;

    pthread_mutex_lock(t->rules->lock);
    if (t->waiting == NULL && may_go_on && !t->leaving &&
        delivery_is_connected(t->delivery))
        (void)linger(t);
    if (!may_go_on || t->leaving || t->waiting == NULL) {
        t->leaving = true;
    } else {
        p = t->waiting;
        t->waiting = p->next;
        t->current = p;
    }
    pthread_mutex_unlock(t->rules->lock);
    return p;
}

static enum rc settle_once(struct destination *t, struct parcel *p,
                           const struct store_remote_outcome *o)
{
    struct db *db = dbs_take(t->rules->desk->dbs);
    enum rc rc = store_remote_settle(db, &p->row, o);

    dbs_give(t->rules->desk->dbs, db);
    return rc;
}

/* The outcome must be written while the lease is ours, also through a database's restart
 * or when it takes too long: what is forgotten here is sent twice. */
static enum rc settle(struct destination *t, struct parcel *p,
                      const struct store_remote_outcome *o)
{
    static const struct backoff rest = { .min_ms = 50, .max_ms = 2000 };

    for (int failures = 1;; failures++) {
        enum rc rc = settle_once(t, p, o);
        int64_t wait = backoff_ms(&rest, failures, crypto_random_u64());

        if ((rc != RC_RETRY && rc != RC_TIMEOUT) ||
            p->leased_until_ms - clock_monotonic_ms() <= wait)
            return rc;
        poll(NULL, 0, (int)wait); /* the connection is lent to others meanwhile */
    }
}

void destination_note_failed(const struct destination_rules *rules, size_t recipients)
{
    struct msg m = { .kind = MSG_outcome_ready };

    if (recipients == 0)
        return;
    metric_add(&count_failed, (int64_t)recipients);
    m.outcome_ready.count = (uint32_t)recipients;
    if (rules->bus != NULL)
        bus_send_work(rules->bus, &m);
}

static void log_outcome(const struct parcel *p, const struct outcome_counts *n,
                        enum rc rc)
{
    const char *event = n->retry > 0    ? "remote.deferred"
                        : n->failed > 0 ? "remote.refused"
                                        : "remote.sent";

    if (rc == RC_OK)
        log_info(event, "queue=%016" PRIx64 " attempt=%d done=%zu retry=%zu failed=%zu",
                 (uint64_t)p->row.body_id, p->row.attempts, n->done, n->retry, n->failed);
    else
        log_warn("remote.not_settled", "queue=%016" PRIx64 " done=%zu reason=%s",
                 (uint64_t)p->row.body_id, n->done, rc_name(rc));
}

static void note_proof(struct destination *t)
{
    pthread_mutex_lock(t->rules->lock);
    if (!t->transport->shared) /* an operator's needs no proof */
        proven_list_add(t->rules->proven, str_of(t->name), clock_monotonic_ms());
    if (!t->proven)
        tell_dispatcher(t);
    t->proven = true;
    pthread_mutex_unlock(t->rules->lock);
}

/* A host that cannot be reached has to prove itself anew. */
static void note_unreachable(struct destination *t)
{
    pthread_mutex_lock(t->rules->lock);
    proven_list_remove(t->rules->proven, str_of(t->name));
    pthread_mutex_unlock(t->rules->lock);
}

static void conclude(struct destination *t, struct arena *a, struct parcel *p,
                     const struct delivery_result *result)
{
    struct outcome_facts facts = {
        .row = &p->row,
        .rcpt = result->rcpt,
        .rcpt_count = result->rcpt_count,
        .host = result->host,
        .backoff = &t->rules->backoff,
        .now_unix = store_clock_unix_ms() / 1000,
        .random = crypto_random_u64(),
    };
    struct store_remote_outcome outcome;
    struct outcome_counts n = outcome_sort(a, &facts, &outcome);
    enum rc rc = settle(t, p, &outcome);

    metric_add(&count_done, (int64_t)n.done);
    metric_add(&count_retry, (int64_t)n.retry);
    log_outcome(p, &n, rc);
    if (n.done > 0)
        note_proof(t);
    if (rc == RC_OK)
        destination_note_failed(t->rules, n.failed);
}

/* For the next sender, at once. */
static bool hand_back(struct destination *t, struct parcel *p)
{
    struct store_remote_outcome o = {
        .retry = p->row.recipients,
        .retry_count = p->row.recipient_count,
    };
    struct db *db = dbs_take(t->rules->desk->dbs);
    enum rc rc = store_remote_settle(db, &p->row, &o);

    if (rc != RC_OK)
        log_debug("remote.not_handed_back", "queue=%016" PRIx64,
                  (uint64_t)p->row.body_id);
    dbs_give(t->rules->desk->dbs, db);
    return rc == RC_OK || rc == RC_CONFLICT; /* somebody else's: also fine */
}

/* Before any host is looked up, whatever way the row would take. */
static bool is_blocked(struct destination *t, struct arena *a, const struct parcel *p,
                       struct delivery_result *out)
{
    const struct smtp_client_answer no = {
        554, S("5.7.1"), S("554 5.7.1 no mail is sent to this domain")
    };
    size_t n = p->row.recipient_count;

    if (!federation_book_blocks(t->rules->desk->federation, p->row.domain,
                                FEDERATION_OUT))
        return false;
    *out = (struct delivery_result){ .rcpt = arena_array(a, n + 1, sizeof(*out->rcpt)),
                                     .rcpt_count = n };
    for (size_t i = 0; i < n; i++)
        out->rcpt[i] =
            (struct smtp_client_rcpt){ .address = p->row.recipients[i], .answer = no };
    return true;
}

static void serve_one(struct destination *t, struct arena *a, struct parcel *p)
{
    struct delivery_result result;
    enum rc rc =
        is_blocked(t, a, p, &result) ? RC_OK : delivery_send(t->delivery, a, p, &result);

    if (rc == RC_OK)
        conclude(t, a, p, &result);
    else if (rc == RC_CLOSED)
        hand_back(t, p);
    else
        log_warn("remote.given_up", "queue=%016" PRIx64 " reason=%s",
                 (uint64_t)p->row.body_id,
                 rc == RC_CONFLICT ? "lease-lost" : rc_name(rc));
}

bool destination_hand_back(struct destination *t)
{
    struct parcel *p;
    bool ok = true;

    pthread_mutex_lock(t->rules->lock);
    p = t->waiting; /* nobody adds any more: leaving is set */
    t->waiting = NULL;
    pthread_mutex_unlock(t->rules->lock);
    while (p != NULL) {
        struct parcel *next = p->next;

        ok = ok && hand_back(t, p);
        parcel_free(&p);
        p = next;
    }
    return ok;
}

void destination_serve(struct destination *t)
{
    struct arena *a = arena_new();
    struct parcel *p;
    int sent = 0;

    while ((p = next_parcel(t, sent < MESSAGES_MAX)) != NULL) {
        serve_one(t, a, p);
        sent++;
        pthread_mutex_lock(t->rules->lock);
        t->current = NULL;
        pthread_mutex_unlock(t->rules->lock);
        parcel_free(&p);
        arena_reset(a);
    }
    destination_hand_back(t);
    if (delivery_is_unreachable(t->delivery))
        note_unreachable(t);
    arena_free(&a);
}
