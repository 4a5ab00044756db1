/* main.c - smtp-ingress: takes mail from accounts and from other servers, judges it and
 * makes it durable.
 *
 * Owns the loops, the pools and the ports.  Everything that happens to a connection is in
 * session.c, everything that happens to a message in accept.c.
 */
#include "accept.h"
#include "account/alias_book.h"
#include "account/aliases.h"
#include "account/replace_sender.h"
#include "account/login.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/rate.h"
#include "checks.h"
#include "check_dkim.h"
#include "check_dmarc.h"
#include "check_spf.h"
#include "cmd_data.h"
#include "dkim_keys.h"
#include "ingress.h"
#include "judge.h"
#include "net/cidr.h"
#include "net/dns.h"
#include "net/door.h"
#include "net/limit.h"
#include "net/traffic.h"
#include "programs.h"
#include "session.h"
#include "sender_book.h"
#include "smtp_commands.h"
#include "svc/federation_book.h"
#include "svc/svc.h"
#include "svc/svc_dns.h"
#include "svc/svc_listen.h"
#include "svc/svc_pool.h"

#include <inttypes.h>

enum {
    LMTP_PORT = 1, /* places in port_rows */
    LMTP_SOCKET = 2,
    MXDELIV_PORT = 3,
    PORT_COUNT = 6,
    LOOPS_MAX = 64,
    SPOOL_SMALL_BYTES = 128 * 1024,
    IN_MAX_BYTES = 128 * 1024,
    DNS_AT_ONCE = 1024,
    MXDELIV_AT_ONCE = 1024, /* of all registrars, which have no more threads */
    DKIM_KEYS_AT_MOST = 1024,
};

#define BUSY_TEXT "421 4.7.0 Too many connections\r\n"

struct service {
    struct ingress ingress;
    struct port ports[PORT_COUNT];
    struct loop *loops[LOOPS_MAX];
    size_t loop_count;
    struct listener *listeners[PORT_COUNT * LOOPS_MAX];
    size_t listener_count;
    struct limit *spool_chunks[2]; /* of other servers, of accounts */
    struct cidr_list *trusted_proxies;
    struct cidr_list *lmtp_networks;
    struct cidr_list *registrars; /* of mxdeliv_port */
};

/* In the order of their metrics. */
static const struct port_row {
    const char *option;
    enum port_kind kind;
    bool implicit_tls;
    enum tls_version min_version;
} port_rows[PORT_COUNT] = {
    { "smtp_port", PORT_MX, false, TLS_VERSION_1_2 },
    { "lmtp_port", PORT_LMTP, false, TLS_VERSION_1_2 },
    { "lmtp_socket", PORT_LMTP, false, TLS_VERSION_1_2 },
    { "mxdeliv_port", PORT_MX, false, TLS_VERSION_1_2 },
    { "submission_port", PORT_SUBMISSION, false, TLS_VERSION_1_3 },
    { "submissions_port", PORT_SUBMISSION, true, TLS_VERSION_1_3 },
};

#define PORT_METRIC_ROW(port, metric_kind, metric_name, sentence)                        \
    {                                                                                    \
        .kind = metric_kind, .name = metric_name, .labels = "port=\"" port "\"",         \
        .help = sentence                                                                 \
    }
#define PORT_METRIC(variable, metric_kind, metric_name, sentence)                        \
    static struct metric variable[PORT_COUNT] = {                                        \
        PORT_METRIC_ROW("smtp", metric_kind, metric_name, sentence),                     \
        PORT_METRIC_ROW("lmtp", metric_kind, metric_name, sentence),                     \
        PORT_METRIC_ROW("lmtp_socket", metric_kind, metric_name, sentence),              \
        PORT_METRIC_ROW("mxdeliv", metric_kind, metric_name, sentence),                  \
        PORT_METRIC_ROW("submission", metric_kind, metric_name, sentence),               \
        PORT_METRIC_ROW("submissions", metric_kind, metric_name, sentence),              \
    }

PORT_METRIC(sessions, METRIC_GAUGE, "postbus_smtp_sessions", "Open connections.");
PORT_METRIC(connections, METRIC_COUNTER, "postbus_smtp_connections",
            "Connections that were taken.");
PORT_METRIC(refused, METRIC_COUNTER, "postbus_smtp_connections_refused",
            "Connections beyond the limits.");

