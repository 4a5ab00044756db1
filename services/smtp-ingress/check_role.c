/* check_role.c - postmaster and abuse are read by an account, if the operator has named
 * one.  RFC 5321 4.5.1, RFC 2142.
 *
 * Nobody can have these names as an account (rules.c), so the recipient becomes the
 * operator's account here, before anything is asked about it.
 */
#include "checks.h"

#include "ingress.h"
#include "mail/domains.h"

enum check_result check_role(struct check *c)
{
    const struct address *account = NULL;

    if (str_eq_nocase(c->recipient.local, S("postmaster")))
        account = &c->ingress->postmaster;
    else if (str_eq_nocase(c->recipient.local, S("abuse")))
        account = &c->ingress->abuse;
    if (account != NULL && account->text.n > 0 &&
        is_ours(c->ingress->route.domains, c->recipient.domain))
        c->recipient = *account;
    return CHECK_PASS;
}
