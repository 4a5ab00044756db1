/* route.c - where each recipient's mail goes: a mailbox here, another host, or back. */
#include "account/route.h"

#include "base/arena.h"
#include "mail/address.h"
#include "mail/domains.h"

#include <stdlib.h>

/* What remote-sender can write into a command.  Whatever it could not would fail the
 * message for everybody at that destination, so it ends here. */
static bool is_sendable(const struct address *to)
{
    if (to->text.n > ADDRESS_MAX_BYTES)
        return false;
    for (size_t i = 0; i < to->local.n; i++)
        if (to->local.p[i] == ' ' || to->local.p[i] == '<' || to->local.p[i] == '>')
            return false;
    return address_is_domain(to->domain, ADDRESS_UTF8) ||
           address_is_ip_literal(to->domain);
}

void route_find(struct arena *a, const struct route_rules *rules, str_t recipient,
                struct route *out)
{
    str_t plain = address_unquote(a, recipient);
    struct address parsed;

    *out = (struct route){ .kind = ROUTE_REFUSED,
                           .recipient = recipient,
                           .address = recipient };
    if (address_parse(plain, ADDRESS_UTF8 | ADDRESS_FULL, &parsed) != RC_OK)
        return;
    if (is_ours(rules->domains, parsed.domain)) {
        /* "a%elsewhere@here" is a name like any other that nobody has. */
        out->kind = ROUTE_LOCAL;
        out->address = address_untag(a, domains_account_address(rules->domains, a, plain),
                                     rules->delimiters);
    } else if (is_sendable(&parsed)) {
        out->kind = ROUTE_REMOTE;
        out->domain = arena_str_lower(a, parsed.domain);
        out->address = str_of(
            arena_printf(a, "%.*s@%.*s", STR_ARG(parsed.local), STR_ARG(out->domain)));
    }
}

static int compare(const void *x, const void *y)
{
    const struct route *a = x, *b = y;
    int by_domain;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    by_domain = str_compare(a->domain, b->domain);
    return by_domain != 0 ? by_domain : str_compare(a->address, b->address);
}

size_t route_all(struct arena *a, const struct route_rules *rules,
                 const str_t *recipients, size_t n, struct route **out)
{
    struct route *r = arena_array(a, n > 0 ? n : 1, sizeof(*r));
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        route_find(a, rules, recipients[i], &r[i]);
    if (n > 1)
        qsort(r, n, sizeof(*r), compare);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare(&r[kept - 1], &r[i]) != 0)
            r[kept++] = r[i];
    *out = r;
    return kept;
}