static void register_metrics(void)
{
    for (size_t i = 0; i < PORT_COUNT; i++)
        metric_register(&sessions[i]);
    for (size_t i = 0; i < PORT_COUNT; i++)
        metric_register(&connections[i]);
    for (size_t i = 0; i < PORT_COUNT; i++)
        metric_register(&refused[i]);
    smtp_commands_register_metrics();
    checks_register_metrics();
    judge_register_metrics();
    check_dkim_register_metrics();
    check_spf_register_metrics();
    check_dmarc_register_metrics();
    accept_register_metrics();
    session_register_metrics();
    cmd_data_register_metrics();
    spool_register_metrics();
    door_register_metrics();
}

static struct login *make_login(const struct options *o)
{
    struct login_options l = {
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
        .nocreate_file = o->nocreate_file[0] != '\0' ? o->nocreate_file : NULL,
        .limits = { .max_load_1m = o->max_load_1m,
                    .min_available_memory_bytes = o->min_available_memory,
                    .min_free_disk_bytes = o->min_free_disk_space,
                    .disk_path = o->disk_path },
        .password_hash_cost = (unsigned)o->password_hash_cost,
        .cache_entries = (size_t)o->login_cache_entries,
    };

    return login_new(&l);
}

static struct traffic *make_traffic(const struct options *o)
{
    const struct traffic_scope scopes[] = {
        { o->incoming_per_minute, o->incoming_at_once },
        { o->incoming_per_minute_per_network, o->incoming_at_once_per_network },
        { o->incoming_per_minute_per_domain, o->incoming_at_once_per_domain }
    };

    return traffic_new(scopes, ARRAY_LEN(scopes));
}

static void fill_ingress(struct svc *svc, struct ingress *in)
{
    const struct options *o = svc->options;
    struct rate_options guesses = { .per_minute = o->unknown_recipients_per_minute,
                                    .burst = o->unknown_recipients_per_minute };
    struct rate_options rate = { .per_minute = o->max_user_send_per_minute,
                                 .burst = o->max_user_send_burst_size };

    in->options = o;
    in->route = (struct route_rules){ .domains = options_domains(o),
                                      .delimiters = str_of(o->recipient_delimiter) };
    options_smtp_name(o, in->name);
    in->host = str_of(in->name);
    in->bus = svc->bus;
    in->commands = svc_pool_new(svc, "command", options_worker_threads(o));
    in->logins = svc_pool_new(svc, "login", options_login_threads(o));
    in->login = make_login(o);
    in->rate = rate_new(&rate);
    if (o->authorize_sender.action != POLICY_OFF)
        in->senders = sender_book_new(o->authorize_sender_file);
    in->accepts_unknown = str_eq(str_of(o->unknown_recipients), S("accept"));
    in->traffic = make_traffic(o);
    in->guesses = rate_new(&guesses);
    in->accept = accept_new(svc->bus);
}

/* For the first port that needs them. */
static enum rc open_judge(const struct options *o, struct ingress *in)
{
    int64_t threads = o->judge_threads > 0 ? o->judge_threads : options_io_threads(o);
    struct judge_options judge = { .threads = (unsigned)threads,
                                   .queue_max = (size_t)o->job_queue_max,
                                   .wait_ms = o->judge_seconds * 1000 };
    struct buf why;
    enum rc rc;

