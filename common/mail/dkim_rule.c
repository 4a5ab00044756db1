/* dkim_rule.c - good beats later, and later beats bad. */
#include "mail/dkim_rule.h"

bool dkim_rule_counts(const struct dkim_signature *s, str_t from_domain)
{
    return str_eq_nocase(s->domain, from_domain);
}

enum dkim_rule dkim_rule_judge(str_t from_domain, const struct dkim_signature *list,
                               const enum dkim_outcome *outcomes, size_t count,
                               size_t *decisive)
{
    enum dkim_rule rule = count == 0 ? DKIM_RULE_NO_SIGNATURE : DKIM_RULE_NO_VALID;

    *decisive = count;
    for (size_t i = 0; i < count; i++) {
        if (!dkim_rule_counts(&list[i], from_domain))
            continue;
        if (outcomes[i] == DKIM_OUTCOME_PASS) {
            *decisive = i;
            return DKIM_RULE_ACCEPT;
        }
        if (*decisive == count)
            *decisive = i;
        if (rule != DKIM_RULE_LATER &&
            dkim_outcome_result(outcomes[i]) == DKIM_RESULT_TEMPERROR) {
            rule = DKIM_RULE_LATER;
            *decisive = i;
        }
    }
    return rule;
}

const char *dkim_rule_text(enum dkim_rule rule)
{
    if (rule == DKIM_RULE_NO_SIGNATURE)
        return "No DKIM signature found";
    return rule == DKIM_RULE_NO_VALID ? "No valid DKIM signature found" : NULL;
}
