/* route_alias_remove.c - DELETE /api/v1/aliases/{name}: it stands for nobody any more. */
#include "api_alias.h"
#include "api_reply.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_alias.h"
#include "web.h"

void route_alias_remove(const struct web *web, struct http_exchange *x)
{
    str_t key;
    enum rc rc;

    if (!api_alias_key(web, x, &key))
        return;
    rc = store_alias_remove(web->db, key);
    if (rc == RC_OK)
        api_reply(x, 200, S("{}\n"));
    else
        api_alias_reply(web, x, key, rc);
}
