/* domains_test.c - which domains are ours, in whatever form they come. */
#include "mail/domains.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define UMLAUT                                                                           \
    "b\xc3\xbc"                                                                          \
    "cher.example"

static struct arena *arena;
static char why[200];

static enum rc parse(const char *first, const char *more, const char *aliases,
                     struct domains *out)
{
    why[0] = '\0';
    return domains_parse(arena, str_of(first), str_of(more), str_of(aliases), out, why,
                         sizeof(why));
}

static void test_ours(void **state)
{
    static const struct {
        const char *domain, *main; /* NULL: not ours */
    } cases[] = {
        { "one.example", "one.example" },
        { "ONE.Example", "one.example" },
        { "two.example", "two.example" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "XN--BCHER-kva.example", "xn--bcher-kva.example" },
        { UMLAUT, "xn--bcher-kva.example" },
        { "B\xc3\x9c"
          "CHER.example",
          "xn--bcher-kva.example" },
        { "old.example", "one.example" },
        { "[192.0.2.7]", "two.example" },
        { "one.example.org", NULL },
        { "x.one.example", NULL },
        { "ne.example", NULL },
        { "", NULL },
        { "\xff", NULL },
    };
    struct domains d;

    (void)state;
    assert_int_equal(parse("one.example", "two.example, " UMLAUT,
                           "old.example=one.example 192.0.2.7=TWO.example", &d),
                     RC_OK);
    assert_int_equal(d.count, 5);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct domains_row *row = domains_find(&d, str_of(cases[i].domain));

        if (is_ours(&d, str_of(cases[i].domain)) != (cases[i].main != NULL) ||
            (row != NULL && !str_eq(row->main, str_of(cases[i].main))))
            fail_msg("%s", cases[i].domain);
    }
    assert_true(str_eq(domains_first(&d), S("one.example")));
    assert_true(domains_is_first(&d, S("One.example")));
    assert_false(domains_is_first(&d, S("old.example")));
}

static void test_only_an_address(void **state)
{
    struct domains d;

    (void)state;
    assert_int_equal(parse("[192.0.2.1]", "", "", &d), RC_OK);
    assert_true(is_ours(&d, S("[192.0.2.1]")));
    assert_false(is_ours(&d, S("192.0.2.1")));
    assert_false(is_ours(&d, S("[192.0.2.2]")));
}

static void test_account_address(void **state)
{
    static const char *const cases[][2] = {
        { "Ann@One.Example", "ann@one.example" },
        { "Ann@old.example", "ann@one.example" },
        { "ann@" UMLAUT, "ann@xn--bcher-kva.example" },
        { "\"a b\"@old.example", "\"a b\"@one.example" },
        { "Ann@X.example", "ann@x.example" },
        { "Nobody", "nobody" },
    };
    struct domains d;

    (void)state;
    assert_int_equal(parse("one.example", UMLAUT, "old.example=one.example", &d), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_eq(domains_account_address(&d, arena, str_of(cases[i][0])),
                           str_of(cases[i][1])));
}

static void test_same_address(void **state)
{
    (void)state;
    assert_true(domains_same_address(S("a@c.org"), S("A@C.org")));
    assert_true(domains_same_address(S("a@" UMLAUT), S("A@xn--bcher-kva.EXAMPLE")));
    assert_false(domains_same_address(S("a@c.org"), S("b@c.org")));
    assert_false(domains_same_address(S("a@c.org"), S("a@d.org")));
    assert_false(domains_same_address(S(""), S("a@d.org")));
}

static void test_bad_lists(void **state)
{
    static const struct {
        const char *more, *aliases, *reason;
    } cases[] = {
        { "a b", "", "" }, /* good: two of one label */
        { "a..b", "", "more_mail_domains: a..b is not a domain" },
        { "ann@b.example", "", "more_mail_domains: ann@b.example is not a domain" },
        { "ONE.example", "", "more_mail_domains: ONE.example is one of this server's" },
        { "b.example,b.example", "",
          "b.example is one of this server's domains already" },
        { "", "b.example", "mail_domain_aliases: b.example is not alias=domain" },
        { "", "b.example=", "mail_domain_aliases:  is not a domain" },
        { "", "b.example=c.example", "stands for no mail_domain" },
        { "", "b.example=one.example c.example=b.example", "stands for no mail_domain" },
        { "", "one.example=one.example", "is one of this server's domains already" },
    };
    struct domains d;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = parse("one.example", cases[i].more, cases[i].aliases, &d);

        if ((rc == RC_OK) != (cases[i].reason[0] == '\0') ||
            strstr(why, cases[i].reason) == NULL)
            fail_msg("%s; %s: %s", cases[i].more, cases[i].aliases, why);
    }
}

static void test_many(void **state)
{
    struct buf *more = arena_buf(arena, 20 * DOMAINS_MAX);
    struct domains d;

    (void)state;
    for (int i = 1; i < DOMAINS_MAX; i++)
        buf_printf(more, "d%d.example ", i);
    buf_putc(more, '\0');
    assert_int_equal(parse("one.example", more->p, "", &d), RC_OK);
    assert_true(is_ours(&d, S("d255.example")));
    assert_int_equal(parse("one.example", more->p, "x.example=one.example", &d),
                     RC_INVALID);
    assert_non_null(strstr(why, "one too many"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_only_an_address),
        cmocka_unit_test(test_account_address),
        cmocka_unit_test(test_same_address),
        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_many),
    };
    int failed;

    arena = arena_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
