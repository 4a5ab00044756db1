/* transport.c - the way that a row of the queue names. */
#include "transport.h"

#include "svc/routes.h"

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

static const struct {
    const char *scheme;
    const struct transport *transport;
} rows[] = {
#define TRANSPORT(name, scheme) { scheme, &transport_##name },
#include "svc/transports.def"
#undef TRANSPORT
};

struct transport_way transport_way_of(str_t target, str_t domain)
{
    struct transport_way way = { .transport = &unknown, .domain = domain };
    struct routes_target parts = { .scheme = S("") };

    if (target.n > 0 && !routes_target_parse(target, &parts))
        return way;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(parts.scheme, str_of(rows[i].scheme)))
            way.transport = rows[i].transport;
    way.host = parts.host;
    way.port = parts.port;
    return way;
}
