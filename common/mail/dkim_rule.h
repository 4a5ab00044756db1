/* dkim_rule.h - chatmail's rule: a message needs a good signature of its From domain.
 *
 * Pure.  Exactly that domain, in any case of letters; subdomains and parents do not
 * count, nor do the signatures of others.  One that is good is enough.  Both domains in
 * the same form where letters beyond ASCII are in them.  An address literal cannot sign
 * and is not judged here.  Chatmail spec 3.3.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "mail/dkim_outcome.h"
#include "mail/dkim_signature.h"

#include <stdbool.h>
#include <stddef.h>

enum dkim_rule {
    DKIM_RULE_ACCEPT,
    DKIM_RULE_LATER,        /* a key that would decide cannot be looked up now: 451 */
    DKIM_RULE_NO_SIGNATURE, /* 554 */
    DKIM_RULE_NO_VALID,     /* 554 */
};

/* Does this signature count?  Of others nobody needs to look up a key. */
bool dkim_rule_counts(const struct dkim_signature *s, str_t from_domain);

/* outcomes: of each signature, in its order; for those that do not count any.  *decisive
 * is the signature that decided, of several that are bad the first; count: none counts.
 */
enum dkim_rule dkim_rule_judge(str_t from_domain, const struct dkim_signature *list,
                               const enum dkim_outcome *outcomes, size_t count,
                               size_t *decisive);

/* The reply's text for the last two, "No DKIM signature found"; NULL for the others. */
const char *dkim_rule_text(enum dkim_rule rule);