    if (in->judge != NULL)
        return RC_OK;
    buf_init(&why, 1024);
    rc = svc_dns_new(o, DNS_AT_ONCE, &why, &in->dns);
    if (rc != RC_OK)
        log_error("smtp.start_failed", "reason=\"%.*s\"", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    if (rc != RC_OK)
        return rc;
    judge.dns = in->dns;
    in->judge = judge_new(&judge);
    in->programs = programs_new(o);
    in->dkim_keys = dkim_keys_new(DKIM_KEYS_AT_MOST);
    return RC_OK;
}

/* 0: off. */
static int64_t port_number(const struct options *o, size_t i)
{
    const int64_t numbers[PORT_COUNT] = { o->smtp_port,
                                          o->lmtp_networks[0] != '\0' ? o->lmtp_port : 0,
                                          0,
                                          o->mxdeliv_port,
                                          o->submission_port,
                                          o->submissions_port };

    return numbers[i];
}

static bool is_port_on(const struct options *o, size_t i)
{
    return port_number(o, i) != 0 || (i == LMTP_SOCKET && o->lmtp_socket[0] != '\0');
}

static struct listener_options listener_of(const struct service *s, struct port *port,
                                           size_t i)
{
    const struct options *o = s->ingress.options;

    if (i == LMTP_SOCKET)
        return (struct listener_options){
            .address = o->lmtp_socket,
            .path = o->lmtp_socket,
            .door = port->door,
            .busy_text = BUSY_TEXT,
            .conn = { .in_max_bytes = IN_MAX_BYTES },
            .handler = &session_handler,
            .user = port,
        };
    return (struct listener_options){
        .address = o->listen_address,
        .ipv4_only = o->disable_ipv6,
        .port = (uint16_t)port_number(o, i),
        .tls = port_rows[i].implicit_tls ? port->tls : NULL,
        .proxy_protocol = o->proxy_protocol,
        .trusted_proxies = s->trusted_proxies,
        .door = port->door,
        .busy_text = BUSY_TEXT,
        .conn = { .in_max_bytes = IN_MAX_BYTES },
        .handler = &session_handler,
        .user = port,
    };
}

/* The registrar names its clients, whatever stands before the other ports. */
static void listen_to_registrars(const struct service *s, struct port *port)
{
    const char *address = s->ingress.options->bus_address;

    port->over_https = true;
    port->listener.address = str_eq(str_of(address), S("*")) ? "" : address;
    port->listener.proxy_protocol = true;
    port->listener.trusted_proxies = s->registrars;
}

static void fill_port(struct svc *svc, struct service *s, size_t i)
{
    const struct port_row *row = &port_rows[i];
    const struct options *o = svc->options;
    struct port *port = &s->ports[i];
    int64_t most = i == MXDELIV_PORT ? MXDELIV_AT_ONCE : o->max_smtp_connections;
    struct door_options door = { .max = svc_connections(svc, most),
                                 .max_per_network = options_per_network(o, most) };

    port->ingress = &s->ingress;
    port->kind = row->kind;
    /* What does not leave the machine is not encrypted. */
    port->tls = i == LMTP_SOCKET ? NULL : svc_tls(svc, row->min_version, "smtp");
    port->clear =
        row->kind == PORT_LMTP || (row->kind == PORT_SUBMISSION && o->insecure_auth);
    port->admitted = i == LMTP_PORT ? s->lmtp_networks : NULL;
    port->is_judged = checks_need_judge(o, checks_direction_of(row->kind));
    port->watches_dkim = checks_has(o, CHECKS_ROW_dkim, checks_direction_of(row->kind));
    port->pace = pace_standard;
    if (port->pace.quiet_ms > o->session_timeout_seconds * 1000)
        port->pace.quiet_ms = o->session_timeout_seconds * 1000;
    port->spool =
        (struct spool_room){ .small_bytes = SPOOL_SMALL_BYTES,
                             .chunks = s->spool_chunks[row->kind == PORT_SUBMISSION] };
    port->door = door_new(&door);
    port->listener = listener_of(s, port, i);
    port->listener.open_gauge = &sessions[i];
    port->listener.accepted_counter = &connections[i];
    port->listener.refused_counter = &refused[i];
    if (i == MXDELIV_PORT)
        listen_to_registrars(s, port);
}

/* The options are accounts of ours or empty. */
static void find_roles(const struct options *o, struct ingress *in)
{
    str_t postmaster = str_of(o->postmaster_account), abuse = str_of(o->abuse_account);

    CHECK(postmaster.n == 0 || address_parse(postmaster, 0, &in->postmaster) == RC_OK);
    in->abuse = in->postmaster;
    CHECK(abuse.n == 0 || address_parse(abuse, 0, &in->abuse) == RC_OK);
}

static enum rc open_aliases(const struct options *o, struct ingress *in)
{
    in->expand.route = &in->route;
    if (o->aliases[0] == '\0' && o->aliases_file[0] == '\0')
        return RC_OK;
    return alias_book_new(in->route.domains, str_of(o->aliases), o->aliases_file,
                          &in->expand.book);
}

static enum rc open_replace_sender(const struct options *o, struct ingress *in)
{
    const struct aliases_senders rules = { &in->route,
                                           { in->postmaster.text, in->abuse.text } };
    char why[REPLACE_SENDER_WHY_BYTES];
    enum rc rc;

