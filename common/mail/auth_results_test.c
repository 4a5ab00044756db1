/* auth_results_test.c - what is printed is one field, and whose a field is. */
#include "mail/auth_results.h"

#include "base/arena.h"
#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void prints_facts(void **state)
{
    static const struct auth_results_fact facts[] = {
        { "spf",
          AUTH_RESULTS_SOFTFAIL,
          STR(""),
          { { "smtp.mailfrom", STR("a.b@c.example") } } },
        { "dkim",
          AUTH_RESULTS_TEMPERROR,
          STR("no \"key\""),
          { { "header.d", STR("c.example") },
            { "header.s", STR("") },
            { "header.b", STR("a/b+c=") } } },
        { "dmarc", AUTH_RESULTS_PASS, STR(""), { { "header.from", STR("c.example") } } },
        { "iprev",
          AUTH_RESULTS_PERMERROR,
          STR(""),
          { { "policy.iprev", STR("2001:db8::1") } } },
    };
    struct arena *a = arena_new();

    (void)state;
    assert_true(
        str_eq(auth_results_format(a, S("mx.here.example"), facts, ARRAY_LEN(facts)),
               S("Authentication-Results: mx.here.example;\r\n"
                 "\tspf=softfail smtp.mailfrom=a.b@c.example;\r\n"
                 "\tdkim=temperror reason=\"no \\\"key\\\"\" header.d=c.example\r\n"
                 "\theader.b=\"a/b+c=\";\r\n"
                 "\tdmarc=pass header.from=c.example;\r\n"
                 "\tiprev=permerror policy.iprev=\"2001:db8::1\"\r\n")));
    assert_true(str_eq(auth_results_format(a, S("mx.here.example"), NULL, 0),
                       S("Authentication-Results: mx.here.example; none\r\n")));
    arena_free(&a);
}

static void a_value_cannot_leave_its_place(void **state)
{
    static const struct {
        str_t value;
        const char *printed;
    } cases[] = {
        { STR("a\r\nX: y"), "\"a??X:?y\"" },
        { STR("x dkim=pass header.d=y"), "\"x?dkim=pass?header.d=y\"" },
        { STR("a;b"), "\"a?b\"" },
        { STR("a b"), "\"a?b\"" },
        { STR("a(b"), "\"a?b\"" },
        { STR("\"a b\"@c"), "\"\\\"a?b\\\"@c\"" },
        { STR("a\\"), "\"a\\\\\"" },
        { STR("a@b@c"), "\"a@b@c\"" },
        { STR("a@"), "\"a@\"" },
        { STR("@a"), "@a" },
        { STR("a..b@c"), "\"a..b@c\"" },
        { STR("\0\x7f\xff\xc3"), "\"????\"" },
        { STR("j\xc3\xb6@a"), "\"j\xc3\xb6@a\"" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct auth_results_fact f = {
            "spf", AUTH_RESULTS_FAIL, S(""), { { "smtp.helo", cases[i].value } }
        };
        str_t field = auth_results_format(a, S("h"), &f, 1);
        const char *wanted =
            arena_printf(a, "Authentication-Results: h;\r\n\tspf=fail smtp.helo=%s\r\n",
                         cases[i].printed);

        print_message("%s\n", cases[i].printed);
        assert_true(str_eq(field, str_of(wanted)));
        f.reason = cases[i].value;
        field = auth_results_format(a, S("h"), &f, 1);
        assert_int_equal(header_check(field), RC_OK);
        assert_int_equal(header_count(field, S("X")), 0);
    }
    arena_free(&a);
}

static void is_bounded(void **state)
{
    struct auth_results_fact facts[AUTH_RESULTS_FACTS_MAX + 1];
    struct arena *a = arena_new();
    char text[1001];
    str_t field, line;
    size_t lines = 0;

    (void)state;
    memset(text, '"', sizeof(text));
    memcpy(text + AUTH_RESULTS_VALUE_MAX_BYTES - 1, "\xc3\xb6", 2);
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        facts[i] = (struct auth_results_fact){
            "x-y", AUTH_RESULTS_PASS, str_n(text, sizeof(text)), { { 0 } }
        };
        for (size_t n = 0; n < AUTH_RESULTS_PROPERTIES_MAX; n++)
            facts[i].properties[n] =
                (struct auth_results_property){ "smtp.mailfrom",
                                                str_n(text, sizeof(text)) };
    }
    field = auth_results_format(a, str_n(text, sizeof(text)), facts, ARRAY_LEN(facts));
    assert_true(str_find_char(field, '?') == SIZE_MAX);
    while (str_split(&field, '\n', &line)) {
        assert_true(line.n <= 998);
        lines++;
    }
    assert_int_equal(lines,
                     1 + AUTH_RESULTS_FACTS_MAX * (1 + 1 + AUTH_RESULTS_PROPERTIES_MAX));
    arena_free(&a);
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(auth_results_word_name(AUTH_RESULTS_NONE), "none");
    assert_string_equal(auth_results_word_name(AUTH_RESULTS_NEUTRAL), "neutral");
    assert_string_equal(auth_results_word_name(AUTH_RESULTS_POLICY), "policy");
    assert_string_equal(auth_results_word_name(AUTH_RESULTS_PERMERROR), "permerror");
}

static void knows_whose_a_field_is(void **state)
{
    static const struct {
        bool ours;
        const char *value;
    } cases[] = {
        { true, " mx.here.example; spf=pass" },
        { true, "MX.Here.Example;none" },
        { true, "mx.here.example" },
        { true, "mx.here.example.; none" },
        { true, "mx.here.example 1; none" },
        { true, "mx.here.example (a) 1 (b) ; none" },
        { true, "(a (b\\) c) d)\r\n\t mx.here.example; none" },
        { true, "\"mx.here.example\"; none" },
        { true, "\"mx\\.here.example\" ; none" },
        { true, "\" mx.here.example \"; none" },
        { true, "\"mx.here.\r\nexample\"; none" },
        /* Who can say. */
        { true, "" },
        { true, ";" },
        { true, "other.example mx.here.example; none" },
        { true, "spf=pass smtp.mailfrom=a" },
        { true, "other.example/1; none" },
        { true, "other@mx.here.example; none" },
        { true, "(other.example; none" },
        { true, "\"other.example; none" },
        { true, "other.ex\xc3\xb6mple; none" },
        { true, "other.example 1 2; none" },
        { false, "other.example; spf=pass" },
        { false, "other.example" },
        { false, "mx.here.example.other.example; none" },
        { false, "here.example; none" },
        { false, "other.example (mx.here.example); none" },
        { false, "other.example; x=\"mx.here.example;\"" },
        { false, "(mx.here.example;) other.example 1; none" },
        { false, "\"other\\\" mx.here.example\"; none" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].value);
        assert_int_equal(
            auth_results_claims(a, str_of(cases[i].value), S("mx.here.example")),
            cases[i].ours);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_facts),
        cmocka_unit_test(a_value_cannot_leave_its_place),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(words),
        cmocka_unit_test(knows_whose_a_field_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
