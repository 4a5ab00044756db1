/* route_robots.c - /robots.txt: search engines have no business here. */
#include "net/http_server.h"
#include "pages.h"
#include "reply.h"
#include "route.h"
#include "web.h"

void route_robots(const struct web *web, struct http_exchange *x)
{
    (void)web;
    reply_data(x, REPLY_MINUTES, "text/plain; charset=utf-8", pages_text("robots.txt"));
}
