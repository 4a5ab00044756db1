/* domains.h - the mail domains of this server, and what is another name for which.
 *
 * is_ours() is the one place that says whether mail for a domain, or in its name, is this
 * server's business: A-labels, U-labels and any case alike.  Accounts exist in each
 * domain by their whole address; a domain alias has none of its own, its addresses mean
 * those of the domain that it stands for. Pure.  Thread: any; immutable once parsed.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { DOMAINS_MAX = 256 };

struct domains_row {
    str_t name; /* lower case, A-labels; an IPv4 literal with its brackets */
    str_t main; /* itself, or the one that this is an alias of */
};

struct domains {
    const struct domains_row *row; /* the first is where people register */
    size_t count;
};

/* A server of one domain, for static initialisers outside of functions; literal in lower
 * case. */
#define DOMAINS_ONE(literal)                                                             \
    {                                                                                    \
        .row = (const struct domains_row[]){ { STR(literal), STR(literal) } },           \
        .count = 1,                                                                      \
    }

/* first: as an option of kind DOMAIN has it.  more: domains, separated by blanks or
 * commas.  aliases: alias=domain, separated likewise.  RC_INVALID: why says what is wrong
 * in which of them. */
enum rc domains_parse(struct arena *a, str_t first, str_t more, str_t aliases,
                      struct domains *out, char *why, size_t room) RC_CHECKED;

/* NULL: it is none of ours. */
const struct domains_row *domains_find(const struct domains *d, str_t domain);

static inline bool is_ours(const struct domains *d, str_t domain)
{
    return domains_find(d, domain) != NULL;
}

/* Where people register; what this server's own mail comes from. */
str_t domains_first(const struct domains *d);
bool domains_is_first(const struct domains *d, str_t domain);

/* Of an address in one of our domains the spelling under which its account is stored:
 * lower case, the domain as A-labels and that of an alias replaced.  Any other in lower
 * case. */
str_t domains_account_address(const struct domains *d, struct arena *a, str_t address);

/* Do both name one sender?  Case and the form of the domain do not count; a domain alias
 * does, since what a reader sees is not changed. */
bool domains_same_address(str_t a, str_t b);
