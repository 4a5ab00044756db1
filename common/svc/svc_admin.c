/* svc_admin.c - answers from what others have noted: no route waits for anything.  What
 * a service answers below /api/ may take its time, but not this thread's. */
#include "svc/svc_admin.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/http_server.h"
#include "net/loop.h"

#include <inttypes.h>
#include <pthread.h>

enum { LOOPS_MAX = 80, STALE_MS = 10000, METRICS_MAX = 4 << 20 };

struct svc_admin {
    struct svc_status *status;
    struct http_server *server;
    pthread_mutex_t lock;
    struct loop *loops[LOOPS_MAX]; /* under lock */
    int loop_count;                /* under lock */
    struct svc_pulse *pulses;      /* under lock */
    bool has_api;                  /* the service has hooks */
    pthread_mutex_t answering;     /* held while a hook runs */
    struct svc *api;               /* under answering; NULL: closed */
};

static void answer_metrics(struct svc_admin *a, struct http_exchange *x)
{
    struct buf *b = arena_buf(x->arena, METRICS_MAX);

    (void)a;
    metric_render(b);
    http_server_reply(
        x, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", buf_str(b));
}

static void note_stale(struct buf *b, const char *name, int64_t beat_ms)
{
    int64_t age = clock_monotonic_ms() - beat_ms;

    if (age > STALE_MS)
        buf_printf(b, "%s has not moved for %" PRId64 " ms\n", name, age);
}

static void answer_livez(struct svc_admin *a, struct http_exchange *x)
{
    struct buf *b = arena_buf(x->arena, 65536);

    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < a->loop_count; i++)
        note_stale(b, "a loop", loop_heartbeat_ms(a->loops[i]));
    for (struct svc_pulse *p = a->pulses; p != NULL; p = p->next)
        note_stale(b, p->name, atomic_load(&p->beat_ms));
    pthread_mutex_unlock(&a->lock);
    if (b->n == 0)
        http_server_reply(x, 200, "text/plain", S("ok\n"));
    else
        http_server_reply(x, 503, "text/plain", buf_str(b));
}

static void answer_readyz(struct svc_admin *a, struct http_exchange *x)
{
    struct buf *b = arena_buf(x->arena, 65536);
    bool ready = svc_status_render(a->status, b);

    http_server_reply(x, ready ? 200 : 503, "application/json", buf_str(b));
}

static const struct {
    str_t path;
    void (*answer)(struct svc_admin *a, struct http_exchange *x);
} routes[] = {
    { STR("/metrics"), answer_metrics },
    { STR("/livez"), answer_livez },
    { STR("/readyz"), answer_readyz },
};

static bool is_api(const struct svc_admin *a, const struct http_exchange *x)
{
    return a->has_api && str_starts(x->request.path, S("/api/"));
}

static void answer_api(struct svc_admin *a, struct http_exchange *x, bool refused)
{
    pthread_mutex_lock(&a->answering);
    if (a->api == NULL) {
        http_server_reply(
            x, 503, "application/json",
            S("{\"code\":\"unavailable\",\"message\":\"The service starts or "
              "stops at this moment. Please try again in a moment.\"}\n"));
        http_server_add_header(x, "Retry-After", "1");
        http_server_finish(x);
    } else if (refused) {
        a->api->service->on_api_refused(a->api, x);
    } else {
        a->api->service->on_api(a->api, x);
    }
    pthread_mutex_unlock(&a->answering);
}

static void refuse(struct http_exchange *x)
{
    struct svc_admin *a = x->user;

    if (is_api(a, x)) {
        answer_api(a, x, true);
        return;
    }
    http_server_reply(x, x->response.status, "text/plain",
                      S("no such request is expected here\n"));
    http_server_finish(x);
}

static void handle(struct http_exchange *x)
{
    struct svc_admin *a = x->user;
    bool get =
        str_eq(x->request.method, S("GET")) || str_eq(x->request.method, S("HEAD"));

    if (is_api(a, x)) {
        answer_api(a, x, false);
        return;
    }
    http_server_reply(x, 404, "text/plain", S("/metrics /livez /readyz\n"));
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (get && str_eq(x->request.path, routes[i].path))
            routes[i].answer(a, x);
    }
    http_server_finish(x);
}

enum rc svc_admin_new(const struct options *o, struct svc_status *status, bool has_api,
                      struct svc_admin **out)
{
    struct svc_admin *a = mem_alloc(sizeof(*a));
    uint16_t port = (uint16_t)o->admin_port;
    struct http_server_options options = { .address = o->admin_address,
                                           .ipv4_only = o->disable_ipv6,
                                           .port = &port,
                                           .threads = 1,
                                           .max_connections = 100,
                                           .handler = handle,
                                           .refuse = refuse,
                                           .user = a };
    enum rc rc;

    a->status = status;
    a->has_api = has_api;
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->answering, NULL);
    rc = http_server_new(&options, &a->server);
    if (rc != RC_OK) {
        pthread_mutex_destroy(&a->answering);
        pthread_mutex_destroy(&a->lock);
        mem_free(a);
        return rc;
    }
    *out = a;
    return RC_OK;
}

void svc_admin_free(struct svc_admin **a)
{
    if (*a == NULL)
        return;
    http_server_free(&(*a)->server);
    pthread_mutex_destroy(&(*a)->answering);
    pthread_mutex_destroy(&(*a)->lock);
    mem_free(*a);
    *a = NULL;
}

void svc_admin_open_api(struct svc_admin *a, struct svc *svc)
{
    CHECK(a->has_api);
    pthread_mutex_lock(&a->answering);
    a->api = svc;
    pthread_mutex_unlock(&a->answering);
}

void svc_admin_close_api(struct svc_admin *a)
{
    pthread_mutex_lock(&a->answering);
    a->api = NULL;
    pthread_mutex_unlock(&a->answering);
}

void svc_admin_watch_loop(struct svc_admin *a, struct loop *loop)
{
    pthread_mutex_lock(&a->lock);
    CHECK(a->loop_count < LOOPS_MAX);
    a->loops[a->loop_count++] = loop;
    pthread_mutex_unlock(&a->lock);
}

void svc_admin_watch_pulse(struct svc_admin *a, struct svc_pulse *pulse)
{
    svc_pulse(pulse);
    pthread_mutex_lock(&a->lock);
    pulse->next = a->pulses;
    a->pulses = pulse;
    pthread_mutex_unlock(&a->lock);
}

void svc_admin_forget_loops(struct svc_admin *a)
{
    pthread_mutex_lock(&a->lock);
    a->loop_count = 0;
    a->pulses = NULL;
    pthread_mutex_unlock(&a->lock);
}
