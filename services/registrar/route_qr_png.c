/* route_qr_png.c - /qr.png: the invitation to print or to put on one's own page. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "invitation.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "web.h"

enum { PNG_MAX_BYTES = 4 << 20, PNG_MIN_PIXELS = 512 };

void route_qr_png(const struct web *web, struct http_exchange *x)
{
    struct buf *png = arena_buf(x->arena, PNG_MAX_BYTES);
    struct invitation invitation;
    enum rc rc;

    if (!invitation_offer(web, x, &invitation))
        return;
    rc = qr_png(x->arena, &invitation.qr, PNG_MIN_PIXELS, png);
    CHECK(rc == RC_OK);
    reply_data(x, invitation.is_personal ? REPLY_NEVER : REPLY_MINUTES, "image/png",
               buf_str(png));
}
