/* check_reachable.c - a submission that can reach nobody but its sender is refused.
 *
 * Clients throw bounces away, so who writes to an account that is gone or full would
 * never learn it.  With one good recipient, or one elsewhere, the message is accepted and
 * the others bounce: a client gives a message up for all when it is refused.  Elsewhere
 * is nobody to whom the federation lists allow no mail.
 */
#include "checks.h"

#include "base/arena.h"
#include "smtp/smtp_reply.h"
#include "store/store_account.h"
#include "transaction.h"

enum check_result check_reachable(struct check *c)
{
    int64_t *ids = arena_array(c->mail->arena, c->other_count + 1, sizeof(*ids));

    if (c->blocked.n > 0) {
        smtp_reply_printf(c->out, 554, "5.7.1",
                          "<%.*s>: Recipient address rejected: no mail is sent to this "
                          "domain",
                          STR_ARG(c->blocked));
        return CHECK_REFUSE;
    }
    /* Only to say why; whoever cannot say so lets it pass. */
    if (!c->reaches_none ||
        store_account_resolve(c->db, c->others, c->other_count, ids) != RC_OK)
        return CHECK_PASS;
    for (size_t i = 0; i < c->other_count; i++) {
        if (ids[i] == 0)
            continue;
        smtp_reply_printf(c->out, 552, "5.2.2",
                          "<%.*s> Quota exceeded (mailbox for user is full)",
                          STR_ARG(c->others[i]));
        return CHECK_REFUSE;
    }
    smtp_reply_printf(c->out, 550, "5.1.1", "<%.*s> User doesn't exist",
                      STR_ARG(c->others[0]));
    return CHECK_REFUSE;
}
