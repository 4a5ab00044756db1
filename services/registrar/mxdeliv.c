/* mxdeliv.c - places, threads, and the way of an answer back to its exchange. */
#include "mxdeliv.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/rate.h"
#include "mxdeliv_carry.h"
#include "net/cidr.h"
#include "net/http_server.h"
#include "net/http_stream.h"
#include "net/limit.h"
#include "replicas.h"
#include "reply.h"
#include "router.h"
#include "svc/options.h"
#include "web.h"
#include "work/worker_pool.h"

enum {
    BUFFER_BYTES = 64 * 1024,
    BURST_PART = 10, /* of what may come in a minute, at once */
};

struct mxdeliv {
    struct replicas *ingress;
    struct worker_pool *pool;
    struct limit *places;
    struct rate *rate;
    int64_t seconds;
    uint64_t body_max;
};

/* A request on its way; its memory is its own, as the exchange may go at any time. */
struct delivery {
    struct job job;
    struct arena *arena;
    struct web web;
    struct mxdeliv_carry carry;
    struct mxdeliv_answer answer;
    uint64_t network;
};

static struct metric under_way = { .kind = METRIC_GAUGE,
                                   .name = "postbus_mxdeliv_messages",
                                   .labels = "",
                                   .help = "Messages that come over HTTPS just now." };

struct mxdeliv *mxdeliv_new(const struct options *o)
{
    struct rate_options rate = { .per_minute = o->mxdeliv_per_minute,
                                 .burst = o->mxdeliv_per_minute / BURST_PART };
    struct worker_pool_options pool = { .name = "mxdeliv",
                                        .count = (unsigned)o->mxdeliv_at_once,
                                        .queue_max = (size_t)o->mxdeliv_at_once };
    struct mxdeliv *m;

    if (o->smtp_ingress_mxdeliv_peers[0] == '\0')
        return NULL;
    metric_register(&under_way);
    m = mem_alloc(sizeof(*m));
    m->ingress = replicas_new(str_of(o->smtp_ingress_mxdeliv_peers));
    m->pool = worker_pool_new(&pool);
    m->places =
        limit_new((size_t)o->mxdeliv_at_once, (size_t)o->mxdeliv_at_once_per_network);
    m->rate = rate_new(&rate);
    m->seconds = o->mxdeliv_seconds;
    m->body_max = (uint64_t)o->max_message_size;
    return m;
}

bool mxdeliv_is_idle(struct mxdeliv *m)
{
    return m == NULL || limit_total(m->places) == 0;
}

void mxdeliv_free(struct mxdeliv **m)
{
    if (*m == NULL)
        return;
    worker_pool_free(&(*m)->pool);
    replicas_free(&(*m)->ingress);
    limit_free(&(*m)->places);
    rate_free(&(*m)->rate);
    mem_free(*m);
    *m = NULL;
}

uint64_t mxdeliv_body_max(const struct mxdeliv *m)
{
    return m->body_max;
}

/* --- places ---------------------------------------------------------------------------
 */

static void give_place(struct mxdeliv *m, uint64_t network)
{
    if (network != 0)
        limit_give_key(m->places, network);
    limit_give_total(m->places);
    metric_add(&under_way, -1);
}

static bool take_place(struct mxdeliv *m, uint64_t network)
{
    if (limit_take_total(m->places) != RC_OK)
        return false;
    if (network == 0 || limit_take_key(m->places, network) == RC_OK) {
        metric_add(&under_way, 1);
        return true;
    }
    limit_give_total(m->places);
    return false;
}

bool mxdeliv_admits(struct mxdeliv *m, struct http_exchange *x)
{
    uint64_t network = cidr_client_key(&x->request.client);
    int64_t retry_ms;

    if (network != 0 && !rate_take(m->rate, network, clock_monotonic_us(), &retry_ms)) {
        reply_smtp(x, 429, S("451 4.7.0 Too many messages from your network"));
        return false;
    }
    if (!take_place(m, network)) {
        reply_smtp(x, 503, S("451 4.4.5 Too many messages at once, try again later"));
        return false;
    }
    return true;
}

void mxdeliv_leave(struct mxdeliv *m, const struct http_exchange *x)
{
    give_place(m, cidr_client_key(&x->request.client));
}

/* --- a delivery -----------------------------------------------------------------------
 */

/* In the stream's lock: the exchange is there. */
static void fill(struct http_exchange *x, void *user)
{
    const struct delivery *d = user;

    reply_smtp(x, d->answer.status != 0 ? d->answer.status : 503, d->answer.text);
    router_streamed(&d->web, x);
}

static void finish(struct delivery *d)
{
    struct arena *a = d->arena;

    http_stream_answer(d->carry.body, fill, d);
    http_stream_drop(&d->carry.body);
    give_place(d->web.mxdeliv, d->network);
    arena_free(&a);
}

static void run(struct job *job, struct worker *w)
{
    struct delivery *d = (struct delivery *)job;

    d->answer = mxdeliv_carry(w->arena, &d->carry);
    log_info("mxdeliv.answered", "status=%d rcpt_count=%zu", d->answer.status,
             d->carry.form.recipient_count);
    finish(d);
}

static void copy_form(struct arena *a, const struct mxdeliv_form *from,
                      struct mxdeliv_form *to)
{
    *to = *from;
    to->sender = arena_str(a, from->sender);
    for (size_t i = 0; i < from->recipient_count; i++)
        to->recipients[i] = arena_str(a, from->recipients[i]);
}

void mxdeliv_take(const struct web *web, struct http_exchange *x,
                  const struct mxdeliv_form *form, uint64_t body_bytes)
{
    struct mxdeliv *m = web->mxdeliv;
    struct http_stream_options o = { .buffer_bytes = BUFFER_BYTES,
                                     .discard_bytes = m->body_max };
    struct arena *a = arena_new();
    struct delivery *d = arena_alloc(a, sizeof(*d));

    *d = (struct delivery){ .job = { .run = run },
                            .arena = a,
                            .web = *web,
                            .network = cidr_client_key(&x->request.client) };
    copy_form(a, form, &d->carry.form);
    d->carry.client = x->request.client;
    d->carry.body_bytes = body_bytes;
    d->carry.ingress = m->ingress;
    d->carry.until = deadline_in_ms(m->seconds * 1000);
    d->carry.body = http_server_stream(x, &o);
    /* There are as many threads as places, so only the end of the process refuses it. */
    if (worker_pool_submit(m->pool, &d->job) != RC_OK) {
        d->answer = (struct mxdeliv_answer){ 503, S("421 4.3.2 Service is going away") };
        finish(d);
    }
}
