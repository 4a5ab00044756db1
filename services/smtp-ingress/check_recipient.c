/* check_recipient.c - mail from outside is for accounts that exist, or for aliases that
 * lead to one or elsewhere.
 *
 * Refused here, where the sending server makes the bounce, instead of accepted and
 * bounced to whoever was forged as its sender.  What an alias stands for is found out
 * now, so that a 250 holds for each of them; targets that nobody has are the operator's
 * business and left out.
 */
#include "checks.h"

#include "account/expand.h"
#include "account/route.h"
#include "base/log.h"
#include "base/rate.h"
#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

static enum check_result refuse(struct check *c, const char *status, const char *reason)
{
    smtp_reply_printf(c->out, 550, status, "<%.*s>: Recipient address rejected: %s",
                      STR_ARG(c->recipient.text), reason);
    return CHECK_REFUSE;
}

/* Who complains to a postmaster has no key to encrypt with. */
static bool is_role(const struct check *c)
{
    struct route to;

    route_find(c->mail->arena, &c->ingress->route, c->recipient.text, &to);
    return str_eq_nocase(to.address, c->ingress->postmaster.text) ||
           str_eq_nocase(to.address, c->ingress->abuse.text);
}

static enum check_result take_alias(struct check *c, const struct expand *x)
{
    if (c->mail->target_count + x->reached > TRANSACTION_TARGETS_MAX) {
        smtp_reply_put(c->out, 452, "4.5.3", S("Too many recipients"));
        return CHECK_REFUSE;
    }
    if (x->reached < x->count)
        log_warn("smtp.alias_lost", "alias=%.*s targets=%zu of=%zu",
                 STR_ARG(c->recipient.text), x->count - x->reached, x->count);
    c->mail->is_forwarded |= x->leaves;
    c->about.targets = x->targets;
    c->about.target_count = x->reached;
    return CHECK_PASS;
}

/* Passed, it is bounced by who delivers: to a sender that the author's domain has signed
 * for, or to nobody.  Over HTTPS one answer stands for all recipients, so who does not
 * exist is taken along with others; alone, cmd_data.c refuses it. */
static enum check_result unknown(struct check *c)
{
    bool counts = c->network != 0 && !c->ingress->accepts_unknown;
    int64_t ignored;

    if (counts)
        (void)rate_take(c->ingress->guesses, c->network, c->now_us, &ignored);
    if (c->ingress->accepts_unknown || c->over_https) {
        c->mail->unknown_count++;
        c->mail->clear_text =
            false; /* as if it were one of ours, which it must not tell */
        return CHECK_PASS;
    }
    return refuse(c, "5.1.1", "User unknown");
}

enum check_result check_recipient(struct check *c)
{
    struct expand x;
    enum rc rc = expand_each(c->mail->arena, c->db, &c->ingress->expand,
                             &c->recipient.text, 1, &x);

    if (rc != RC_OK || x.is_unsure) {
        smtp_reply_rc(c->out, RC_RETRY);
        return CHECK_REFUSE;
    }
    if (x.loops)
        return refuse(c, "5.4.6", "Alias leads back to itself, or to too many");
    if (x.reached == 0)
        return unknown(c);
    if (!x.takes_clear_text && !is_role(c))
        c->mail->clear_text = false;
    return x.is_alias ? take_alias(c, &x) : CHECK_PASS;
}
