/* dkim_rule_test.c - whose signatures count, and which answer wins. */
#include "mail/dkim_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One letter for each signature, of the From domain in capitals and of another one in
 * small letters: p passes, f fails, t cannot be looked up now. */
static const struct {
    const char *signatures;
    enum dkim_rule rule;
    size_t decisive;
} cases[] = {
    { "", DKIM_RULE_NO_SIGNATURE, 0 },  { "p", DKIM_RULE_NO_VALID, 1 },
    { "P", DKIM_RULE_ACCEPT, 0 },       { "F", DKIM_RULE_NO_VALID, 0 },
    { "T", DKIM_RULE_LATER, 0 },        { "t", DKIM_RULE_NO_VALID, 1 },
    { "FP", DKIM_RULE_ACCEPT, 1 },      { "PF", DKIM_RULE_ACCEPT, 0 },
    { "TP", DKIM_RULE_ACCEPT, 1 },      { "FTF", DKIM_RULE_LATER, 1 },
    { "TFT", DKIM_RULE_LATER, 0 },      { "pFpF", DKIM_RULE_NO_VALID, 1 },
    { "ptfpf", DKIM_RULE_NO_VALID, 5 }, { "ffffffFP", DKIM_RULE_ACCEPT, 7 },
};

static void which_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dkim_signature list[DKIM_SIGNATURE_MAX] = { 0 };
        enum dkim_outcome outcomes[DKIM_SIGNATURE_MAX];
        size_t count = 0, decisive = SIZE_MAX;
        enum dkim_rule got;

        for (const char *p = cases[i].signatures; *p != '\0'; p++, count++) {
            char c = (char)str_lower_char((unsigned char)*p);

            list[count].domain = c == *p ? S("other.test") : S("from.test");
            outcomes[count] = c == 'p'   ? DKIM_OUTCOME_PASS
                              : c == 't' ? DKIM_OUTCOME_KEY_UNREACHABLE
                                         : DKIM_OUTCOME_SIGNATURE;
        }
        got = dkim_rule_judge(S("From.Test"), list, outcomes, count, &decisive);
        if (got != cases[i].rule || decisive != cases[i].decisive)
            fail_msg("\"%s\": rule %d by %zu", cases[i].signatures, got, decisive);
    }
}

static void which_domains(void **state)
{
    static const str_t others[] = { STR("x.from.test"), STR("test"), STR("xfrom.test"),
                                    STR("from.test."), STR("") };
    struct dkim_signature s = { .domain = S("from.test") };

    (void)state;
    assert_true(dkim_rule_counts(&s, S("FROM.test")));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(dkim_rule_counts(&s, others[i]));
}

static void texts(void **state)
{
    (void)state;
    assert_string_equal(dkim_rule_text(DKIM_RULE_NO_SIGNATURE),
                        "No DKIM signature found");
    assert_string_equal(dkim_rule_text(DKIM_RULE_NO_VALID),
                        "No valid DKIM signature found");
    assert_null(dkim_rule_text(DKIM_RULE_ACCEPT));
    assert_null(dkim_rule_text(DKIM_RULE_LATER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_answer),
        cmocka_unit_test(which_domains),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
