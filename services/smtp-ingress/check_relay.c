/* check_relay.c - from other servers comes mail for our own domain, and no other. */
#include "checks.h"

#include "ingress.h"
#include "smtp/smtp_reply.h"

enum check_result check_relay(struct check *c)
{
    if (str_eq_nocase(c->recipient.domain, c->ingress->domain))
        return CHECK_PASS;
    smtp_reply_printf(c->out, 554, "5.7.1", "<%.*s>: Relay access denied",
                      STR_ARG(c->recipient.text));
    return CHECK_REFUSE;
}
