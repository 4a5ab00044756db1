/* remote-sender - carries mail to other hosts.
 *
 * The only service that connects to foreign hosts to deliver.  It decides nothing about
 * recipients: it writes back what the hosts answered, and queue-worker does the rest.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "dbs.h"
#include "desk.h"
#include "net/destination_guard.h"
#include "dispatch.h"
#include "net/dns.h"
#include "net/tls.h"
#include "svc/federation_book.h"
#include "svc/routes.h"
#include "svc/svc.h"
#include "svc/svc_dns.h"

#include <unistd.h>

enum { CONNECTIONS = 4 };

struct sender {
    struct desk desk;
    struct routes routes;
    struct arena *arena; /* holds them */
    struct dispatch *dispatch;
};

static enum rc open_doors(struct svc *svc, struct desk *desk, struct buf *why)
{
    const struct options *o = svc->options;
    struct tls_client_options tls = {
        .min_version = TLS_VERSION_1_2,
        .ca_file = o->tls_ca_file[0] != '\0' ? o->tls_ca_file : NULL,
    };
    enum rc rc = svc_dns_new(o, 0, why, &desk->finder.dns);

    if (rc == RC_OK)
        rc = tls_client_new(&tls, why, &desk->tls);
    if (rc == RC_OK)
        rc = federation_book_new(o, svc->service->name, &desk->federation);
    return rc;
}

static void fill_desk(struct svc *svc, struct desk *desk)
{
    const struct options *o = svc->options;

    desk->finder.domains = options_domains(o);
    desk->finder.hostname = str_of(options_public_host(o));
    desk->finder.port = (uint16_t)o->smtp_outbound_port;
    desk->guard = destination_guard_new(o->allow_private_destinations);
    desk->dbs = dbs_new();
    for (int i = 0; i < CONNECTIONS; i++)
        dbs_add(desk->dbs, svc_db_new(svc));
    desk->helo = o->mail_domain;
    desk->connect_ms = o->remote_connect_seconds * 1000;
    desk->command_ms = o->remote_command_seconds * 1000;
    desk->disable_ipv6 = o->disable_ipv6;
}

static void read_routes(struct svc *svc, struct sender *s)
{
    char why[OPTIONS_ERROR_BYTES];
    enum rc rc;

    s->arena = arena_new();
    rc = routes_parse(s->arena, str_of(svc->options->routes), &s->routes, why,
                      sizeof(why));
    CHECK(rc == RC_OK); /* looked at when the options were loaded */
    s->desk.routes = &s->routes;
}

static enum rc start(struct svc *svc)
{
    struct sender *s = mem_alloc(sizeof(*s));
    struct buf why;
    enum rc rc;

    buf_init(&why, 1000);
    rc = open_doors(svc, &s->desk, &why);
    if (rc != RC_OK) {
        log_error("remote.start", "reason=\"%.*s\"", STR_ARG(buf_str(&why)));
    } else {
        read_routes(svc, s);
        fill_desk(svc, &s->desk);
        s->dispatch = dispatch_new(svc, &s->desk);
        svc->user = s;
    }
    buf_fini(&why);
    return rc;
}

static void drain(struct svc *svc)
{
    struct sender *s = svc->user;

    dispatch_drain(s->dispatch);
}

static bool is_drained(struct svc *svc)
{
    struct sender *s = svc->user;

    return dispatch_is_drained(s->dispatch);
}

static void stop(struct svc *svc)
{
    struct sender *s = svc->user;

    if (!dispatch_free(&s->dispatch)) {
        log_warn("remote.stop_cut", "reason=\"the database does not answer\"");
        _exit(0);
    }
    federation_book_free(&s->desk.federation);
    dbs_free(&s->desk.dbs);
    destination_guard_free(&s->desk.guard);
    tls_context_free(&s->desk.tls);
    dns_free(&s->desk.finder.dns);
    arena_free(&s->arena);
    mem_free(s);
}

static void on_message(struct svc *svc, const struct msg *m)
{
    struct sender *s = svc->user;

    if (s != NULL && m->kind == MSG_remote_ready)
        dispatch_wake(s->dispatch);
    if (s != NULL && m->kind == MSG_config_changed)
        federation_book_wake(s->desk.federation);
}

/* What a registrar said before may have been missed. */
static void on_event_peer(struct svc *svc)
{
    struct sender *s = svc->user;

    if (s != NULL)
        federation_book_wake(s->desk.federation);
}

static const struct svc_service service = {
    .name = "remote-sender",
    .option_user = OPTIONS_REMOTE_SENDER,
    .flags = SVC_BINDS_WORK,
    .start = start,
    .drain = drain,
    .is_drained = is_drained,
    .stop = stop,
    .on_message = on_message,
    .on_event_peer = on_event_peer,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
