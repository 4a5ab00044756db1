/* route_start.c - the page /: the invitation as link and as QR code.
 *
 * The page is made whole here, without scripts: where an invitation is personal each view
 * draws a new account, which exists only once somebody logs in to it.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "invitation.h"
#include "net/http_server.h"
#include "page.h"
#include "reply.h"
#include "route.h"
#include "site.h"
#include "web.h"

enum { SVG_MAX_BYTES = 512 * 1024 };

static void set_invitation(struct page *page, const struct site *site, struct arena *a)
{
    struct buf *svg = arena_buf(a, SVG_MAX_BYTES);
    struct invitation invitation;

    invitation_make(site, a, &invitation);
    qr_svg(&invitation.qr, "Invitation as QR code", svg);
    page_set(page, "invite", invitation.text);
    page_set(page, "qr", buf_str(svg));
    page_set(page, "personal", invitation.is_personal ? S("yes") : S(""));
}

void route_start(const struct web *web, struct http_exchange *x)
{
    enum site_registration registration = site_registration(web->site);
    struct page *page = page_new(web->site, x->arena);

    page_set(page, "open", registration == SITE_OPEN ? S("yes") : S(""));
    page_set(page, "busy", registration == SITE_OVERLOADED ? S("yes") : S(""));
    set_invitation(page, web->site, x->arena);
    reply_page(x, 200, REPLY_NEVER, page, "Chat by e-mail", "start.html");
}