    if (o->replace_sender[0] == '\0')
        return RC_OK;
    rc = replace_sender_new(&rules, str_of(o->replace_sender), &in->replace_sender, why);
    if (rc != RC_OK)
        log_error("replace_sender.bad_option", "reason=\"%s\"", why);
    return rc;
}

/* Every port on every loop. */
static enum rc listen_on(struct service *s, struct port *port, const char *option)
{
    size_t loops = port->listener.path != NULL ? 1 : s->loop_count;

    for (size_t i = 0; i < loops; i++) {
        struct listener **l = &s->listeners[s->listener_count];
        enum rc rc;

        port->listener.join = i > 0;
        rc = listener_new(s->loops[i], &port->listener, l);

        if (rc != RC_OK) {
            svc_listen_failed(option, port->listener.address, port->listener.port);
            return rc;
        }
        s->listener_count++;
    }
    return RC_OK;
}

static enum rc open_port(struct svc *svc, struct service *s, size_t i)
{
    struct port *port = &s->ports[i];
    enum rc rc = RC_OK;

    if (!is_port_on(svc->options, i))
        return RC_OK;
    fill_port(svc, s, i);
    if (port->is_judged)
        rc = open_judge(svc->options, &s->ingress);
    /* No certificate?  It was there a moment ago. */
    if (rc == RC_OK && port->tls == NULL && i != LMTP_SOCKET)
        rc = RC_RETRY;
    return rc == RC_OK ? listen_on(s, port, port_rows[i].option) : rc;
}

static void start_loops(struct svc *svc, struct service *s)
{
    s->loop_count = (size_t)options_io_threads(svc->options);
    if (s->loop_count > LOOPS_MAX)
        s->loop_count = LOOPS_MAX;
    for (size_t i = 0; i < s->loop_count; i++) {
        s->loops[i] = loop_new("smtp-io");
        loop_start(s->loops[i]);
        svc_watch_loop(svc, s->loops[i]);
    }
}

static bool read_networks(const char *option, const char *text, struct cidr_list **out)
{
    if (cidr_list_new(str_of(text), out) == RC_OK)
        return true;
    log_error("smtp.bad_option", "option=%s", option);
    return false;
}

/* What nobody should have forgotten to turn off. */
static void warn(const struct options *o)
{
    if (o->insecure_auth)
        log_warn("smtp.insecure_auth",
                 "reason=\"passwords and messages of accounts may cross the network in "
                 "the clear\" advice=\"insecure_auth = false\"");
    if (o->io_debug)
        log_warn("smtp.io_debug", "reason=\"who writes to whom, and when, is logged\" "
                                  "advice=\"io_debug = false\"");
}

static enum rc start(struct svc *svc)
{
    const struct options *o = svc->options;
    struct service *s = mem_alloc(sizeof(*s));
    enum rc rc = RC_OK;

