/* check_size.c - a message that announces itself as too big is spared the journey.
 * RFC 1870 6.1. */
#include "checks.h"

#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "svc/options.h"
#include "transaction.h"

enum check_result check_size(struct check *c)
{
    if (c->mail->declared_bytes <= (uint64_t)c->ingress->options->max_message_size)
        return CHECK_PASS;
    smtp_reply_put(c->out, 552, "5.3.4", S("Message size exceeds fixed limit"));
    return CHECK_REFUSE;
}
