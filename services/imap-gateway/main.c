/* imap-gateway - IMAP for Delta Chat and whoever else speaks it.
 *
 * Loops own connections, two pools of workers own database connections: one for
 * commands, one for logins, so that password hashes never delay reading.  Any number of
 * replicas may run; none keeps anything that is not in the database.
 */
#include "body_cache.h"
#include "gateway.h"
#include "hints.h"
#include "io.h"
#include "seen.h"
#include "session.h"

#include "account/login.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/cidr.h"
#include "net/door.h"
#include "net/limit.h"
#include "net/listener.h"
#include "net/tls.h"
#include "svc/svc.h"
#include "svc/svc_listen.h"
#include "svc/svc_pool.h"
#include "work/worker_pool.h"

#include <inttypes.h>

enum {
    SPOOL_SMALL_BYTES = 64 * 1024,
    OUT_MAX = 96 * 1024 * 1024,
};

static struct gateway gateway;
static struct door *door; /* both ports lead through it */
static struct cidr_list *proxies;
static struct seen *seen;
static struct listener_options ports[GATEWAY_LOOPS_MAX][IO_PORTS];

static struct metric accepted = { .kind = METRIC_COUNTER,
                                  .name = "postbus_imap_connections_accepted",
                                  .labels = "",
                                  .help = "Connections that became a session." };
static struct metric refused = { .kind = METRIC_COUNTER,
                                 .name = "postbus_imap_connections_refused",
                                 .labels = "",
                                 .help = "Connections that were over a limit." };

/* -- workers -- */

static struct login *new_login(const struct options *o)
{
    struct login_options login = {
        .rules = { .domains = options_domains(o),
                   .registers_all = o->register_more_domains,
                   .username_min_length = (size_t)o->username_min_length,
                   .username_max_length = (size_t)o->username_max_length,
                   .password_min_length = (size_t)o->password_min_length },
        .failed_per_minute = o->failed_logins_per_minute,
        .new_accounts_per_minute = o->new_accounts_per_minute,
        .new_accounts_burst = o->new_accounts_burst,
        .new_private_accounts_per_hour = o->new_private_accounts_per_hour,
        .registration_open = o->registration_open,
        .nocreate_file = o->nocreate_file,
        .limits = { .max_load_1m = o->max_load_1m,
                    .min_available_memory_bytes = o->min_available_memory,
                    .min_free_disk_bytes = o->min_free_disk_space,
                    .disk_path = o->disk_path },
        .password_hash_cost = (unsigned)o->password_hash_cost,
        .cache_entries = (size_t)o->login_cache_entries,
    };

    return login_new(&login);
}

/* -- hints -- */

static void deliver(void *user, size_t loop, const struct hints_news *news)
{
    (void)user;
    io_post(gateway.ios[loop], news);
}

static void on_message(struct svc *svc, const struct msg *m)
{
    struct hints_news news = { 0 };

    (void)svc;
    if (m->kind == MSG_mailbox_changed) {
        news.account = m->mailbox_changed.account;
        news.mailbox = m->mailbox_changed.mailbox;
        news.modseq = m->mailbox_changed.modseq;
        news.body = m->mailbox_changed.body;
        news.size = m->mailbox_changed.size;
        hints_dispatch(gateway.hints, &news);
    } else if (m->kind == MSG_account_changed && m->account_changed.removed) {
        news.account = m->account_changed.account;
        news.removed = true;
        hints_dispatch(gateway.hints, &news);
    }
}

static bool wants_account(struct svc *svc, int64_t account)
{
    (void)svc;
    return hints_wants(gateway.hints, account);
}

static void on_event_peer(struct svc *svc)
{
    (void)svc;
    for (size_t i = 0; i < gateway.io_count; i++)
        io_post_all(gateway.ios[i]);
}

/* -- ports -- */

/* The first port begins in the clear, the second with TLS. */
static enum rc listen_on(struct io *io, size_t i)
{
    const struct options *o = gateway.options;
    struct listener_options *port = &ports[io->index][i];
    enum rc rc;

    *port = (struct listener_options){
        .address = o->listen_address,
        .ipv4_only = o->disable_ipv6,
        .port = (uint16_t)(i == 0 ? o->imap_port : o->imaps_port),
        .join = io->index > 0,
        .tls = i == 0 ? NULL : gateway.tls,
        .proxy_protocol = o->proxy_protocol,
        .trusted_proxies = proxies,
        .door = door,
        .busy_text = "* BYE [UNAVAILABLE] Too many connections\r\n",
        .conn = { .in_max_bytes = SESSION_IN_BYTES,
                  .out_soft_bytes = SESSION_OUT_SOFT,
                  .out_max_bytes = OUT_MAX },
        .handler = &session_handler,
        .user = io,
        .accepted_counter = &accepted,
        .refused_counter = &refused,
    };
    if (port->port == 0 || (i == 1 && port->tls == NULL))
        return RC_OK;
    rc = listener_new(io->loop, port, &io->listeners[i]);
    if (rc != RC_OK)
        svc_listen_failed(i == 0 ? "imap_port" : "imaps_port", port->address, port->port);
    return rc;
}

