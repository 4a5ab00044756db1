/* route_mta_sts.c - the MTA-STS policy (RFC 8461 3.2).
 *
 * Other servers fetch it only from a host whose certificate they can verify, and then
 * refuse every mail host whose certificate they cannot.  So there is none where our own
 * cannot be verified.
 */
#include "base/arena.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "site.h"
#include "web.h"

enum { MAX_AGE_SECONDS = 28 * 24 * 3600 };

void route_mta_sts(const struct web *web, struct http_exchange *x)
{
    if (!web->site->is_trusted) {
        reply_error_page(web, x, 404, NULL);
        return;
    }
    reply_data(x, REPLY_MINUTES, "text/plain; charset=utf-8",
               str_of(arena_printf(x->arena,
                                   "version: STSv1\r\nmode: enforce\r\nmx: %.*s\r\n"
                                   "max_age: %d\r\n",
                                   STR_ARG(web->site->host), MAX_AGE_SECONDS)));
}
