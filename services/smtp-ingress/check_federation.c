/* check_federation.c - no mail from domains that the operator's lists block.
 *
 * Here by the envelope's sender, at RCPT, as clients look for it there; a message without
 * one, and one whose author is somebody else, is for check_author.  What our accounts
 * send there check_reachable refuses, or remote-sender returns.  What comes by LMTP is
 * the operator's own.
 */
#include "checks.h"

#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "svc/federation_book.h"
#include "transaction.h"

enum check_result check_federation(struct check *c)
{
    struct address sender;

    if (c->mail->answers_each ||
        address_parse(c->mail->sender, ADDRESS_UTF8 | ADDRESS_FULL, &sender) != RC_OK ||
        !federation_book_blocks(c->ingress->federation, sender.domain, FEDERATION_IN))
        return CHECK_PASS;
    smtp_reply_printf(
        c->out, 554, "5.7.1",
        "<%.*s>: Sender address rejected: no mail is taken from this domain",
        STR_ARG(c->mail->sender));
    return CHECK_REFUSE;
}
