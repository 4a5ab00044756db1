/* route_aliases.c - GET /api/v1/aliases: the table's aliases, without those of files. */
#include "api_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_alias.h"
#include "web.h"

void route_aliases(const struct web *web, struct http_exchange *x)
{
    struct buf *body = arena_buf(x->arena, API_REPLY_MAX_BYTES);
    struct store_alias *list;
    size_t n;
    enum rc rc = store_alias_list(x->arena, web->db, &list, &n);

    if (rc != RC_OK) {
        api_reply_rc(x, rc);
        return;
    }
    json_aliases(list, n, body);
    if (body->full)
        api_reply_error(
            x, 500, "too_many",
            "There are more aliases than one answer holds; ask for one by its "
            "name.");
    else
        api_reply(x, 200, buf_str(body));
}
