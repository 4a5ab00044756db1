/* api_alias.c - what the routes of one alias have in common. */
#include "api_alias.h"

#include "account/aliases.h"
#include "api_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"
#include "route_path.h"
#include "site.h"
#include "store/store_alias.h"
#include "web.h"

bool api_alias_key(const struct web *web, struct http_exchange *x, str_t *key)
{
    char why[ALIASES_WHY_BYTES];

    if (aliases_key(web->site->rules.domains, x->arena,
                    route_path_get(web->params, "name"), key, why) == RC_OK)
        return true;
    api_reply_status(
        x, 400,
        "An alias is a name, an address in one of this server's domains, or @ "
        "and such a domain.");
    return false;
}

void api_alias_reply(const struct web *web, struct http_exchange *x, str_t key,
                     enum rc rc)
{
    struct buf *body = arena_buf(x->arena, API_REPLY_MAX_BYTES);
    struct store_alias_known known;

    if (rc == RC_OK)
        rc = store_alias_resolve(x->arena, web->db, NULL, 0, &key, 1, &known);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && known.aliases == 0)) {
        api_reply_status(x, 404,
                         "There is no such alias in the table; those of files and "
                         "options are not here.");
        return;
    }
    if (rc != RC_OK) {
        api_reply_rc(x, rc);
        return;
    }
    json_aliases(known.alias, known.aliases, body);
    api_reply(x, 200, buf_str(body));
}
