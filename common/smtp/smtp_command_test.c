/* smtp_command_test.c - what is a command, and which paths and parameters it may have. */
#include "smtp/smtp_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void split_separates_verb_and_rest(void **state)
{
    static const struct {
        str_t line;
        bool utf8;
        enum rc rc;
        str_t verb, rest;
    } cases[] = {
        { STR("NOOP"), false, RC_OK, STR("NOOP"), STR("") },
        { STR("mail FROM:<a@b> X "), false, RC_OK, STR("mail"), STR("FROM:<a@b> X") },
        { STR(""), false, RC_INVALID, STR(""), STR("") },
        { STR(" NOOP"), false, RC_INVALID, STR(""), STR("") },
        { STR("NO\tOP"), false, RC_INVALID, STR(""), STR("") },
        { STR("X-Y z"), false, RC_INVALID, STR(""), STR("") },
        { STR("RCPT TO:<\xc3\xa4@b>"), false, RC_INVALID, STR(""), STR("") },
        { STR("RCPT TO:<\xc3\xa4@b>"), true, RC_OK, STR("RCPT"), STR("TO:<\xc3\xa4@b>") },
        { STR("RCPT TO:<\xc3@b>"), true, RC_INVALID, STR(""), STR("") },
        { STR("ABCDEFGHIJKLMNOPQ"), false, RC_INVALID, STR(""), STR("") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_command c;

        assert_int_equal(smtp_command_split(cases[i].line, cases[i].utf8, &c),
                         cases[i].rc);
        if (cases[i].rc == RC_OK) {
            assert_true(str_eq(c.verb, cases[i].verb));
            assert_true(str_eq(c.rest, cases[i].rest));
        }
    }
}

static void paths(void **state)
{
    static const struct {
        const char *rest;
        enum rc rc;
        bool bad_address;
        const char *address; /* "" for null, "postmaster" for itself */
        size_t params;
    } cases[] = {
        { "FROM:<a@b.org>", RC_OK, false, "a@b.org", 0 },
        { "from:<a@b.org>", RC_OK, false, "a@b.org", 0 },
        { "FROM: <a@b.org>", RC_OK, false, "a@b.org", 0 },
        { "FROM:<a@[1.2.3.4]>", RC_OK, false, "a@[1.2.3.4]", 0 },
        { "FROM:<a@b.org> BODY=8BITMIME  SMTPUTF8", RC_OK, false, "a@b.org", 2 },
        { "FROM:<>", RC_OK, false, "", 0 },
        { "FROM:<> SIZE=1", RC_OK, false, "", 1 },
        { "FROM:<Postmaster>", RC_OK, false, "postmaster", 0 },
        { "FROM:a@b.org", RC_INVALID, false, "", 0 },
        { "FROM:<a@b.org", RC_INVALID, false, "", 0 },
        { "FROM<a@b.org>", RC_INVALID, false, "", 0 },
        { "TO:<a@b.org>", RC_INVALID, false, "", 0 },
        { "", RC_INVALID, false, "", 0 },
        { "FROM:<a@b.org>SIZE=1", RC_INVALID, false, "", 0 },
        { "FROM:<a@b.org> =1", RC_INVALID, false, "", 0 },
        { "FROM:<a@b.org> SIZE=", RC_INVALID, false, "", 0 },
        { "FROM:<a@b.org> A=b=c", RC_INVALID, false, "", 0 },
        { "FROM:<@c.org:a@b.org>", RC_INVALID, true, "", 0 },
        { "FROM:<a b@b.org>", RC_INVALID, true, "", 0 },
        { "FROM:<a%c@b.org>", RC_INVALID, true, "", 0 },
        { "FROM:<a>", RC_INVALID, true, "", 0 },
        { "FROM:<a@b.org> a b c d e f g h i j k l m n o p", RC_OK, false, "a@b.org", 16 },
        { "FROM:<a@b.org> a b c d e f g h i j k l m n o p q", RC_LIMIT, false, "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_command_path p;
        enum rc rc = smtp_command_path_parse(str_of(cases[i].rest), "FROM", 0, &p);

        if (rc != cases[i].rc)
            print_error("case: %s\n", cases[i].rest);
        assert_int_equal(rc, cases[i].rc);
        assert_int_equal(p.bad_address, cases[i].bad_address);
        if (rc != RC_OK)
            continue;
        assert_int_equal(p.param_count, cases[i].params);
        assert_int_equal(p.is_null, cases[i].address[0] == '\0');
        if (!p.is_null && !p.is_postmaster)
            assert_true(str_eq(p.address.text, str_of(cases[i].address)));
    }
}

/* What an account may write to: every path that the grammar has. */
static void whole_paths(void **state)
{
    static const struct {
        const char *rest;
        const char *address; /* NULL: refused */
        bool bad_address;
        size_t params;
    } cases[] = {
        { "TO:<a@b.org>", "a@b.org", false, 0 },
        { "TO:<a%c!d@b.org>", "a%c!d@b.org", false, 0 },
        { "TO:<\"a b\"@b.org> X=1", "\"a b\"@b.org", false, 1 },
        { "TO:<\"a>b\"@b.org>", "\"a>b\"@b.org", false, 0 },
        { "TO:<\"a\\\">\"@b.org>", "\"a\\\">\"@b.org", false, 0 },
        { "TO:<\"a\\\\\"@b.org> X", "\"a\\\\\"@b.org", false, 1 },
        { "TO:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", false, 0 },
        { "TO:<a@[x:>\"]> X", "a@[x:>\"]", false, 1 },
        { "TO:<@c.org:a@b.org>", "a@b.org", false, 0 },
        { "TO:<@c.org,@d.org:\"a:b\"@b.org> X", "\"a:b\"@b.org", false, 1 },
        { "TO:<@c.org:@d.org:a@b.org>", NULL, true, 0 },
        { "TO:<@c.org:>", NULL, true, 0 },
        { "TO:<@c.org:postmaster>", NULL, true, 0 },
        { "TO:<@c.org,:a@b.org>", NULL, true, 0 },
        { "TO:<@c.org,d.org:a@b.org>", NULL, true, 0 },
        { "TO:<@:a@b.org>", NULL, true, 0 },
        { "TO:<@a@b.org>", NULL, true, 0 },
        { "TO:<a b@b.org>", NULL, true, 0 },
        { "TO:<a>b@b.org>", NULL, true, 0 },
        { "TO:<\"a@b.org>", NULL, false, 0 },
        { "TO:<a@[x:y>", NULL, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_command_path p;
        enum rc rc = smtp_command_path_parse(str_of(cases[i].rest), "TO",
                                             ADDRESS_UTF8 | ADDRESS_FULL, &p);

        if ((rc == RC_OK) != (cases[i].address != NULL) ||
            p.bad_address != cases[i].bad_address)
            print_error("case: %s\n", cases[i].rest);
        assert_int_equal(rc, cases[i].address != NULL ? RC_OK : RC_INVALID);
        assert_int_equal(p.bad_address, cases[i].bad_address);
        if (rc != RC_OK)
            continue;
        assert_true(str_eq(p.address.text, str_of(cases[i].address)));
        assert_int_equal(p.param_count, cases[i].params);
    }
}

static void params_have_names_and_values(void **state)
{
    struct smtp_command_path p;

    (void)state;
    assert_int_equal(
        smtp_command_path_parse(S("TO:<a@b.org> NOTIFY=NEVER X"), "TO", 0, &p), RC_OK);
    assert_true(str_eq(p.params[0].name, S("NOTIFY")));
    assert_true(str_eq(p.params[0].value, S("NEVER")));
    assert_true(p.params[0].has_value);
    assert_true(str_eq(p.params[1].name, S("X")));
    assert_false(p.params[1].has_value);
}

static void hello_takes_names_and_literals(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
    } cases[] = {
        { "mail.example.org", RC_OK }, { "localhost", RC_OK },
        { "[127.0.0.1]", RC_OK },      { "[IPv6:2001:db8::1]", RC_OK },
        { "_chat.test", RC_OK },       { "", RC_INVALID },
        { "a b", RC_INVALID },         { "[127.0.0.256]", RC_INVALID },
        { "[IPv6:zz]", RC_INVALID },   { "a..b", RC_INVALID },
        { "<script>", RC_INVALID },    { "127.0.0.1", RC_OK },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t host;

        assert_int_equal(smtp_command_hello_parse(str_of(cases[i].text), &host),
                         cases[i].rc);
    }
}

static void auth_has_a_mechanism_and_maybe_a_response(void **state)
{
    struct smtp_command_auth a;

    (void)state;
    assert_int_equal(smtp_command_auth_parse(S("PLAIN AGEAYg=="), &a), RC_OK);
    assert_true(str_eq(a.mechanism, S("PLAIN")));
    assert_true(a.has_initial && str_eq(a.initial, S("AGEAYg==")));
    assert_int_equal(smtp_command_auth_parse(S("LOGIN"), &a), RC_OK);
    assert_false(a.has_initial);
    assert_int_equal(smtp_command_auth_parse(S("EXTERNAL ="), &a), RC_OK);
    assert_true(a.has_initial && a.initial.n == 0);
    assert_int_equal(smtp_command_auth_parse(S(""), &a), RC_INVALID);
    assert_int_equal(smtp_command_auth_parse(S("PLAIN a b"), &a), RC_INVALID);
    assert_int_equal(smtp_command_auth_parse(S("PL(AIN a"), &a), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_separates_verb_and_rest),
        cmocka_unit_test(paths),
        cmocka_unit_test(whole_paths),
        cmocka_unit_test(params_have_names_and_values),
        cmocka_unit_test(hello_takes_names_and_literals),
        cmocka_unit_test(auth_has_a_mechanism_and_maybe_a_response),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
