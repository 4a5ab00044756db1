/* check_account.c - who was blocked or removed since the login sends no more.
 *
 * A session lives as long as its client likes, so the account is read again when there is
 * something to accept.  The reply is temporary and ends the connection: the login that
 * comes next tells the truth, and the message is not lost should it have been a mistake.
 * The same round trip asks what check_reachable judges.
 */
#include "checks.h"

#include "account/expand.h"
#include "account/route.h"
#include "base/arena.h"
#include "base/log.h"
#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "store/store_account.h"
#include "svc/federation_book.h"
#include "transaction.h"

/* Clients add their own address for their other devices; that copy does not count.  What
 * is for a domain that the federation lists block counts only if there is nobody else:
 * remote-sender returns it, as no client shall give up a message for all because of one.
 */
static void find_others(struct check *c, const str_t *to, size_t n)
{
    struct transaction *t = c->mail;
    struct route *route;

    n = route_all(t->arena, &c->ingress->route, to, n, &route);
    c->others = arena_array(t->arena, n + 1, sizeof(*c->others));
    c->other_count = 0;
    c->blocked = S("");
    for (size_t i = 0; i < n; i++) {
        if (route[i].kind == ROUTE_LOCAL) { /* these come first */
            if (!str_eq(route[i].address, c->account_address))
                c->others[c->other_count++] = route[i].address;
            continue;
        }
        c->leaves |= route[i].kind == ROUTE_REMOTE;
        if (c->other_count > 0 || route[i].kind != ROUTE_REMOTE ||
            !federation_book_blocks(c->ingress->federation, route[i].domain,
                                    FEDERATION_OUT)) {
            c->other_count = 0;
            c->blocked = S("");
            return;
        }
        c->blocked = route[i].address;
    }
}

static enum rc ask(struct check *c, const str_t *to, size_t n,
                   struct store_account_sender *out)
{
    enum rc rc = RC_RETRY;

    find_others(c, to, n);
    /* A connection that was lost is a new one at the second try. */
    for (int tries = 0; tries < 2 && rc == RC_RETRY; tries++)
        rc = store_account_sender(c->db, c->account, c->others, c->other_count,
                                  (int64_t)c->message.n, out);
    return rc;
}

enum check_result check_account(struct check *c)
{
    struct transaction *t = c->mail;
    struct store_account_sender sender;
    enum rc rc = ask(c, t->recipients, t->recipient_count, &sender);

    if (rc == RC_OK && sender.state == STORE_ACCOUNT_ACTIVE &&
        (sender.has_aliases || expand_has_book(&c->ingress->expand))) {
        size_t n = t->recipient_count, count;
        struct expand *x = arena_array(t->arena, n, sizeof(*x));
        str_t *to;
        enum rc found = expand_list(t->arena, c->db, &c->ingress->expand, t->recipients,
                                    n, x, &to, &count);
        bool fails = found != RC_OK && found != RC_NOT_FOUND;

        for (size_t i = 0; i < n && !fails; i++)
            fails = x[i].is_unsure;
        if (fails) {
            smtp_reply_rc(c->out, RC_RETRY);
            return CHECK_REFUSE;
        }
        for (size_t i = 0; i < n; i++) {
            t->about[i].targets = x[i].targets;
            t->about[i].target_count = x[i].is_alias ? x[i].count : 0;
            t->target_count += t->about[i].target_count;
        }
        if (found == RC_OK)
            rc = ask(c, to, count, &sender);
    }
    if (rc == RC_OK && sender.state == STORE_ACCOUNT_ACTIVE) {
        c->reaches_none = c->other_count > 0 && !sender.reaches;
        return CHECK_PASS;
    }
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        /* Waiting for a database that is away is the commit's business. */
        log_debug("smtp.account_not_read", "rc=%s sqlstate=%s", rc_name(rc),
                  db_sqlstate(c->db));
        return CHECK_PASS;
    }
    smtp_reply_put(c->out, 421, "4.7.0", S("Please log in again"));
    c->is_last_word = true;
    return CHECK_REFUSE;
}
