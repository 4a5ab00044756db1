/* invitation.c - draws credentials when the invitation needs them, and encodes. */
#include "invitation.h"

#include "base/log.h"
#include "credentials.h"
#include "invite.h"
#include "site.h"

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
