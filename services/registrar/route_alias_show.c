/* route_alias_show.c - GET /api/v1/aliases/{name}: what one stands for. */
#include "api_alias.h"
#include "route.h"

void route_alias_show(const struct web *web, struct http_exchange *x)
{
    str_t key;

    if (api_alias_key(web, x, &key))
        api_alias_reply(web, x, key, RC_OK);
}
