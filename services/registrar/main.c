/* registrar - the way in: invitations, accounts to be, and what programs ask about us.
 *
 * Answers HTTP itself (the server's threads run the router) and HTTPS by way of our own
 * TLS on loops.  Holds no state but the rate table, so any number of replicas may run.
 * `registrar --print-invite` shows the invitation in a terminal and ends.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/cidr.h"
#include "net/http_server.h"
#include "net/https_bridge.h"
#include "net/limit.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "print_invite.h"
#include "rate.h"
#include "router.h"
#include "site.h"
#include "svc/svc.h"
#include "web.h"
#include "www.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    BODY_MAX_BYTES = 4096, /* nobody has more to say to us */
    IDLE_SECONDS = 30,
    NETWORK_SHARE = 5,     /* of all connections, when no limit is configured */
    DRAIN_GRACE_MS = 1000, /* a request takes milliseconds */
    LOOPS_MAX = 64,
};

static struct {
    struct arena *arena; /* lives as long as the process: the site's texts */
    struct site site;
    struct web web;
    struct cidr_list *proxies;
    struct http_server *http;
    struct limit *limit; /* of the HTTPS port */
    struct listener_options https;
    struct loop *loops[LOOPS_MAX];
    struct listener *listeners[LOOPS_MAX];
    size_t loop_count;
    int64_t drain_since_ms;
} registrar;

static struct metric https_open = { .kind = METRIC_GAUGE,
                                    .name = "postbus_registrar_https_connections",
                                    .labels = "",
                                    .help = "HTTPS connections that are open." };

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
    struct rate_options rate = { .per_minute = (unsigned)o->new_accounts_per_minute,
                                 .burst = (unsigned)o->new_accounts_burst };

    registrar.arena = arena_new();
    site_init(&registrar.site, registrar.arena, o);
    registrar.web.site = &registrar.site;
    registrar.web.rate = rate_new(&rate);
    router_init();
    metric_register(&https_open);
    return open_pages(o);
}

static unsigned per_network(const struct options *o)
{
    if (o->max_connections_per_network > 0)
        return (unsigned)o->max_connections_per_network;
    return (unsigned)(o->max_http_connections / NETWORK_SHARE) + 1;
}

static enum rc start_http(const struct options *o)
{
    uint16_t port = (uint16_t)o->http_port;
    struct http_server_options http = {
        .address = o->listen_address,
        .ipv4_only = o->disable_ipv6,
        .port = port == 0 ? NULL : &port,
        .threads = (unsigned)options_io_threads(o),
        .max_connections = (unsigned)o->max_http_connections,
        /* Behind a proxy all connections come from one address. */
        .max_per_address = o->trusted_proxies[0] == '\0' ? per_network(o) : 0,
        .idle_seconds = IDLE_SECONDS,
        .body_max_bytes = BODY_MAX_BYTES,
        .trusted_proxies = registrar.proxies,
        .handler = router_handle,
        .user = &registrar.web,
    };
    enum rc rc = http_server_new(&http, &registrar.http);

    if (rc != RC_OK)
        log_error("registrar.http", "port=%" PRId64 " reason=%s", o->http_port,
                  rc_name(rc));
    return rc;
}

static enum rc add_loop(struct svc *svc, size_t i)
{
    enum rc rc;

    registrar.loops[i] = loop_new("https");
    loop_start(registrar.loops[i]);
    registrar.loop_count = i + 1;
    registrar.https.join = i > 0;
    rc = listener_new(registrar.loops[i], &registrar.https, &registrar.listeners[i]);
    if (rc == RC_OK)
        svc_watch_loop(svc, registrar.loops[i]);
    else
        log_error("registrar.https", "port=%u reason=%s", registrar.https.port,
                  rc_name(rc));
    return rc;
}

static enum rc start_https(struct svc *svc)
{
    const struct options *o = svc->options;
    /* Not 1.3 as for mail clients: foreign servers come for the MTA-STS policy. */
    struct tls_context *tls = svc_tls(svc, TLS_VERSION_1_2, "http/1.1");
    size_t count = (size_t)options_io_threads(o);
    enum rc rc = RC_OK;

    if (o->https_port == 0)
        return RC_OK;
    if (tls == NULL) {
        log_warn("registrar.https", "reason=\"no certificate is configured\"");
        return RC_OK;
    }
    registrar.limit = limit_new((size_t)o->max_http_connections, per_network(o));
    registrar.https = (struct listener_options){
        .address = o->listen_address,
        .ipv4_only = o->disable_ipv6,
        .port = (uint16_t)o->https_port,
        .tls = tls,
        .proxy_protocol = o->proxy_protocol,
        .trusted_proxies = registrar.proxies,
        .limit = registrar.limit,
        .handler = https_bridge_handler(),
        .user = registrar.http,
        .open_gauge = &https_open,
    };
    for (size_t i = 0; rc == RC_OK && i < count && i < LOOPS_MAX; i++)
        rc = add_loop(svc, i);
    return rc;
}

static enum rc start(struct svc *svc)
{
    const struct options *o = svc->options;
    enum rc rc = make_web(o);

    if (rc == RC_OK)
        rc = cidr_list_new(str_of(o->trusted_proxies), &registrar.proxies);
    if (rc == RC_OK)
        rc = start_http(o);
    if (rc == RC_OK)
        rc = start_https(svc);
    if (rc == RC_OK)
        log_info("registrar.started",
                 "url=%.*s http_port=%" PRId64 " https_port=%" PRId64,
                 STR_ARG(registrar.site.base_url), o->http_port, o->https_port);
    return rc;
}

static void drain(struct svc *svc)
{
    (void)svc;
    registrar.drain_since_ms = clock_monotonic_ms();
    for (size_t i = 0; i < registrar.loop_count; i++)
        if (registrar.listeners[i] != NULL)
            listener_stop(registrar.listeners[i]);
    if (registrar.http != NULL)
        http_server_stop_listening(registrar.http);
}

/* Idle kept-alive connections are no work: what was being answered has had its time. */
static bool is_drained(struct svc *svc)
{
    (void)svc;
    return clock_monotonic_ms() - registrar.drain_since_ms >= DRAIN_GRACE_MS;
}

/* From the outside to the inside: the bridge's connections belong to the server. */
static void stop(struct svc *svc)
{
    (void)svc;
    for (size_t i = 0; i < registrar.loop_count; i++) {
        if (registrar.listeners[i] != NULL)
            listener_free(&registrar.listeners[i]);
        loop_stop(registrar.loops[i]);
        loop_free(&registrar.loops[i]);
    }
    if (registrar.http != NULL)
        http_server_free(&registrar.http);
    if (registrar.limit != NULL)
        limit_free(&registrar.limit);
    cidr_list_free(&registrar.proxies);
    rate_free(&registrar.web.rate);
    arena_free(&registrar.arena);
    if (registrar.web.www >= 0)
        close(registrar.web.www);
}

static const struct svc_service service = {
    .name = "registrar",
    .option_user = OPTIONS_REGISTRAR,
    .flags = SVC_BINDS_EVENTS,
    .extra_flag = "--print-invite",
    .extra = print_invite,
    .start = start,
    .drain = drain,
    .is_drained = is_drained,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
