/* api_federation.c - what the routes of the federation lists have in common. */
#include "api_federation.h"

#include "svc/federation.h"
#include "api_reply.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "net/http_server.h"
#include "route_path.h"
#include "web.h"

bool api_federation_pattern(const struct web *web, struct http_exchange *x,
                            str_t *pattern)
{
    if (federation_pattern(x->arena, route_path_get(web->params, "pattern"), pattern) ==
        RC_OK)
        return true;
    api_reply_status(x, 400,
                     "A pattern is a domain (far.example), all below one "
                     "(*.far.example), an IPv4 address, or * for all.");
    return false;
}

/* The generation is a time: nobody counts changes, and a later one is a larger number. */
void api_federation_tell(const struct web *web)
{
    struct msg m = { .kind = MSG_config_changed };

    m.config_changed.generation = clock_unix_ms();
    if (web->bus != NULL)
        bus_publish(web->bus, &m);
}
