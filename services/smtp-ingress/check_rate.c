/* check_rate.c - how often an account may send.
 *
 * Counted once for each message, at its first recipient, also when the message is refused
 * later; answered at RCPT (chatmail spec 0.4, trap 2, and 2.4, step 3).  The relay does
 * not count what has the null sender and is refused at its end in any case (spec 2.3); to
 * us its bytes cost as much as those of any other message.
 */
#include "checks.h"

#include "base/rate.h"
#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

#include <inttypes.h>

enum check_result check_rate(struct check *c)
{
    struct transaction *t = c->mail;

    if (t->rate == RATE_UNASKED)
        t->rate =
            rate_take(c->ingress->rate, (uint64_t)c->account, c->now_us, &t->retry_ms)
                ? RATE_WITHIN
                : RATE_OVER;
    if (t->rate == RATE_WITHIN)
        return CHECK_PASS;
    /* The colon behind the enhanced code is what clients and tests look for. */
    smtp_reply_printf(c->out, 450, NULL,
                      "4.7.1: Too much mail from <%.*s>, try again in %" PRId64 " s",
                      STR_ARG(t->sender), (t->retry_ms + 999) / 1000);
    return CHECK_REFUSE;
}
