/* route_info.c - the page /info. */
#include "net/http_server.h"
#include "page.h"
#include "reply.h"
#include "route.h"
#include "site.h"
#include "web.h"

void route_info(const struct web *web, struct http_exchange *x)
{
    bool is_closed = site_registration(web->site) == SITE_CLOSED;
    struct page *page = page_new(web->site, x->arena);

    page_set(page, "closed", is_closed ? S("yes") : S(""));
    reply_page(x, 200, REPLY_MINUTES, page, "Information", "info.html");
}
