/* replace_sender.c - other addresses in the place of senders, as an operator wants them.
 */
#include "account/replace_sender.h"

#include "account/aliases.h"
#include "account/route.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/domains.h"

#include <stdio.h>

struct replace_sender {
    struct aliases_senders rules;
    struct aliases *rows;
};

enum rc replace_sender_new(const struct aliases_senders *s, str_t option,
                           struct replace_sender **out,
                           char why[REPLACE_SENDER_WHY_BYTES])
{
    char reason[ALIASES_WHY_BYTES];
    struct aliases *rows;
    size_t row;
    enum rc rc = aliases_parse_senders(s, option, &rows, &row, reason);

    *out = NULL;
    if (rc != RC_OK) {
        snprintf(why, REPLACE_SENDER_WHY_BYTES, "row %zu: %s", row, reason);
        return rc;
    }
    *out = mem_alloc(sizeof(**out));
    **out = (struct replace_sender){ .rules = *s, .rows = rows };
    return RC_OK;
}

void replace_sender_free(struct replace_sender **r)
{
    if (*r == NULL)
        return;
    aliases_free(&(*r)->rows);
    mem_free(*r);
    *r = NULL;
}

str_t replace_sender_with(const struct replace_sender *r, struct arena *a, str_t sender,
                          str_t otherwise)
{
    struct address given, other;
    const str_t *to;
    str_t key;
    size_t n;

    if (address_parse(sender, ADDRESS_UTF8 | ADDRESS_FULL, &given) != RC_OK ||
        is_ours(r->rules.route->domains, given.domain))
        return otherwise;
    key = aliases_sender_form(a, sender);
    n = aliases_find(r->rows, a, key, &to);
    if (n == 0)
        n = aliases_find_rest(r->rows, a, key, &to);
    if (n == 0)
        return otherwise;
    /* What groups make of an expression's target is known only now. */
    if (address_parse(to[0], ADDRESS_UTF8, &other) == RC_OK &&
        aliases_is_sender(&r->rules, a, to[0]))
        return to[0];
    log_warn("replace_sender.not_done", "target=%.*s", STR_ARG(to[0]));
    return otherwise;
}
