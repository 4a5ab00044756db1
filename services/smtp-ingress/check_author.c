/* check_author.c - the From field says who the sender is.
 *
 * Of an account it must be the account.  Of a stranger it must not be one of us, nor of a
 * domain that the federation lists block, and when it is somebody else than the
 * envelope's sender, that one gets no bounce (chatmail spec 2.4 a to c, 3.2.2, 3.2.3).
 */
#include "checks.h"

#include "ingress.h"
#include "mail/domains.h"
#include "smtp/smtp_reply.h"
#include "svc/federation_book.h"
#include "transaction.h"

static enum check_result refuse(struct check *c, const char *text)
{
    smtp_reply_put(c->out, 500, NULL, str_of(text));
    return CHECK_REFUSE;
}

static enum check_result is_readable(struct check *c)
{
    if (c->judged.header_rc != RC_OK)
        return refuse(c, "Failed to parse message");
    switch (c->judged.author_rc) {
    case RC_OK:
        return CHECK_PASS;
    case RC_NOT_FOUND:
        return refuse(c, "Invalid FROM header: there is none");
    case RC_CONFLICT:
        return refuse(c, "Invalid FROM header: there is more than one");
    default:
        return refuse(c, "Invalid FROM header: no address in it");
    }
}

static enum check_result judge_outgoing(struct check *c)
{
    if (domains_same_address(c->judged.author.text, c->mail->sender))
        return CHECK_PASS;
    smtp_reply_printf(c->out, 500, NULL, "Invalid FROM <%.*s> for <%.*s>",
                      STR_ARG(c->judged.author.text), STR_ARG(c->mail->sender));
    return CHECK_REFUSE;
}

static enum check_result judge_incoming(struct check *c)
{
    if (is_ours(c->ingress->route.domains, c->judged.author.domain)) {
        smtp_reply_put(c->out, 554, "5.7.1",
                       S("From header rejected: accounts of this domain submit their "
                         "mail"));
        return CHECK_REFUSE;
    }
    if (!c->mail->answers_each && /* LMTP: the operator's own */
        federation_book_blocks(c->ingress->federation, c->judged.author.domain,
                               FEDERATION_IN)) {
        smtp_reply_put(c->out, 554, "5.7.1",
                       S("From header rejected: no mail is taken from this domain"));
        return CHECK_REFUSE;
    }
    /* Where a milter has reports go is none of the author's business. */
    if (!str_eq_nocase(c->judged.author.text, c->mail->sender) &&
        str_eq(c->mail->return_path, c->mail->sender))
        c->mail->return_path = S("");
    return CHECK_PASS;
}

enum check_result check_author(struct check *c)
{
    if (is_readable(c) != CHECK_PASS)
        return CHECK_REFUSE;
    return c->direction == CHECKS_OUTGOING ? judge_outgoing(c) : judge_incoming(c);
}
