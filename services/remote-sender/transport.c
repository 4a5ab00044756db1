/* transport.c - the way that a row of the queue names. */
#include "transport.h"

#include "base/metric.h"
#include "svc/routes.h"

#include <pthread.h>

static enum rc find_none(struct arena *a, const struct desk *desk,
                         const struct transport_way *way, struct deadline until,
                         struct mail_hosts *out, struct mail_hosts_refusal *why)
{
    (void)a;
    (void)desk;
    (void)way;
    (void)until;
    *out = (struct mail_hosts){ 0 };
    *why = (struct mail_hosts_refusal){
        451, S("4.3.5"), S("451 4.3.5 This sender does not know the message's transport"),
        false
    };
    return RC_DENIED;
}

/* Who finds no host never opens a connection. */
static const struct transport unknown = { .shared = true, .find = find_none };

static struct row {
    const char *scheme;
    const struct transport *transport;
    struct metric opened;
} rows[] = {
#define TRANSPORT(name_, scheme)                                                         \
    { scheme,                                                                            \
      &transport_##name_,                                                                \
      { .kind = METRIC_COUNTER,                                                          \
        .name = "postbus_remote_connections",                                            \
        .labels = "transport=\"" #name_ "\"",                                            \
        .help = "Connections to hosts that were ready for mail." } },
#include "svc/transports.def"
#undef TRANSPORT
};

static void register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        metric_register(&rows[i].opened);
}

struct transport_way transport_way_of(str_t target, str_t domain)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct transport_way way = { .transport = &unknown, .domain = domain };
    struct routes_target parts = { .scheme = S("") };

    pthread_once(&once, register_metrics);
    if (target.n > 0 && !routes_target_parse(target, &parts))
        return way;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(parts.scheme, str_of(rows[i].scheme))) {
            way.transport = rows[i].transport;
            way.opened = &rows[i].opened;
        }
    way.host = parts.host;
    way.port = parts.port;
    return way;
}
