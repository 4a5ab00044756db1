/* invitation.c - draws credentials when the invitation needs them, and encodes. */
#include "invitation.h"

#include "base/log.h"
#include "credentials.h"
#include "invite.h"
#include "net/http_server.h"
#include "reply.h"
#include "site.h"
#include "web.h"

void invitation_make(const struct site *s, struct arena *a, struct invitation *out)
{
    struct credentials c;
    enum rc rc;

    out->is_personal = invite_kind(s) == INVITE_LOGIN;
    if (out->is_personal)
        credentials_draw(&s->rules, a, &c);
    out->text = invite_text(s, a, &c);
    rc = qr_encode(a, out->text, out->is_personal ? QR_LEVEL_LOW : QR_LEVEL_HIGH,
                   &out->qr);
    CHECK(rc == RC_OK); /* the options bound every piece of the text */
}

bool invitation_offer(const struct web *web, struct http_exchange *x,
                      struct invitation *out)
{
    switch (site_registration(web->site)) {
    case SITE_OPEN:
        invitation_make(web->site, x->arena, out);
        return true;
    case SITE_CLOSED:
        reply_error_page(web, x, 403, "This server takes no new profiles at the moment.");
        return false;
    case SITE_OVERLOADED:
        reply_error_page(web, x, 503, NULL);
        return false;
    }
    return false;
}
