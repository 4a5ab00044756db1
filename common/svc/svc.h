/* svc.h - what every service does alike, from main to exit.
 *
 *   int main(int argc, char **argv) { return svc_main(argc, argv, &service); }
 *
 * Options, log, limits, admin port (/metrics /livez /readyz), bus, waiting for the
 * database and its schema, certificates, and the drain after SIGTERM or SIGINT.  A
 * service stays live while PostgreSQL or its peers are away, says so in /readyz and the
 * log, and goes on by itself when they are back.
 * Thread: hooks run in the main thread, except wants_account, on_message and
 * on_event_peer (bus thread) and on_api (admin port).
 */
#pragma once

#include "base/rc.h"
#include "bus/bus.h"
#include "net/tls.h"
#include "svc/options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct http_exchange;
struct loop;
struct svc_state;

#define SVC_VERSION "0.1.0"

struct svc {
    const struct options *options;
    struct bus *bus;
    const struct svc_service *service;
    void *user;              /* the service's own */
    struct svc_state *state; /* svc.c's own */
};

/* Whose hints a service takes is told by the *_peers options that it uses. */
enum svc_flag {
    SVC_BINDS_WORK = 1 << 0,   /* sends work hints */
    SVC_BINDS_EVENTS = 1 << 1, /* publishes events */
    SVC_NEEDS_TLS = 1 << 2,    /* has no use without a certificate */
    /* Serves something without one, but is ready only when the one that is configured is
     * there. */
    SVC_USES_TLS = 1 << 3,
};

struct svc_service {
    const char *name; /* "smtp-ingress" */
    enum options_user option_user;
    unsigned flags; /* enum svc_flag */
    /* How many connections clients may hold by the options, all ports together; NULL:
     * none.
     */
    int64_t (*connections)(const struct options *options);
    /* A flag of its own ("--print-invite"): extra does it instead of serving and returns
     * the exit status.  NULL: none. */
    const char *extra_flag;
    int (*extra)(const struct options *options);

    /* Called once, when the database, its schema and (SVC_NEEDS_TLS) a certificate were
     * there for the first time.  Anything but RC_OK ends the process with status 1; the
     * service has logged why. */
    enum rc (*start)(struct svc *svc);
    void (*tick)(struct svc *svc); /* once a second after start; NULL: none */
    /* Accept nothing new and tell clients; must not block. */
    void (*drain)(struct svc *svc);
    bool (*is_drained)(struct svc *svc); /* asked until true or drain_seconds are over */
    /* They are over: say goodbye to who is still there; must not block.  NULL: none. */
    void (*part)(struct svc *svc);
    void (*stop)(struct svc *svc); /* end all threads, release everything */
    /* False with a reason: not ready.  Runs in the main thread.  NULL: always ready. */
    bool (*is_ready)(struct svc *svc, char *reason, size_t room);

    /* Between start and stop only.  wants_account as the bus has it; NULL: all. */
    bool (*wants_account)(struct svc *svc, int64_t account);  /* must not block */
    void (*on_message)(struct svc *svc, const struct msg *m); /* must not block */
    void (*on_event_peer)(struct svc *svc);                   /* must not block */
    /* What the admin port is asked below /api/, and what of it is refused, as the
     * handlers of net/http_server.  In the port's own thread: must not block, but may
     * finish later, before stop returns.  NULL: there is no such thing. */
    void (*on_api)(struct svc *svc, struct http_exchange *x);
    void (*on_api_refused)(struct svc *svc, struct http_exchange *x);
};

int svc_main(int argc, char **argv, const struct svc_service *service);

/* A new connection object as this service's role: one for each thread, db_free it.  It
 * connects at its first use. */
struct db *svc_db_new(struct svc *svc);

/* False while PostgreSQL is away or its schema is too old: spare your polls. */
bool svc_database_ok(const struct svc *svc);
bool svc_is_draining(const struct svc *svc);

/* Can the configured certificate be served now?  While it cannot, /readyz and the log
 * say why (SVC_NEEDS_TLS, SVC_USES_TLS). */
bool svc_has_certificate(const struct svc *svc);

/* What of `configured` connections there are descriptors for, when those of all ports are
 * to leave some to the service itself. */
size_t svc_connections(const struct svc *svc, int64_t configured);

/* Server context with the configured certificate, polled and swapped while running.
 * Owned by svc; NULL when there is none to serve: not configured, or the log says why. */
struct tls_context *svc_tls(struct svc *svc, enum tls_version min_version,
                            const char *alpn);

/* /livez fails when one of these has not moved for ten seconds. */
void svc_watch_loop(struct svc *svc, struct loop *loop);
struct svc_pulse {
    const char *name; /* borrowed, in /livez and the log */
    _Atomic int64_t beat_ms;
    struct svc_pulse *next; /* svc.c's own */
};
void svc_watch_pulse(struct svc *svc, struct svc_pulse *pulse); /* lives until exit */
void svc_pulse(struct svc_pulse *pulse);                        /* "I move" */
