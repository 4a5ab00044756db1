/* route_federation.c - GET /api/v1/federation: with which domains mail is exchanged. */
#include "api_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_federation.h"
#include "web.h"

enum { LIST_MAX_BYTES = 4 << 20 }; /* more than as many of the longest patterns take */

void route_federation(const struct web *web, struct http_exchange *x)
{
    struct buf *body = arena_buf(x->arena, LIST_MAX_BYTES);
    struct store_federation_row *list;
    size_t n;
    enum rc rc = store_federation_list(x->arena, web->db, &list, &n);

    if (rc != RC_OK) {
        api_reply_rc(x, rc);
        return;
    }
    json_federation(list, n, body);
    api_reply(x, 200, buf_str(body));
}
