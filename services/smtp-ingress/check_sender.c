/* check_sender.c - an account sends under its own address, and nobody else under ours.
 *
 * Runs at RCPT, not at MAIL: clients look for this error beside a recipient (chatmail
 * spec 0.4, trap 2).  A null sender of an account passes here and fails at the author.
 */
#include "checks.h"

#include "ingress.h"
#include "mail/domains.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

static enum check_result refuse(struct check *c, const char *reason, str_t who)
{
    smtp_reply_printf(c->out, 553, "5.7.1", "<%.*s>: Sender address rejected: %s%.*s",
                      STR_ARG(c->mail->sender), reason, STR_ARG(who));
    return CHECK_REFUSE;
}

/* The domain is what stands behind the local part, not behind the first '@'. */
static bool is_one_of_us(const struct check *c)
{
    struct address sender;

    return address_parse(c->mail->sender, ADDRESS_UTF8 | ADDRESS_FULL, &sender) ==
               RC_OK &&
           is_ours(c->ingress->route.domains, sender.domain);
}

enum check_result check_sender(struct check *c)
{
    if (c->mail->sender.n == 0)
        return CHECK_PASS;
    if (c->direction == CHECKS_INCOMING)
        return is_one_of_us(c)
                   ? refuse(c, "accounts of this domain submit their mail", S(""))
                   : CHECK_PASS;
    if (domains_same_address(c->mail->sender, c->account_address))
        return CHECK_PASS;
    return refuse(c, "not owned by user ", c->account_address);
}
