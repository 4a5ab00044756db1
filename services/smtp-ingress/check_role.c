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
    static const str_t roles[] = { STR("postmaster"), STR("abuse") };

    if (c->ingress->postmaster.text.n == 0 ||
        !is_ours(c->ingress->route.domains, c->recipient.domain))
        return CHECK_PASS;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (str_eq_nocase(c->recipient.local, roles[i]))
            c->recipient = c->ingress->postmaster;
    return CHECK_PASS;
}
