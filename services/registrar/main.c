/* registrar - the way in: invitations, accounts to be, and what programs ask about us.
 *
 * Answers HTTP itself (the server's threads run the router) and HTTPS by way of our own
 * TLS on loops; the admin API on the admin port, from workers.  Holds no state but the
 * rate tables, so any number of replicas may run.
 * `registrar --print-invite` shows the invitation in a terminal and ends.
 */
#include "api_pool.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rate.h"
#include "hour.h"
#include "mxdeliv.h"
#include "net/cidr.h"
#include "net/door.h"
#include "net/http_server.h"
#include "net/https_bridge.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "print_invite.h"
#include "router.h"
#include "site.h"
#include "svc/svc.h"
#include "svc/svc_listen.h"
#include "web.h"
#include "work/worker_pool.h"
#include "www.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    BODY_MAX_BYTES = 4096, /* nobody has more to say to us */
    IDLE_SECONDS = 30,
    DRAIN_GRACE_MS = 1000, /* a request takes milliseconds */
    LOOPS_MAX = 64,
    WRONG_TOKENS_PER_MINUTE = 60,
    WRONG_TOKENS_BURST = 100, /* more than can be looked for at once */
};

/* A port and the server behind it, to which a listener on each loop hands what came. */
struct entrance {
    struct http_server *http;
    struct door *door;
    struct listener_options options;
    struct listener *listeners[LOOPS_MAX];
};

static struct {
    struct arena *arena; /* lives as long as the process: the sites' texts */
    /* As the certificate that is served at the moment makes it: [1] is self-signed. */
    struct site sites[2];
    _Atomic(struct tls_context *) tls; /* NULL: no certificate (yet) */
    struct web web;                    /* without a site */
    struct cidr_list *proxies;
    struct loop *loops[LOOPS_MAX];
    size_t loop_count;
    struct entrance plain, secure;
    int64_t drain_since_ms;
} registrar;

static struct metric https_open = { .kind = METRIC_GAUGE,
                                    .name = "postbus_registrar_https_connections",
                                    .labels = "",
                                    .help = "HTTPS connections that are open." };

/* The certificate may change at any time; a request sees one from beginning to end. While
 * it is not there, what is said must be right with any. */
static struct web web_now(void)
{
    const struct tls_context *tls = registrar.tls;
    bool self_signed = tls != NULL
                           ? tls_context_is_self_signed(tls)
                           : registrar.sites[0].options->tls_certificate_file[0] != '\0';
    struct web web = registrar.web;

    web.site = &registrar.sites[self_signed];
    return web;
}

static void handle(struct http_exchange *x)
{
    struct web web = web_now();

    router_handle(&web, x);
}

static void show_head(struct http_exchange *x)
{
    struct web web = web_now();

    router_head(&web, x);
}

static void refuse(struct http_exchange *x)
{
    struct web web = web_now();

    router_refuse(&web, x);
}

static void handle_api(struct svc *svc, struct http_exchange *x)
{
    struct web web = web_now();

    (void)svc;
    web.is_admin_port = true;
    router_handle(&web, x);
}

static void refuse_api(struct svc *svc, struct http_exchange *x)
{
    struct web web = web_now();

    (void)svc;
    web.is_admin_port = true;
    router_refuse(&web, x);
}

static enum rc open_pages(const struct options *o)
{
    struct web *web = &registrar.web;

    web->www = -1;
    web->has_pages = strcmp(o->www_folder, "disabled") != 0;
    if (!web->has_pages || o->www_folder[0] == '\0')
        return RC_OK;
    web->www = www_open(o->www_folder);
    if (web->www >= 0)
        return RC_OK;
    log_error("registrar.www_folder", "path=%s reason=\"%s\"", o->www_folder,
              strerror(errno));
    return RC_INVALID;
}

static enum rc make_web(const struct options *o)
{
    struct rate_options rate = { .per_minute = o->new_accounts_per_minute,
                                 .burst = o->new_accounts_burst };
    struct rate_options wrong = { .per_minute = WRONG_TOKENS_PER_MINUTE,
                                  .burst = WRONG_TOKENS_BURST };