static enum rc start_loop(struct svc *svc, size_t index)
{
    struct io *io = io_new(&gateway, index);
    enum rc rc = RC_OK;

    gateway.ios[index] = io;
    gateway.io_count = index + 1;
    io_start(io);
    svc_watch_loop(svc, io->loop);
    for (size_t i = 0; i < IO_PORTS && rc == RC_OK; i++)
        rc = listen_on(io, i);
    return rc;
}

/* -- life -- */

static void make_shared(struct svc *svc)
{
    const struct options *o = svc->options;
    struct hints_options hints = {
        .bus = svc->bus,
        .sessions_per_account = (size_t)o->max_imap_connections_per_account,
        .deliver = deliver,
    };
    struct door_options doors = {
        .max = svc_connections(svc, o->max_imap_connections),
        .max_per_network = options_per_network(o, o->max_imap_connections),
    };

    gateway.svc = svc;
    gateway.options = o;
    gateway.tls = svc_tls(svc, TLS_VERSION_1_3, "imap");
    gateway.login = new_login(o);
    gateway.commands = svc_pool_new(svc, "command", options_worker_threads(o));
    gateway.logins = svc_pool_new(svc, "login", options_login_threads(o));
    gateway.hints = hints_new(&hints);
    seen = seen_new(gateway.hints, gateway.commands, clock_unix());
    gateway.bodies = body_cache_new((size_t)o->body_cache_bytes);
    gateway.spool = (struct spool_room){
        .small_bytes = SPOOL_SMALL_BYTES,
        .chunks = spool_chunks_new(o->spool_memory, o->max_message_size),
    };
    door = door_new(&doors);
}

static enum rc start(struct svc *svc)
{
    const struct options *o = svc->options;
    enum rc rc = cidr_list_new(str_of(o->trusted_proxies), &proxies);

    if (rc != RC_OK)
        return rc;
    session_register_metrics();
    body_cache_register_metrics();
    spool_register_metrics();
    door_register_metrics();
    metric_register(&accepted);
    metric_register(&refused);
    make_shared(svc);
    if (gateway.tls == NULL)
        rc = RC_RETRY; /* it was there a moment ago */
    for (size_t i = 0; i < (size_t)options_io_threads(o) && rc == RC_OK; i++)
        rc = start_loop(svc, i);
    return rc;
}

static void tick(struct svc *svc)
{
    if (svc_database_ok(svc))
        seen_tick(seen, clock_unix());
}

static void drain(struct svc *svc)
{
    (void)svc;
    atomic_store(&gateway.draining, true);
    for (size_t i = 0; i < gateway.io_count; i++) {
        for (size_t k = 0; k < IO_PORTS; k++)
            if (gateway.ios[i]->listeners[k] != NULL)
                listener_stop(gateway.ios[i]->listeners[k]);
        io_post_drain(gateway.ios[i]);
    }
}

static bool is_drained(struct svc *svc)
{
    (void)svc;
    return atomic_load(&gateway.sessions) == 0;
}

/* Workers end after the connections and before the loops: a command that is away still
 * comes back to its loop, which frees the session. */
static void stop(struct svc *svc)
{
    (void)svc;
    for (size_t i = 0; i < gateway.io_count; i++)
        io_close(gateway.ios[i]);
    if (gateway.commands != NULL)
        worker_pool_free(&gateway.commands);
    if (gateway.logins != NULL)
        worker_pool_free(&gateway.logins);
    for (size_t i = 0; i < gateway.io_count; i++) {
        io_stop(gateway.ios[i]);
        io_free(&gateway.ios[i]);
    }
    seen_free(&seen);
    hints_free(&gateway.hints);
    body_cache_free(&gateway.bodies);
    limit_free(&gateway.spool.chunks);
    login_free(&gateway.login);
    door_free(&door);
    cidr_list_free(&proxies);
}

static int64_t connections_at_most(const struct options *o)
{
    return o->max_imap_connections;
}

static const struct svc_service service = {
    .name = "imap-gateway",
    .option_user = OPTIONS_IMAP_GATEWAY,
    .flags = SVC_BINDS_EVENTS | SVC_NEEDS_TLS,
    .connections = connections_at_most,
    .start = start,
    .tick = tick,

    .drain = drain,
    .is_drained = is_drained,
    .stop = stop,
    .wants_account = wants_account,
    .on_message = on_message,
    .on_event_peer = on_event_peer,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
