/* check_quarantine.c - a submission under suspicion goes to nobody elsewhere.
 *
 * Its account is told now and by a refusal, as clients throw reports away; nobody gets it
 * then, since a client gives a message up for all when it is refused.
 */
#include "checks.h"

#include "ingress.h"
#include "mail/domains.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

enum check_result check_quarantine(struct check *c)
{
    const struct transaction *t = c->mail;
    struct address a;

    for (size_t i = 0; i < t->recipient_count && t->quarantine; i++) {
        if (address_parse(t->recipients[i], ADDRESS_UTF8 | ADDRESS_FULL, &a) == RC_OK &&
            is_ours(c->ingress->route.domains, a.domain))
            continue;
        smtp_reply_put(c->out, 550, "5.7.0",
                       S("The message is in quarantine and does not leave this server"));
        return CHECK_REFUSE;
    }
    return CHECK_PASS;
}
