/* check_count.c - a bounded number of recipients; the client sends the rest with another
 * copy.  RFC 5321 4.5.3.1.10. */
#include "checks.h"

#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "svc/options.h"
#include "transaction.h"

enum check_result check_count(struct check *c)
{
    if (c->mail->recipient_count < (size_t)c->ingress->options->max_recipients)
        return CHECK_PASS;
    smtp_reply_put(c->out, 452, "4.5.3", S("Too many recipients"));
    return CHECK_REFUSE;
}
