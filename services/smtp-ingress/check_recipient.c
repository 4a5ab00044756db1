/* check_recipient.c - mail from outside is for accounts that exist.
 *
 * Refused here, where the sending server makes the bounce, instead of accepted and
 * bounced to whoever was forged as its sender.
 */
#include "checks.h"

#include "account/route.h"
#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "store/store_account.h"
#include "transaction.h"

enum check_result check_recipient(struct check *c)
{
    struct arena *a = c->mail->arena;
    struct store_account account;
    struct route route;
    enum rc rc;

    route_find(a, &c->ingress->route, c->recipient.text, &route);
    rc = store_account_find(a, c->db, route.address, &account);

    if (rc == RC_OK && account.state == STORE_ACCOUNT_ACTIVE) {
        /* Who complains to a postmaster has no key to encrypt with. */
        if ((account.flags & STORE_ACCOUNT_ACCEPT_CLEARTEXT) == 0 &&
            !str_eq_nocase(route.address, c->ingress->postmaster.text))
            c->mail->clear_text = false;
        return CHECK_PASS;
    }
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        smtp_reply_rc(c->out, RC_RETRY);
        return CHECK_REFUSE;
    }
    smtp_reply_printf(c->out, 550, "5.1.1",
                      "<%.*s>: Recipient address rejected: User unknown",
                      STR_ARG(c->recipient.text));
    return CHECK_REFUSE;
}
