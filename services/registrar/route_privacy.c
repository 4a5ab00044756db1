/* route_privacy.c - the page /privacy. */
#include "net/http_server.h"
#include "page.h"
#include "reply.h"
#include "route.h"
#include "web.h"

void route_privacy(const struct web *web, struct http_exchange *x)
{
    reply_page(x, 200, REPLY_MINUTES, page_new(web->site, x->arena), "Privacy",
               "privacy.html");
}
