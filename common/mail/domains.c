/* domains.c - the mail domains of this server, and what is another name for which. */
#include "mail/domains.h"

#include "base/arena.h"
#include "base/idn.h"
#include "mail/address.h"

#include <stdio.h>

enum { SHOWN_BYTES = 100 }; /* of what is wrong, as much is shown */

struct reading {
    struct arena *arena;
    struct domains_row *row;
    size_t count;
    const char *option;
    char *why;
    size_t room;
};

static enum rc refuse(const struct reading *r, str_t what, const char *reason)
{
    snprintf(r->why, r->room, "%s: %.*s %s", r->option,
             (int)(what.n < SHOWN_BYTES ? what.n : SHOWN_BYTES), what.p, reason);
    return RC_INVALID;
}

/* In the one form in which domains are compared. */
static enum rc take_name(const struct reading *r, str_t text, str_t *out)
{
    str_t bracketed = str_of(arena_printf(r->arena, "[%.*s]", STR_ARG(text)));
    struct idn_name name;

    if (address_is_ipv4_literal(text) || address_is_ipv4_literal(bracketed)) {
        *out = text.p[0] == '[' ? text : bracketed;
        return RC_OK;
    }
    if (!address_is_domain(text, ADDRESS_UTF8) || idn_to_ascii(text, &name) != RC_OK ||
        !address_is_domain(str_n(name.text, name.n), 0))
        return refuse(r, text, "is not a domain");
    *out = arena_str(r->arena, str_n(name.text, name.n));
    return RC_OK;
}

static const struct domains_row *find(const struct domains_row *row, size_t n, str_t name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_nocase(row[i].name, name))
            return &row[i];
    return NULL;
}

static enum rc add(struct reading *r, str_t shown, str_t name, str_t main)
{
    if (find(r->row, r->count, name) != NULL)
        return refuse(r, shown, "is one of this server's domains already");
    if (r->count == DOMAINS_MAX)
        return refuse(r, shown, "is one too many; there may be 256");
    r->row[r->count++] = (struct domains_row){ .name = name, .main = main };
    return RC_OK;
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

static bool next_word(str_t *rest, str_t *word)
{
    size_t n = 0;

    while (rest->n > 0 && is_between(rest->p[0]))
        *rest = str_skip(*rest, 1);
    while (n < rest->n && !is_between(rest->p[n]))
        n++;
    *word = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return n > 0;
}

static enum rc add_alias(struct reading *r, str_t word)
{
    size_t at = str_find_char(word, '=');
    const struct domains_row *found;
    str_t name, of;
    enum rc rc;

    if (at == SIZE_MAX)
        return refuse(r, word, "is not alias=domain");
    rc = take_name(r, str_head(word, at), &name);
    if (rc == RC_OK)
        rc = take_name(r, str_skip(word, at + 1), &of);
    if (rc != RC_OK)
        return rc;
    found = find(r->row, r->count, of);
    if (found == NULL || !str_eq(found->main, found->name))
        return refuse(r, word, "stands for no mail_domain and none of more_mail_domains");
    return add(r, word, name, found->name);
}

enum rc domains_parse(struct arena *a, str_t first, str_t more, str_t aliases,
                      struct domains *out, char *why, size_t room)
{
    struct reading r = { .arena = a,
                         .row = arena_array(a, DOMAINS_MAX, sizeof(*r.row)),
                         .option = "mail_domain",
                         .why = why,
                         .room = room };
    str_t word, name;
    enum rc rc = take_name(&r, first, &name);

    if (rc == RC_OK)
        rc = add(&r, first, name, name);
    r.option = "more_mail_domains";
    while (rc == RC_OK && next_word(&more, &word)) {
        rc = take_name(&r, word, &name);
        if (rc == RC_OK)
            rc = add(&r, word, name, name);
    }
    r.option = "mail_domain_aliases";
    while (rc == RC_OK && next_word(&aliases, &word))
        rc = add_alias(&r, word);
    *out = (struct domains){ .row = r.row, .count = r.count };
    return rc;
}

const struct domains_row *domains_find(const struct domains *d, str_t domain)
{
    struct idn_name ascii;

    if (!idn_is_ascii(domain)) {
        if (idn_to_ascii(domain, &ascii) != RC_OK)
            return NULL;
        return find(d->row, d->count, str_n(ascii.text, ascii.n));
    }
    return find(d->row, d->count, domain);
}

str_t domains_first(const struct domains *d)
{
    return d->row[0].name;
}

bool domains_is_first(const struct domains *d, str_t domain)
{
    return domains_find(d, domain) == &d->row[0];
}

str_t domains_account_address(const struct domains *d, struct arena *a, str_t address)
{
    const struct domains_row *row;
    struct address parsed;

    if (address_parse(address, ADDRESS_UTF8 | ADDRESS_FULL, &parsed) != RC_OK)
        return arena_str_lower(a, address);
    row = domains_find(d, parsed.domain);
    if (row == NULL || str_eq_nocase(row->main, parsed.domain))
        return arena_str_lower(a, address);
    return arena_str_lower(a, str_of(arena_printf(a, "%.*s@%.*s", STR_ARG(parsed.local),
                                                  STR_ARG(row->main))));
}

static bool same_domain(str_t a, str_t b)
{
    struct idn_name x, y;

    return idn_to_ascii(a, &x) == RC_OK && idn_to_ascii(b, &y) == RC_OK &&
           str_eq(str_n(x.text, x.n), str_n(y.text, y.n));
}

bool domains_same_address(str_t a, str_t b)
{
    struct address x, y;

    if (str_eq_nocase(a, b))
        return true;
    return address_parse(a, ADDRESS_UTF8 | ADDRESS_FULL, &x) == RC_OK &&
           address_parse(b, ADDRESS_UTF8 | ADDRESS_FULL, &y) == RC_OK &&
           str_eq_nocase(x.local, y.local) && same_domain(x.domain, y.domain);
}
