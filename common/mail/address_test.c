/* address_test.c - what is an address, and whose message is this? */
#include "mail/address.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define L64 "0123456789012345678901234567890123456789012345678901234567890123"
#define L63 "012345678901234567890123456789012345678901234567890123456789012"

static void strict_addresses(void **state)
{
    static const struct {
        str_t text;
        unsigned flags;
        enum rc rc;
    } cases[] = {
        { STR("a@b"), 0, RC_OK },
        { STR("a.b-c_d+e=f@x-y.example.org"), 0, RC_OK },
        { STR("a@_chat.test"), 0, RC_OK },
        { STR("a@[1.2.3.4]"), 0, RC_OK },
        { STR(L64 "@b.org"), 0, RC_OK },
        { STR("a@" L63 ".org"), 0, RC_OK },
        { STR("J\xc3\xbcrgen@m\xc3\xbcller.de"), ADDRESS_UTF8, RC_OK },
        { STR("J\xc3\xbcrgen@b.org"), 0, RC_INVALID },
        { STR("a@m\xc3\xbcller.de"), 0, RC_INVALID },
        { STR("J\xc3@b.org"), ADDRESS_UTF8, RC_INVALID },
        { STR("\xc0\xaf@b.org"), ADDRESS_UTF8, RC_INVALID },
        { STR("\xed\xa0\x80@b.org"), ADDRESS_UTF8, RC_INVALID },
        { STR(L64 "x@b.org"), 0, RC_LIMIT },
        { STR("a@" L63 "." L63 "." L63 "." L63), 0, RC_LIMIT },
        { STR("a@" L64 ".org"), 0, RC_INVALID },
        { STR(""), 0, RC_INVALID },
        { STR("a"), 0, RC_INVALID },
        { STR("@b"), 0, RC_INVALID },
        { STR("a@"), 0, RC_INVALID },
        { STR("a@b@c"), 0, RC_INVALID },
        { STR(".a@b"), 0, RC_INVALID },
        { STR("a.@b"), 0, RC_INVALID },
        { STR("a..b@c"), 0, RC_INVALID },
        { STR("a b@c"), 0, RC_INVALID },
        { STR("a\r\n@c"), 0, RC_INVALID },
        { STR("a\0@c"), 0, RC_INVALID },
        { STR("a@c\0"), 0, RC_INVALID },
        { STR("a%b@c"), 0, RC_INVALID },
        { STR("b!a@c"), 0, RC_INVALID },
        { STR("\"a\"@c"), 0, RC_INVALID },
        { STR("<a@c>"), 0, RC_INVALID },
        { STR("a@b."), 0, RC_INVALID },
        { STR("a@.b"), 0, RC_INVALID },
        { STR("a@b..c"), 0, RC_INVALID },
        { STR("a@-b.c"), 0, RC_INVALID },
        { STR("a@b-.c"), 0, RC_INVALID },
        { STR("a@b/c"), 0, RC_INVALID },
        { STR("a@[1.2.3]"), 0, RC_INVALID },
        { STR("a@[1.2.3.256]"), 0, RC_INVALID },
        { STR("a@[1.2.3.04]"), 0, RC_INVALID },
        { STR("a@[1.2.3.4.]"), 0, RC_INVALID },
        { STR("a@[1.2.3.4"), 0, RC_INVALID },
        { STR("a@[IPv6:::1]"), 0, RC_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address out;
        enum rc rc = address_parse(cases[i].text, cases[i].flags, &out);

        if (rc != cases[i].rc)
            print_error("case: %.*s\n", STR_ARG(cases[i].text));
        assert_int_equal(rc, cases[i].rc);
    }
}

/* The whole grammar: what is good here and bad above is what submission takes. */
static void full_addresses(void **state)
{
    static const struct {
        str_t text;
        enum rc rc;
        const char *local, *domain;
    } cases[] = {
        { STR("a@b"), RC_OK, "a", "b" },
        { STR("a%b@c"), RC_OK, "a%b", "c" },
        { STR("b!a@c"), RC_OK, "b!a", "c" },
        { STR("!#$%&'*+-/=?^_`{|}~@c"), RC_OK, "!#$%&'*+-/=?^_`{|}~", "c" },
        { STR("\"a\"@c"), RC_OK, "\"a\"", "c" },
        { STR("\"\"@c"), RC_OK, "\"\"", "c" },
        { STR("\"a b\"@c"), RC_OK, "\"a b\"", "c" },
        { STR("\"a@b\"@c"), RC_OK, "\"a@b\"", "c" },
        { STR("\"a>b<\"@c"), RC_OK, "\"a>b<\"", "c" },
        { STR("\"a\\\"b\\\\\"@c"), RC_OK, "\"a\\\"b\\\\\"", "c" },
        { STR("\".a..b.\"@c"), RC_OK, "\".a..b.\"", "c" },
        { STR("a@[1.2.3.4]"), RC_OK, "a", "[1.2.3.4]" },
        { STR("a@[1.2.3.04]"), RC_OK, "a", "[1.2.3.04]" },
        { STR("a@[IPv6:2001:db8::1]"), RC_OK, "a", "[IPv6:2001:db8::1]" },
        { STR("a@[x-y1:d@\">]"), RC_OK, "a", "[x-y1:d@\">]" },
        { STR("J\xc3\xbcrgen@m\xc3\xbcller.de"), RC_OK, "J\xc3\xbcrgen",
          "m\xc3\xbcller.de" },
        { STR("\"\xc3\xbc b\"@c"), RC_OK, "\"\xc3\xbc b\"", "c" },
        { STR(L64 "x@" L64 "x." L64 "." L64 "." L64), RC_OK, L64 "x",
          L64 "x." L64 "." L64 "." L64 },
        { STR(""), RC_INVALID, NULL, NULL },
        { STR("@c"), RC_INVALID, NULL, NULL },
        { STR("a@"), RC_INVALID, NULL, NULL },
        { STR("a b@c"), RC_INVALID, NULL, NULL },
        { STR("a..b@c"), RC_INVALID, NULL, NULL },
        { STR("a,b@c"), RC_INVALID, NULL, NULL },
        { STR("a\"b\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\"b@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\".\"b\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\\\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\\"), RC_INVALID, NULL, NULL },
        { STR("\"a\r\n\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\\\r\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\tb\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\0b\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"a\x7f\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"\xc3\"@c"), RC_INVALID, NULL, NULL },
        { STR("\"\\\xc3\xbc\"@c"), RC_INVALID, NULL, NULL },
        { STR("a@b@c"), RC_INVALID, NULL, NULL },
        { STR("a@b c"), RC_INVALID, NULL, NULL },
        { STR("a@c."), RC_INVALID, NULL, NULL },
        { STR("a@[]"), RC_INVALID, NULL, NULL },
        { STR("a@[1.2.3]"), RC_INVALID, NULL, NULL },
        { STR("a@[x]"), RC_INVALID, NULL, NULL },
        { STR("a@[:x]"), RC_INVALID, NULL, NULL },
        { STR("a@[x:]"), RC_INVALID, NULL, NULL },
        { STR("a@[x-:y]"), RC_INVALID, NULL, NULL },
        { STR("a@[x:y z]"), RC_INVALID, NULL, NULL },
        { STR("a@[x:[y]"), RC_INVALID, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address out;
        enum rc rc = address_parse(cases[i].text, ADDRESS_UTF8 | ADDRESS_FULL, &out);

        if (rc != cases[i].rc)
            print_error("case: %.*s\n", STR_ARG(cases[i].text));
        assert_int_equal(rc, cases[i].rc);
        if (rc == RC_OK)
            assert_true(str_eq(out.local, str_of(cases[i].local)) &&
                        str_eq(out.domain, str_of(cases[i].domain)));
    }
    /* Without SMTPUTF8 the whole grammar is ASCII. */
    assert_int_equal(
        address_parse(S("\"\xc3\xbc\"@c"), ADDRESS_FULL, &(struct address){ 0 }),
        RC_INVALID);
}

static void ip_literals(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "[127.0.0.1]", true },
        { "[127.0.0.01]", false },
        { "[IPv6:::]", true },
        { "[IPv6:::1]", true },
        { "[ipv6:1::]", true },
        { "[IPv6:2001:db8::1]", true },
        { "[IPv6:1:2:3:4:5:6:7:8]", true },
        { "[IPv6:1:2:3:4:5:6:7::]", true },
        { "[IPv6:::FFFF:192.0.2.1]", true },
        { "[IPv6:1:2:3:4:5:6:192.0.2.1]", true },
        { "[IPv6:1:2:3:4:5:6:7]", false },
        { "[IPv6:1:2:3:4:5:6:7:8:9]", false },
        { "[IPv6:1:2:3:4::5:6:7:8]", false },
        { "[IPv6:1::2::3]", false },
        { "[IPv6:1:::2]", false },
        { "[IPv6::1]", false },
        { "[IPv6:1:2:3:4:5:6:7:]", false },
        { "[IPv6:1::2:]", false },
        { "[IPv6:12345::1]", false },
        { "[IPv6:g::1]", false },
        { "[IPv6:::192.0.2.1:1]", false },
        { "[IPv6:::192.0.2.256]", false },
        { "[IPv6:]", false },
        { "[IPv6]", false },
        { "IPv6:::1", false },
        { "[]", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (address_is_ip_literal(str_of(cases[i].text)) != cases[i].good)
            fail_msg("%s", cases[i].text);
    }
}

static void parts_and_forms(void **state)
{
    struct arena *a = arena_new();
    struct address out;

    (void)state;
    assert_int_equal(address_parse(S("Ab@C.org"), 0, &out), RC_OK);
    assert_true(str_eq(out.local, S("Ab")) && str_eq(out.domain, S("C.org")));
    assert_true(str_eq(address_normalise(a, S("Ab@C.org")), S("ab@c.org")));
    assert_true(str_eq(address_untag(a, S("ab+x+y@c.org"), S("+")), S("ab@c.org")));
    assert_true(str_eq(address_untag(a, S("ab@c+d.org"), S("+")), S("ab@c+d.org")));
    assert_true(str_eq(address_untag(a, S("ab=x+y@c.org"), S("+=")), S("ab@c.org")));
    assert_true(str_eq(address_untag(a, S("ab+x@c.org"), S("=")), S("ab+x@c.org")));
    assert_true(str_eq(address_untag(a, S("ab+x@c.org"), S("")), S("ab+x@c.org")));
    assert_true(str_eq(address_untag(a, S("+x@c.org"), S("+")), S("+x@c.org")));
    assert_true(str_eq(address_untag(a, S("\"a+b\"@c.org"), S("+")), S("\"a+b\"@c.org")));
    arena_free(&a);
}

static void needless_quotes(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "a@c", "a@c" },
        { "\"a\"@c", "a@c" },
        { "\"a.b\"@[IPv6:::1]", "a.b@[IPv6:::1]" },
        { "\"\\a\\b\"@c", "ab@c" },
        { "\"a%b\"@c", "a%b@c" },
        { "\"a b\"@c", "\"a b\"@c" },
        { "\"a@x.org\"@c", "\"a@x.org\"@c" },
        { "\"a..b\"@c", "\"a..b\"@c" },
        { "\"\"@c", "\"\"@c" },
        { "\"a", "\"a" },
        { "", "" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t got = address_unquote(a, str_of(cases[i].text));

        if (!str_eq(got, str_of(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].text, STR_ARG(got));
    }
    arena_free(&a);
}

static void address_of_a_from_field(void **state)
{
    static const struct {
        const char *value, *address; /* NULL: none */
    } cases[] = {
        { " a@b.org", "a@b.org" },
        { "<a@b.org>", "a@b.org" },
        { "Alice <a@b.org>", "a@b.org" },
        { "\"x@y.org\" <a@b.org>", "a@b.org" },
        { "x@y.org <a@b.org>", NULL },
        { "\"a \\\" <x@y.org>\" <a@b.org>", "a@b.org" },
        { "(<x@y.org>) a@b.org (c)", "a@b.org" },
        { "(a (nested) \\) x@y.org) a@b.org", "a@b.org" },
        { "a@b.org, x@y.org", NULL },
        { "friends: a@b.org, x@y.org;", NULL },
        { "\r\n Alice\r\n <a@b.org>", "a@b.org" },
        { "=?utf-8?q?x=40y?= <a@b.org>", "a@b.org" },
        { "<@route.org:a@b.org>", NULL },
        { "a@[1.2.3.4]", "a@[1.2.3.4]" },
        { "\"a\"@b.org", "a@b.org" },
        { "", NULL },
        { "Alice", NULL },
        { "<>", NULL },
        { "none:;", NULL },
        { "a@b@c.org", NULL },
        { "a b@c.org", NULL },
        { "a@b.org c", NULL },
        { "<a b@c.org>", NULL },
        { "\"a b\"@c.org", "\"a b\"@c.org" },
        { "A <\"a \\\" b\"@c.org>", "\"a \\\" b\"@c.org" },
        { "\"x@y.org\"@c.org", "\"x@y.org\"@c.org" },
        { "a..b@c.org", "\"a..b\"@c.org" },
        { "a%b!c@d.org", "a%b!c@d.org" },
        { "A <a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]" },
        { L64 "x@b.org", L64 "x@b.org" },
        { "[a]b@c.org", NULL },
        { "<\"a\" b@c.org>", NULL },
        { "\"a\tb\"@c.org", NULL },
        { "a@b.org\\", NULL },
        { "<a,b@c.org>", NULL },
        { "<a<x@b.org>", NULL },
        { "a@b.org>", NULL },
        { "<a@b.org>, <x@y.org>", NULL },
        { "<a@b.org> <x@y.org>", NULL },
        { "<a@b.org> x", NULL },
        { "<a@b.org> \"x\"", NULL },
        { "<a@b.org> (x)", "a@b.org" },
        { "<a@b.org", NULL },
        { "<a@b.org> (", NULL },
        { "\"x <a@b.org>", NULL },
        { "a> <a@b.org>", NULL },
        { "a@b.org,", NULL },
        { ", a@b.org", NULL },
        { "a@b.org;", NULL },
        { "me: a@b.org;", NULL },
        { "\"Last, First\" <a@b.org>", "a@b.org" },
        { "J. R. Doe <a@b.org>", "a@b.org" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address out;
        enum rc rc = address_from_header(a, str_of(cases[i].value), &out);

        if ((rc == RC_OK) != (cases[i].address != NULL))
            print_error("case: %s\n", cases[i].value);
        assert_int_equal(rc, cases[i].address != NULL ? RC_OK : RC_INVALID);
        if (rc == RC_OK)
            assert_true(str_eq(out.text, str_of(cases[i].address)));
    }
    arena_free(&a);
}

static void a_message_has_one_author(void **state)
{
    struct arena *a = arena_new();
    struct address out;

    (void)state;
    assert_int_equal(address_author(a, S("from: A <a@b>\r\n\r\n"), &out), RC_OK);
    assert_true(str_eq(out.text, S("a@b")));
    assert_int_equal(address_author(a, S("To: a@b\r\n\r\nFrom: x@y\r\n"), &out),
                     RC_NOT_FOUND);
    assert_int_equal(address_author(a, S("From: a@b\r\nFrom : c@d\r\n\r\n"), &out),
                     RC_CONFLICT);
    assert_int_equal(address_author(a, S("From: nobody\r\n\r\n"), &out), RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_addresses),
        cmocka_unit_test(full_addresses),
        cmocka_unit_test(ip_literals),
        cmocka_unit_test(parts_and_forms),
        cmocka_unit_test(needless_quotes),
        cmocka_unit_test(address_of_a_from_field),
        cmocka_unit_test(a_message_has_one_author),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