    registrar.arena = arena_new();
    site_init(&registrar.sites[0], registrar.arena, o, false);
    site_init(&registrar.sites[1], registrar.arena, o, true);
    registrar.web.rate = rate_new(&rate);
    registrar.web.wrong_tokens = rate_new(&wrong);
    registrar.web.api_on_https = o->api_on_https;
    router_init();
    metric_register(&https_open);
    door_register_metrics();
    return open_pages(o);
}

static enum rc make_server(const struct options *o, bool plain, struct entrance *e)
{
    struct http_server_options http = {
        .threads = (unsigned)options_io_threads(o),
        /* The door counts; who is shown out takes a moment to be gone from here. */
        .max_connections = 2 * (unsigned)o->max_http_connections,
        .idle_seconds = IDLE_SECONDS,
        .body_max_bytes = BODY_MAX_BYTES,
        .trusted_proxies = registrar.proxies,
        .adopts_plain = plain,
        .handler = handle,
        .head = show_head,
        .refuse = refuse,
    };

    return http_server_new(&http, &e->http);
}

static void start_loops(struct svc *svc)
{
    size_t count = (size_t)options_io_threads(svc->options);

    for (size_t i = 0; i < count && i < LOOPS_MAX; i++) {
        registrar.loops[i] = loop_new("http");
        loop_start(registrar.loops[i]);
        svc_watch_loop(svc, registrar.loops[i]);
        registrar.loop_count = i + 1;
    }
}

/* tls: NULL for HTTP. */
static enum rc add_listeners(struct svc *svc, uint16_t port, struct tls_context *tls,
                             struct entrance *e)
{
    const struct options *o = svc->options;
    struct door_options door = {
        .max = svc_connections(svc, o->max_http_connections),
        .max_per_network = options_per_network(o, o->max_http_connections),
    };
    enum rc rc = make_server(o, tls == NULL, e);

    e->door = door_new(&door);
    e->options = (struct listener_options){
        .address = o->listen_address,
        .ipv4_only = o->disable_ipv6,
        .port = port,
        .tls = tls,
        .proxy_protocol = o->proxy_protocol,
        .trusted_proxies = registrar.proxies,
        .door = e->door,
        .handler = https_bridge_handler(),
        .user = e->http,
        .open_gauge = tls == NULL ? NULL : &https_open,
    };
    for (size_t i = 0; rc == RC_OK && i < registrar.loop_count; i++) {
        e->options.join = i > 0;
        rc = listener_new(registrar.loops[i], &e->options, &e->listeners[i]);
    }
    return rc;
}

/* From the outside to the inside: the bridges' connections belong to the server. */
static void dismantle(struct entrance *e)
{
    for (size_t i = 0; i < registrar.loop_count; i++)
        if (e->listeners[i] != NULL)
            listener_free(&e->listeners[i]);
    if (e->http != NULL)
        http_server_free(&e->http);
    door_free(&e->door);
}

static enum rc start_http(struct svc *svc)
{
    const struct options *o = svc->options;
    enum rc rc;

    if (o->http_port == 0)
        return RC_OK;
    rc = add_listeners(svc, (uint16_t)o->http_port, NULL, &registrar.plain);
    if (rc != RC_OK)
        svc_listen_failed("http_port", o->listen_address, (int)o->http_port);
    return rc;
}

static bool wants_https(const struct options *o)
{
    return o->https_port != 0 && o->tls_certificate_file[0] != '\0';
}

/* At the start, or as soon as the certificate is there. */
static enum rc start_https(struct svc *svc)
{
    const struct options *o = svc->options;
    enum rc rc;

    /* Not 1.3 as for mail clients: foreign servers come for the MTA-STS policy. */
    if (registrar.tls == NULL && svc_has_certificate(svc))
        registrar.tls = svc_tls(svc, TLS_VERSION_1_2, "http/1.1");
    if (registrar.tls == NULL || !wants_https(o) || registrar.secure.http != NULL)
        return RC_OK;
    rc = add_listeners(svc, (uint16_t)o->https_port, registrar.tls, &registrar.secure);
    if (rc != RC_OK) {
        int error = errno;

        dismantle(&registrar.secure);
        errno = error;
    }
    return rc;
}

