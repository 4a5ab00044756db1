/* check_encrypted.c - only encrypted mail, and the few exceptions without which nobody
 * could begin to encrypt (chatmail spec 2.4 d to g, 3.2.4).
 *
 * Where each recipient gets an answer, those who take clear text get the message and the
 * others are refused; with one answer for all, one of them is enough to refuse. */
#include "checks.h"

#include "smtp/smtp_reply.h"
#include "transaction.h"

/* Delta Chat explains this text to people; it stands without an enhanced code. */
#define NEEDED "Encryption Needed: Invalid Unencrypted Mail"

/* False: nobody is left who would take it. */
static bool refuse_others(struct transaction *t)
{
    size_t takers = 0;

    for (size_t i = 0; i < t->recipient_count; i++)
        takers += t->about[i].takes_clear_text;
    if (!t->answers_each || takers == 0)
        return false;
    for (size_t i = 0; i < t->recipient_count; i++)
        if (!t->about[i].takes_clear_text)
            t->about[i].refusal = S("523 " NEEDED "\r\n");
    t->refused_count = t->recipient_count - takers;
    return true;
}

enum check_result check_encrypted(struct check *c)
{
    if (c->judged.verdict != ENCRYPTED_NO)
        return CHECK_PASS;
    if (c->direction == CHECKS_INCOMING && c->mail->clear_text)
        return CHECK_PASS;
    if (refuse_others(c->mail))
        return CHECK_PASS;
    smtp_reply_put(c->out, 523, NULL, S(NEEDED));
    return CHECK_REFUSE;
}
