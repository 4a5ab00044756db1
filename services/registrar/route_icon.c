/* route_icon.c - /icon.svg: the picture in a browser's tab. */
#include "net/http_server.h"
#include "pages.h"
#include "reply.h"
#include "route.h"
#include "web.h"

void route_icon(const struct web *web, struct http_exchange *x)
{
    (void)web;
    reply_data(x, REPLY_MINUTES, "image/svg+xml", pages_text("icon.svg"));
}
