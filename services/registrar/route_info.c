/* route_info.c - the page /info. */
#include "net/http_server.h"
#include "page.h"
#include "reply.h"
#include "route.h"
#include "web.h"

void route_info(const struct web *web, struct http_exchange *x)
{
    reply_page(x, 200, REPLY_MINUTES, page_new(web->site, x->arena), "Information",
               "info.html");
}
