/* check_relay.c - from other servers comes mail for our own domains, and no other. */
#include "checks.h"

#include "ingress.h"
#include "mail/domains.h"
#include "smtp/smtp_reply.h"

enum check_result check_relay(struct check *c)
{
    if (is_ours(c->ingress->route.domains, c->recipient.domain))
        return CHECK_PASS;
    smtp_reply_printf(c->out, 554, "5.7.1", "<%.*s>: Relay access denied",
                      STR_ARG(c->recipient.text));
    return CHECK_REFUSE;
}
