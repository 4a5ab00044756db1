/* route_federation_remove.c - DELETE /api/v1/federation/{pattern}: a wider row holds
 * again, or none. */
#include "api_federation.h"
#include "api_reply.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_federation.h"
#include "web.h"

void route_federation_remove(const struct web *web, struct http_exchange *x)
{
    str_t pattern;
    enum rc rc;

    if (!api_federation_pattern(web, x, &pattern))
        return;
    rc = store_federation_remove(web->db, pattern);
    if (rc == RC_OK) {
        api_federation_tell(web);
        api_reply(x, 200, S("{}\n"));
    } else if (rc == RC_NOT_FOUND) {
        api_reply_status(x, 404, "There is no row for exactly this pattern.");
    } else {
        api_reply_rc(x, rc);
    }
}
