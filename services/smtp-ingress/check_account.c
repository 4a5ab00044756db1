/* check_account.c - who was blocked or removed since the login sends no more.
 *
 * A session lives as long as its client likes, so the account is read again when there is
 * something to accept.  The reply is temporary and ends the connection: the login that
 * comes next tells the truth, and the message is not lost should it have been a mistake.
 */
#include "checks.h"

#include "base/log.h"
#include "smtp/smtp_reply.h"
#include "store/store_account.h"
#include "transaction.h"

bool check_account(struct check *c)
{
    struct store_account account;
    enum rc rc = store_account_get(c->mail->arena, c->db, c->account, &account);

    if (rc == RC_RETRY) /* a connection that was lost is a new one now */
        rc = store_account_get(c->mail->arena, c->db, c->account, &account);
    if (rc == RC_OK && account.state == STORE_ACCOUNT_ACTIVE)
        return true;
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        /* Waiting for a database that is away is the commit's business. */
        log_debug("smtp.account_not_read", "rc=%s", rc_name(rc));
        return true;
    }
    smtp_reply_put(c->out, 421, "4.7.0", S("Please log in again"));
    c->is_last_word = true;
    return false;
}
