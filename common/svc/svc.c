/* svc.c - the main thread: start what is needed in order, look after it once a second,
 * and take it down in the reverse order. */
#include "svc/svc.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/loop.h"
#include "svc/svc_admin.h"
#include "svc/svc_arguments.h"
#include "svc/svc_database.h"
#include "svc/svc_db.h"
#include "svc/svc_files.h"
#include "svc/svc_listen.h"
#include "svc/svc_status.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    HURRY_MS = 50, /* while waiting for the first start, or for the end */
    CERTIFICATE_TICKS = 20,
    PARTING_MS = 2000,     /* for last words to be read */
    PEERS_GRACE_MS = 5000, /* services that start together are no news */
    CONTEXTS_MAX = 8,
    REASON_BYTES = 480,
};

struct svc_state {
    struct svc_status *status;
    struct svc_admin *admin;
    struct svc_database *database;
    struct tls_context *contexts[CONTEXTS_MAX];
    int context_count;
    struct svc_files files;
    struct svc_pulse pulse; /* the main thread's */
    int signals;            /* signalfd */
    int64_t began_ms;
    atomic_bool started, draining;
    pthread_mutex_t hearing; /* held while a hook for hints runs */
    bool hears;              /* under it: the service takes hints */
};

static char build_labels[64];
static struct metric build_info = { .kind = METRIC_GAUGE,
                                    .name = "postbus_build_info",
                                    .labels = build_labels,
                                    .help = "Always 1; the labels say what runs.",
                                    .value = 1 };

/* --- the process ----------------------------------------------------------------------
 */

/* Keys and mail in memory must not end in a core file or under a debugger.  Sanitizers
 * need what this forbids. */
static void forbid_dumps(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int block_signals(void)
{
    sigset_t set;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(fd >= 0);
    return fd;
}

static enum log_level level_of(const char *name)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    int i = LOG_LEVEL_ERROR;

    while (strcmp(names[i], name) != 0)
        i++;
    return i;
}

/* True when a signal asks for the end. */
static bool wait_signal(struct svc_state *st, int ms)
{
    struct pollfd p = { .fd = st->signals, .events = POLLIN };
    struct signalfd_siginfo info;

    return poll(&p, 1, ms) > 0 && read(st->signals, &info, sizeof(info)) > 0;
}

/* --- the bus --------------------------------------------------------------------------
 */

/* False: no hook runs any more when this returns, and the service may free what they use,
 * while the bus goes on to send what its threads say to the end. */
static void hear(struct svc_state *st, bool yes)
{
    pthread_mutex_lock(&st->hearing);
    st->hears = yes;
    pthread_mutex_unlock(&st->hearing);
}

static bool wants_account(void *user, int64_t account)
{
    struct svc *svc = user;
    bool wants;

    pthread_mutex_lock(&svc->state->hearing);
    wants = svc->state->hears && svc->service->wants_account(svc, account);
    pthread_mutex_unlock(&svc->state->hearing);
    return wants;
}

static void on_message(void *user, const struct msg *m)
{
    struct svc *svc = user;

    pthread_mutex_lock(&svc->state->hearing);
    if (svc->state->hears && svc->service->on_message != NULL)
        svc->service->on_message(svc, m);
    pthread_mutex_unlock(&svc->state->hearing);
}

static void on_event_peer(void *user)
{
    struct svc *svc = user;

    pthread_mutex_lock(&svc->state->hearing);
    if (svc->state->hears && svc->service->on_event_peer != NULL)
        svc->service->on_event_peer(svc);
    pthread_mutex_unlock(&svc->state->hearing);
}

static void add_peers(struct bus_options *to, const struct svc *svc)
{
    struct options_peers rows[BUS_PEERS_MAX];
    size_t n =
        options_peers(svc->options, svc->service->option_user, rows, BUS_PEERS_MAX);

    for (size_t i = 0; i < n; i++) {
        bool work = str_ends_nocase(str_of(rows[i].name), S("_work_peers"));

        to->peers[to->peer_count++] = (struct bus_peer){
            .name = rows[i].name,
            .text = rows[i].text,
            .pattern = work ? MSG_WORK : MSG_EVENT,
        };
    }
}

