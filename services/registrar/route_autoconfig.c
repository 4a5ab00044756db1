/* route_autoconfig.c - where mail programs find host names and ports by themselves
 * (Thunderbird's autoconfiguration, which Delta Chat reads too).
 */
#include "net/http_server.h"
#include "page.h"
#include "reply.h"
#include "route.h"
#include "web.h"

void route_autoconfig(const struct web *web, struct http_exchange *x)
{
    reply_data(x, REPLY_MINUTES, "application/xml",
               page_render_bare(page_new(web->site, x->arena), "autoconfig.xml"));
}
