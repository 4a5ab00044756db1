/* check_hops.c - a message that was passed on this often goes round in circles.
 * RFC 5321 6.3; the limit is Postfix's, and so the chatmail relay's. */
#include "checks.h"

#include "mail/header.h"
#include "smtp/smtp_reply.h"

enum { MAX_HOPS = 50 };

enum check_result check_hops(struct check *c)
{
    if (header_count(c->message, S("Received")) <= MAX_HOPS)
        return CHECK_PASS;
    smtp_reply_put(c->out, 554, "5.4.6", S("Too many hops"));
    return CHECK_REFUSE;
}