static enum rc start_bus(struct svc *svc)
{
    const struct options *o = svc->options;
    struct bus_options to = { .address = o->bus_address,
                              .secret = o->cluster_secret,
                              .secret_previous = o->cluster_secret_previous,
                              .user = svc,
                              .wants_account = svc->service->wants_account == NULL
                                                   ? NULL
                                                   : wants_account,
                              .on_message = on_message,
                              .on_event_peer = on_event_peer };
    char error[BUS_ERROR_BYTES] = "";
    enum rc rc;

    if (svc->service->flags & SVC_BINDS_WORK)
        to.work_port = (int)o->bus_work_port;
    if (svc->service->flags & SVC_BINDS_EVENTS)
        to.event_port = (int)o->bus_event_port;
    add_peers(&to, svc);
    rc = bus_start(&to, &svc->bus, error);
    if (rc != RC_OK)
        log_error("bus.failed",
                  "options=\"bus_address, bus_work_port, bus_event_port\" reason=\"%s\"",
                  error);
    return rc;
}

/* --- certificates ---------------------------------------------------------------------
 */

static enum rc open_certificate(const struct options *o, enum tls_version min_version,
                                const char *alpn, char reason[REASON_BYTES],
                                struct tls_context **out)
{
    struct tls_server_options to = { .cert_file = o->tls_certificate_file,
                                     .key_file = o->tls_key_file,
                                     .min_version = min_version,
                                     .alpn = alpn };
    struct buf why;
    enum rc rc;