static enum rc start(struct svc *svc)
{
    const struct options *o = svc->options;
    enum rc rc = make_web(o);

    registrar.web.bus = svc->bus;
    registrar.web.hour = hour_new(svc);
    registrar.web.pool = api_pool_new(svc);
    registrar.web.mxdeliv = mxdeliv_new(o);
    if (rc == RC_OK)
        rc = cidr_list_new(str_of(o->trusted_proxies), &registrar.proxies);
    if (rc == RC_OK) {
        start_loops(svc);
        rc = start_http(svc);
    }
    if (rc == RC_OK) {
        rc = start_https(svc);
        if (rc != RC_OK)
            svc_listen_failed("https_port", o->listen_address, (int)o->https_port);
    }
    if (rc == RC_OK && o->https_port != 0 && !wants_https(o))
        log_warn("registrar.https", "reason=\"no certificate is configured\"");
    if (rc == RC_OK)
        log_info("registrar.started",
                 "url=%.*s http_port=%" PRId64 " https_port=%" PRId64 " trusted=%d",
                 STR_ARG(registrar.sites[0].base_url), o->http_port, o->https_port,
                 web_now().site->is_trusted);
    return rc;
}

static void tick(struct svc *svc)
{
    (void)start_https(svc); /* is_ready tells what came of it */
}

static bool is_ready(struct svc *svc, char *reason, size_t room)
{
    if (registrar.tls == NULL || !wants_https(svc->options) ||
        registrar.secure.http != NULL)
        return true;
    snprintf(reason, room, "https_port %" PRId64 " cannot be opened",
             svc->options->https_port);
    return false;
}

static void shut(struct entrance *e)
{
    for (size_t i = 0; i < registrar.loop_count; i++)
        if (e->listeners[i] != NULL)
            listener_stop(e->listeners[i]);
    if (e->http != NULL)
        http_server_stop_listening(e->http);
}

static void drain(struct svc *svc)
{
    (void)svc;
    registrar.drain_since_ms = clock_monotonic_ms();
    shut(&registrar.plain);
    shut(&registrar.secure);
}

/* Idle kept-alive connections are no work: what was being answered has had its time.  A
 * message that is on its way is waited for. */
static bool is_drained(struct svc *svc)
{
    (void)svc;
    return clock_monotonic_ms() - registrar.drain_since_ms >= DRAIN_GRACE_MS &&
           mxdeliv_is_idle(registrar.web.mxdeliv);
}

static void stop(struct svc *svc)
{
    (void)svc;
    dismantle(&registrar.plain);
    dismantle(&registrar.secure);
    mxdeliv_free(&registrar.web.mxdeliv);
    worker_pool_free(&registrar.web.pool); /* what the admin port was asked is answered */
    for (size_t i = 0; i < registrar.loop_count; i++) {
        loop_stop(registrar.loops[i]);
        loop_free(&registrar.loops[i]);
    }
    cidr_list_free(&registrar.proxies);
    rate_free(&registrar.web.rate);
    rate_free(&registrar.web.wrong_tokens);
    hour_free(&registrar.web.hour);
    arena_free(&registrar.arena);
    if (registrar.web.www >= 0)
        close(registrar.web.www);
}

static int64_t connections_at_most(const struct options *o)
{
    return ((o->http_port != 0) + (o->https_port != 0)) * o->max_http_connections;
}

static const struct svc_service service = {
    .name = "registrar",
    .option_user = OPTIONS_REGISTRAR,
    .flags = SVC_BINDS_EVENTS | SVC_USES_TLS,
    .connections = connections_at_most,
    .extra_flag = "--print-invite",
    .extra = print_invite,
    .start = start,
    .tick = tick,
    .is_ready = is_ready,
    .drain = drain,
    .is_drained = is_drained,
    .stop = stop,
    .on_api = handle_api,
    .on_api_refused = refuse_api,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
