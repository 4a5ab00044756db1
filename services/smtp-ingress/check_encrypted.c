/* check_encrypted.c - only encrypted mail, and the few exceptions without which nobody
 * could begin to encrypt (chatmail spec 2.4 d to g, 3.2.4). */
#include "checks.h"

#include "smtp/smtp_reply.h"
#include "transaction.h"

enum check_result check_encrypted(struct check *c)
{
    if (c->judged.verdict != ENCRYPTED_NO)
        return CHECK_PASS;
    if (c->direction == CHECKS_INCOMING && c->mail->clear_text)
        return CHECK_PASS;
    /* Delta Chat explains this text to people; it stands without an enhanced code. */
    smtp_reply_put(c->out, 523, NULL, S("Encryption Needed: Invalid Unencrypted Mail"));
    return CHECK_REFUSE;
}