    svc->user = s;
    if (!read_networks("trusted_proxies", o->trusted_proxies, &s->trusted_proxies) ||
        !read_networks("lmtp_networks", o->lmtp_networks, &s->lmtp_networks) ||
        !read_networks("mxdeliv_networks", o->mxdeliv_networks, &s->registrars))
        return RC_INVALID;
    warn(o);
    register_metrics();
    fill_ingress(svc, &s->ingress);
    find_roles(o, &s->ingress);
    if (rc == RC_OK)
        rc = open_aliases(o, &s->ingress);
    if (rc == RC_OK)
        rc = open_replace_sender(o, &s->ingress);
    if (rc == RC_OK)
        rc = federation_book_new(o, svc->service->name, &s->ingress.federation);
    for (size_t i = 0; i < ARRAY_LEN(s->spool_chunks); i++)
        s->spool_chunks[i] = spool_chunks_new(o->spool_memory / 2, o->max_message_size);
    start_loops(svc, s);
    /* That of other servers last: a DNS that is dead takes seconds to be found so, for
     * which no account waits. */
    for (size_t i = PORT_COUNT; i-- > 0 && rc == RC_OK;)
        rc = open_port(svc, s, i);
    return rc;
}

static void drain(struct svc *svc)
{
    struct service *s = svc->user;

    atomic_store(&s->ingress.draining, true);
    for (size_t i = 0; i < s->listener_count; i++)
        listener_stop(s->listeners[i]);
    for (size_t i = 0; i < s->listener_count; i++)
        listener_each(s->listeners[i], session_drain, NULL);
}

static bool is_drained(struct svc *svc)
{
    struct service *s = svc->user;
    size_t open = 0;

    for (size_t i = 0; i < s->listener_count; i++)
        open += listener_open_count(s->listeners[i]);
    return open == 0;
}

static void part(struct svc *svc)
{
    struct service *s = svc->user;

    for (size_t i = 0; i < s->listener_count; i++)
        listener_each(s->listeners[i], session_part, NULL);
}

/* The pools first, because what they still do ends in a message to a loop and a reply
 * from there; but sessions that outlasted the drain hand in jobs until the last of them
 * is gone, so the pools are closed, stay, and are freed behind the ports. */
static void stop(struct svc *svc)
{
    struct service *s = svc->user;
    int64_t wait_ms = svc->options->database_statement_seconds * 1000;
    struct deadline until = deadline_in_ms(wait_ms);
    bool late = false;

    if (s->ingress.dns != NULL)
        dns_stop(s->ingress.dns);
    if (s->ingress.judge != NULL)
        late |= judge_drain(s->ingress.judge, until) != RC_OK;
    late |= worker_pool_drain(s->ingress.commands, until) != RC_OK;
    late |= worker_pool_drain(s->ingress.logins, until) != RC_OK;
    if (late)
        log_warn("smtp.workers_late", "after_ms=%" PRId64, wait_ms);
    for (size_t i = 0; i < s->listener_count; i++)
        listener_free(&s->listeners[i]);
    judge_free(&s->ingress.judge);
    dkim_keys_free(&s->ingress.dkim_keys);
    worker_pool_free(&s->ingress.commands);
    worker_pool_free(&s->ingress.logins);
    for (size_t i = 0; i < s->loop_count; i++) {
        loop_stop(s->loops[i]);
        loop_free(&s->loops[i]);
    }
    programs_free(&s->ingress.programs);
    dns_free(&s->ingress.dns);
    for (size_t i = 0; i < PORT_COUNT; i++)
        door_free(&s->ports[i].door);
    for (size_t i = 0; i < ARRAY_LEN(s->spool_chunks); i++)
        limit_free(&s->spool_chunks[i]);
    accept_free(&s->ingress.accept);
    rate_free(&s->ingress.rate);
    sender_book_free(&s->ingress.senders);
    rate_free(&s->ingress.guesses);
    traffic_free(&s->ingress.traffic);
    login_free(&s->ingress.login);
    alias_book_free(&s->ingress.expand.book);
    replace_sender_free(&s->ingress.replace_sender);
    federation_book_free(&s->ingress.federation);
    cidr_list_free(&s->trusted_proxies);
    cidr_list_free(&s->lmtp_networks);
    cidr_list_free(&s->registrars);
    mem_free(s);
}

static void on_message(struct svc *svc, const struct msg *m)
{
    struct service *s = svc->user;

    if (s != NULL && m->kind == MSG_config_changed)
        federation_book_wake(s->ingress.federation);
}

/* What a registrar said before may have been missed. */
static void on_event_peer(struct svc *svc)
{
    struct service *s = svc->user;

    if (s != NULL)
        federation_book_wake(s->ingress.federation);
}

static int64_t connections_at_most(const struct options *o)
{
    int ports = 0;

    for (size_t i = 0; i < PORT_COUNT; i++)
        ports += i != MXDELIV_PORT && is_port_on(o, i);
    return ports * o->max_smtp_connections +
           (is_port_on(o, MXDELIV_PORT) ? MXDELIV_AT_ONCE : 0) +
           (checks_need_judge(o, CHECKS_BOTH) ? DNS_AT_ONCE : 0) +
           programs_connections(o);
}

static const struct svc_service service = {
    .name = "smtp-ingress",
    .option_user = OPTIONS_SMTP_INGRESS,
    .flags = SVC_BINDS_WORK | SVC_NEEDS_TLS,
    .connections = connections_at_most,
    .start = start,
    .drain = drain,
    .is_drained = is_drained,
    .part = part,
    .stop = stop,
    .on_message = on_message,
    .on_event_peer = on_event_peer,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