    buf_init(&why, REASON_BYTES - 1);
    rc = tls_server_new(&to, &why, out);
    snprintf(reason, REASON_BYTES, "%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return rc;
}

static bool has_certificate(const struct options *o, char reason[REASON_BYTES])
{
    struct tls_context *probe = NULL;
    bool yes;

    if (o->tls_certificate_file[0] == '\0') {
        snprintf(reason, REASON_BYTES, "tls_certificate_file is not set");
        return false;
    }
    yes = open_certificate(o, TLS_VERSION_1_3, NULL, reason, &probe) == RC_OK;
    tls_context_free(&probe);
    return yes;
}

bool svc_has_certificate(const struct svc *svc)
{
    char reason[REASON_BYTES];

    return has_certificate(svc->options, reason);
}

/* What is served from now on; several ports may serve the same, which is said once. */
static void tell_certificate(const struct svc *svc, struct tls_context *c)
{
    const char *host = options_public_host(svc->options);
    time_t at = (time_t)tls_context_not_after_unix(c);
    char date[32];
    struct tm utc;

    gmtime_r(&at, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
    log_info("tls.certificate", "not_after=%s self_signed=%s", date,
             tls_context_is_self_signed(c) ? "true" : "false");
    if (at <= (time_t)clock_unix())
        log_warn("tls.certificate_expired",
                 "not_after=%s file=%s advice=\"renew it; the new one is served within a "
                 "minute\"",
                 date, svc->options->tls_certificate_file);
    if (!options_is_uncertified(svc->options) && !tls_context_names(c, host))
        log_warn(
            "tls.certificate_name",
            "host=%s file=%s advice=\"it names others, so clients will refuse it; get "
            "one that names the host, or set public_host\"",
            host, svc->options->tls_certificate_file);
}

static void poll_certificates(struct svc *svc)
{
    struct svc_state *st = svc->state;

    for (int i = 0; i < st->context_count; i++) {
        struct buf why;
        enum rc rc;

        buf_init(&why, REASON_BYTES);
        rc = tls_context_poll(st->contexts[i], &why);
        if (rc == RC_OK && i == 0)
            tell_certificate(svc, st->contexts[i]);
        else if (rc == RC_INVALID)
            log_warn("tls.certificate_refused", "reason=\"%.*s\"",
                     STR_ARG(buf_str(&why)));
        buf_fini(&why);
    }
}

struct tls_context *svc_tls(struct svc *svc, enum tls_version min_version,
                            const char *alpn)
{
    struct svc_state *st = svc->state;
    char reason[REASON_BYTES];

    if (svc->options->tls_certificate_file[0] == '\0')
        return NULL;
    CHECK(st->context_count < CONTEXTS_MAX);
    if (open_certificate(svc->options, min_version, alpn, reason,
                         &st->contexts[st->context_count]) == RC_OK) {
        if (st->context_count == 0)
            tell_certificate(svc, st->contexts[0]);
        return st->contexts[st->context_count++];
    }
    log_error("tls.certificate_refused", "reason=\"%s\"", reason);
    return NULL;
}

/* --- what is missing ------------------------------------------------------------------
 */

static void note_peers(struct svc *svc)
{
    struct svc_state *st = svc->state;
    const char *names[BUS_PEERS_MAX];
    size_t n = bus_missing(svc->bus, names);
    bool quiet = clock_monotonic_ms() - st->began_ms < PEERS_GRACE_MS ||
                 atomic_load(&st->draining);

    for (size_t i = 0; i < n; i++)
        svc_status_missing(st->status, names[i], "no replica is connected", false, quiet);
}

static void note_service(struct svc *svc)
{
    char reason[REASON_BYTES] = "";
    const struct svc_service *service = svc->service;

    if (atomic_load(&svc->state->started) && service->is_ready != NULL &&
        !service->is_ready(svc, reason, sizeof(reason)))
        svc_status_missing(svc->state->status, service->name, reason, true, false);
}

/* False: the service cannot start without it. */
static bool note_certificate(struct svc *svc)
{
    bool needs = svc->service->flags & SVC_NEEDS_TLS;
    bool uses = (svc->service->flags & SVC_USES_TLS) &&
                svc->options->tls_certificate_file[0] != '\0';
    char reason[REASON_BYTES];

    if ((!needs && !uses) || svc->state->context_count > 0 ||
        has_certificate(svc->options, reason))
        return true;
    svc_status_missing(svc->state->status, "certificate", reason, true, false);
    return !needs;
}

/* Says anew what is missing; true when the service can start, or goes on. */
static bool look(struct svc *svc)
{
    struct svc_state *st = svc->state;
    bool started = atomic_load(&st->started);
    bool good = svc_database_is_ok(st->database);
    char reason[REASON_BYTES];
    const char *what;

    svc_status_begin(st->status);
    what = svc_database_missing(st->database, reason, sizeof(reason));
    if (what != NULL)
        svc_status_missing(st->status, what, reason, true,
                           !svc_database_was_asked(st->database));
    good &= note_certificate(svc);
    if (atomic_load(&st->draining))
        svc_status_missing(st->status, "open doors", "the service is stopping", true,
                           true);
    else if (!started)
        svc_status_missing(st->status, "start", "waits for what is missing", true, true);
    note_peers(svc);
    note_service(svc);
    svc_status_end(st->status);
    return good;
}

/* --- life -----------------------------------------------------------------------------
 */

static enum rc start_parts(struct svc *svc)
{
    struct svc_state *st = svc->state;
    enum rc rc;

    st->began_ms = clock_monotonic_ms();
    st->status = svc_status_new(svc->service->name);
    st->database = svc_database_new(svc->options, svc->service->option_user);
    rc = start_bus(svc);
    if (rc != RC_OK)
        return rc;
    rc =
        svc_admin_new(svc->options, st->status, svc->service->on_api != NULL, &st->admin);
    if (rc != RC_OK) {
        svc_listen_failed("admin_port", svc->options->admin_address,
                          (int)svc->options->admin_port);
        return rc;
    }
    st->pulse.name = "the main thread";
    svc_admin_watch_pulse(st->admin, &st->pulse);
    return RC_OK;
}

static void stop_parts(struct svc *svc)
{
    struct svc_state *st = svc->state;

    if (st->admin != NULL) {
        svc_admin_forget_loops(st->admin);
        svc_admin_close_api(st->admin);
    }
    hear(st, false);
    if (atomic_load(&st->started) && svc->service->stop != NULL)
        svc->service->stop(svc);
    svc->user = NULL;
    bus_stop(&svc->bus);
    svc_admin_free(&st->admin);
    svc_database_free(&st->database);
    for (int i = 0; i < st->context_count; i++)
        tls_context_free(&st->contexts[i]);
    svc_status_free(&st->status);
    close(st->signals);
}

/* Until a signal comes.  Not RC_OK: the service could not start. */
static enum rc serve(struct svc *svc)
{
    struct svc_state *st = svc->state;
    enum rc rc = RC_OK;

    for (unsigned ticks = 1; rc == RC_OK; ticks++) {
        bool started = atomic_load(&st->started);

        svc_pulse(&st->pulse);
        if (look(svc) && !started) {
            rc = svc->service->start(svc);
            if (rc == RC_OK) {
                atomic_store(&st->started, true);
                hear(st, true);
                if (svc->service->on_api != NULL)
                    svc_admin_open_api(st->admin, svc);
                log_info("service.started", "version=" SVC_VERSION);
                look(svc);
            }
        } else if (started && svc->service->tick != NULL) {
            svc->service->tick(svc);
        }
        if (started && ticks % (MEM_TRIM_MS / TICK_MS) == 0)
            mem_trim();
        if (ticks % CERTIFICATE_TICKS == 0)
            poll_certificates(svc);
        if (rc == RC_OK && wait_signal(st, started ? TICK_MS : HURRY_MS))
            break;
    }
    return rc;
}

/* False: the time is over, or a signal says so. */
static bool wait_drained(struct svc *svc, struct deadline until)
{
    while (!svc->service->is_drained(svc)) {
        svc_pulse(&svc->state->pulse);
        if (deadline_passed(until) || wait_signal(svc->state, HURRY_MS))
            return false;
    }
    return true;
}

static void drain(struct svc *svc)
{
    struct svc_state *st = svc->state;
    struct deadline until = deadline_in_ms(svc->options->drain_seconds * 1000);

    log_info("service.draining", "seconds=%d", (int)svc->options->drain_seconds);
    atomic_store(&st->draining, true);
    look(svc);
    bus_drain(svc->bus);
    if (!atomic_load(&st->started))
        return;
    if (svc->service->drain != NULL)
        svc->service->drain(svc);
    if (svc->service->is_drained == NULL || wait_drained(svc, until))
        return;
    log_warn("service.drain_cut", "reason=%s",
             deadline_passed(until) ? "drain_seconds" : "second_signal");
    if (svc->service->part != NULL) {
        svc->service->part(svc);
        (void)wait_drained(svc, deadline_in_ms(PARTING_MS));
    }
}

static int run(struct svc *svc)
{
    enum rc rc;

    log_init(svc->service->name, level_of(svc->options->log_level),
             strcmp(svc->options->log_format, "json") == 0);
    svc_files_init(
        &svc->state->files, svc->options,
        svc->service->connections == NULL ? 0 : svc->service->connections(svc->options));
    forbid_dumps();
    svc->state->signals = block_signals();
    snprintf(build_labels, sizeof(build_labels),
             "version=\"" SVC_VERSION "\",service=\"%s\"", svc->service->name);
    metric_register(&build_info);
    rc = start_parts(svc);
    if (rc == RC_OK)
        rc = serve(svc);
    if (rc == RC_OK)
        drain(svc);
    stop_parts(svc);
    if (rc == RC_OK)
        log_info("service.stopped", " ");
    return rc == RC_OK ? 0 : 1;
}

int svc_main(int argc, char **argv, const struct svc_service *service)
{
    struct svc_state *state;
    struct svc svc = { .service = service };
    int status = 0;

    log_init(service->name, LOG_LEVEL_INFO, false);
    switch (svc_arguments_read(argc, argv, service, &svc.options, &status)) {
    case SVC_ACTION_EXIT:
        return status;
    case SVC_ACTION_EXTRA:
        return service->extra(svc.options);
    case SVC_ACTION_SERVE:
        break;
    }
    state = mem_alloc(sizeof(*state));
    pthread_mutex_init(&state->hearing, NULL);
    svc.state = state;
    status = run(&svc);
    pthread_mutex_destroy(&state->hearing);
    mem_free(state);
    return status;
}

struct db *svc_db_new(struct svc *svc)
{
    return svc_db_open(svc->options, svc->service->name);
}

bool svc_database_ok(const struct svc *svc)
{
    return svc_database_is_ok(svc->state->database);
}

size_t svc_connections(const struct svc *svc, int64_t configured)
{
    return svc_files_share(&svc->state->files, configured);
}

bool svc_is_draining(const struct svc *svc)
{
    return atomic_load(&svc->state->draining);
}

void svc_watch_loop(struct svc *svc, struct loop *loop)
{
    svc_admin_watch_loop(svc->state->admin, loop);
}

void svc_watch_pulse(struct svc *svc, struct svc_pulse *pulse)
{
    svc_admin_watch_pulse(svc->state->admin, pulse);
}

void svc_pulse(struct svc_pulse *pulse)
{
    atomic_store(&pulse->beat_ms, clock_monotonic_ms());
}
