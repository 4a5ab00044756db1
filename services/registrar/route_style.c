/* route_style.c - /style.css: the look of the built-in pages. */
#include "net/http_server.h"
#include "pages.h"
#include "reply.h"
#include "route.h"
#include "web.h"

void route_style(const struct web *web, struct http_exchange *x)
{
    (void)web;
    reply_data(x, REPLY_MINUTES, "text/css; charset=utf-8", pages_text("style.css"));
}
