/* route_qr_svg.c - /qr.svg: the invitation in a form that stays sharp at any size. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "invitation.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "web.h"

enum { SVG_MAX_BYTES = 512 * 1024 };

void route_qr_svg(const struct web *web, struct http_exchange *x)
{
    struct buf *svg = arena_buf(x->arena, SVG_MAX_BYTES);
    struct invitation invitation;

    if (!invitation_offer(web, x, &invitation))
        return;
    qr_svg(&invitation.qr, "Invitation as QR code", svg);
    CHECK(!svg->full);
    reply_data(x, invitation.is_personal ? REPLY_NEVER : REPLY_MINUTES, "image/svg+xml",
               buf_str(svg));
}
