/* check_guess.c - whether a name exists can be asked at RCPT, but not of the whole list.
 *
 * Who has asked for too many that do not exist is told nothing any more for a while, not
 * even about those that do: else each answer would still be one.
 */
#include "checks.h"

#include "base/rate.h"
#include "ingress.h"
#include "smtp/smtp_reply.h"

#include <inttypes.h>

enum check_result check_guess(struct check *c)
{
    int64_t retry_ms;

    if (c->network == 0 ||
        rate_has(c->ingress->guesses, c->network, c->now_us, &retry_ms))
        return CHECK_PASS;
    smtp_reply_printf(c->out, 450, "4.7.1",
                      "Too many recipients that do not exist, try again in %" PRId64 " s",
                      (retry_ms + 999) / 1000);
    return CHECK_REFUSE;
}
