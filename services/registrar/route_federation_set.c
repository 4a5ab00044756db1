/* route_federation_set.c - PUT /api/v1/federation/{pattern}: mail is exchanged, or not.
 */
#include "api_federation.h"
#include "api_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_federation.h"
#include "web.h"

void route_federation_set(const struct web *web, struct http_exchange *x)
{
    struct buf *body = arena_buf(x->arena, API_REPLY_MAX_BYTES);
    struct store_federation_row row;
    enum rc rc;

    if (!api_federation_pattern(web, x, &row.pattern))
        return;
    if (!json_federation_row(x->request.body, &row)) {
        api_reply_status(x, 400,
                         "The body says what holds: {\"verdict\": \"block\" or "
                         "\"allow\", \"direction\": \"in\", \"out\" or \"both\"}.");
        return;
    }
    rc = store_federation_set(web->db, &row);
    if (rc == RC_OK) {
        api_federation_tell(web);
        json_federation(&row, 1, body);
        api_reply(x, 200, buf_str(body));
    } else if (rc == RC_LIMIT) {
        api_reply_error(x, 409, "too_many",
                        "There are 10,000 "
                        "rows already; remove one, or block more with one.");
    } else {
        api_reply_rc(x, rc);
    }
}
