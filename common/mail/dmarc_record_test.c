/* dmarc_record_test.c - records as they are found. */
#include "mail/dmarc_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define NONE DMARC_POLICY_NONE
#define QUAR DMARC_POLICY_QUARANTINE
#define REJ  DMARC_POLICY_REJECT

static void good(void **state)
{
    static const struct {
        const char *text;
        enum dmarc_policy p, sp;
        bool dkim, spf;
        unsigned pct;
    } cases[] = {
        { "v=DMARC1; p=reject", REJ, REJ, false, false, 100 },
        { "v=DMARC1;p=none;", NONE, NONE, false, false, 100 },
        { "v = DMARC1 ; p = quarantine ; sp = none ; adkim=s; aspf=s; pct=7", QUAR, NONE,
          true, true, 7 },
        { "v=DMARC1; sp=reject; p=NONE; ADKIM=S", NONE, REJ, true, false, 100 },
        { "v=DMARC1; p=none; adkim=x; aspf=; pct=101; x=y; junk; =; ;", NONE, NONE, false,
          false, 100 },
        { "v=DMARC1; p=reject; pct=-1", REJ, REJ, false, false, 100 },
        { "v=DMARC1; p=reject; pct=0", REJ, REJ, false, false, 0 },
        /* 6.6.3: who takes reports has a policy all the same. */
        { "v=DMARC1; rua=mailto:a@b.example", NONE, NONE, false, false, 100 },
        { "v=DMARC1; p=bad; sp=reject; rua=mailto:a@b.example!10m", NONE, NONE, false,
          false, 100 },
        { "v=DMARC1; p=reject; sp=bad; rua=junk, https://b.example/", NONE, NONE, false,
          false, 100 },
    };
    struct dmarc_record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].text);
        assert_int_equal(dmarc_record_parse(str_of(cases[i].text), &r), RC_OK);
        assert_int_equal(r.policy, cases[i].p);
        assert_int_equal(r.subdomain_policy, cases[i].sp);
        assert_int_equal(r.strict_dkim, cases[i].dkim);
        assert_int_equal(r.strict_spf, cases[i].spf);
        assert_int_equal(r.percent, cases[i].pct);
    }
}

static void malformed(void **state)
{
    static const char *const cases[] = {
        "v=DMARC1",
        "v=DMARC1;",
        "v=DMARC1; p=",
        "v=DMARC1; p=bad",
        "v=DMARC1; p=reject; sp=bad",
        "v=DMARC1; p=bad; rua=junk",
        "v=DMARC1; p=bad; rua=mailto:",
        "v=DMARC1; p=none; p=reject",
        "v=DMARC1; p=none; pct=1; PCT=2",
    };
    struct dmarc_record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(dmarc_record_is(str_of(cases[i])));
        assert_int_equal(dmarc_record_parse(str_of(cases[i]), &r), RC_INVALID);
    }
}

static void others(void **state)
{
    static const char *const cases[] = {
        "",
        "v",
        "v=DMARC",
        "v=dmarc1; p=none",
        "v=DMARC12;",
        "v=spf1",
        " v=DMARC1; p=none",
        "V=DMARC1; p=none",
        "p=none; v=DMARC1",
        "v=DMARC1 p=none",
    };
    struct dmarc_record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i]);
        assert_false(dmarc_record_is(str_of(cases[i])));
        assert_int_equal(dmarc_record_parse(str_of(cases[i]), &r), RC_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(malformed),
        cmocka_unit_test(others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
