/* check_authorize_sender.c - of the accounts, which may send at all.
 *
 * An account is its address: check_sender and check_author have seen that login, MAIL
 * FROM and From are one, and no table makes another sender its own.  So this one can only
 * take away: whoever has no line in the file that covers the own address sends nothing.
 */
#include "checks.h"

#include "base/arena.h"
#include "ingress.h"
#include "sender_book.h"
#include "svc/options.h"
#include "transaction.h"

enum check_result check_authorize_sender(struct check *c)
{
    const struct options *o = c->ingress->options;
    bool allows;

    if (sender_book_allows(c->ingress->senders, c->account_address, c->account_address,
                           &allows) != RC_OK)
        return check_conclude_later(c, o->authorize_sender.action,
                                    &o->authorize_sender_temporary, 451, "4.7.0",
                                    "Who may send cannot be read now, try again later");
    if (allows)
        return CHECK_PASS;
    return check_conclude(c, &o->authorize_sender, 553, "5.7.0",
                          "Unauthorized use of sender address");
}
