/* dns_table_test.c - each question once, and answers read with care. */
#include "mail/dns_table.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void each_question_is_asked_once(void **state)
{
    struct arena *a = arena_new();
    struct dns_table_row *row;
    struct dns_table t;

    (void)state;
    dns_table_init(&t, a);
    row = dns_table_ask(&t, S("Example.org."), DNS_TABLE_A);
    assert_true(str_eq(row->name, S("Example.org")));
    assert_ptr_equal(dns_table_ask(&t, S("example.ORG"), DNS_TABLE_A), row);
    assert_ptr_not_equal(dns_table_ask(&t, S("example.org"), DNS_TABLE_AAAA), row);
    assert_ptr_equal(dns_table_wanted(&t, NULL), row);
    row->state = DNS_TABLE_NODATA;
    assert_int_equal(dns_table_wanted(&t, NULL)->type, DNS_TABLE_AAAA);
    assert_null(dns_table_wanted(&t, t.last));
    arena_free(&a);
}

static void there_is_an_end(void **state)
{
    struct arena *a = arena_new();
    struct dns_table t;

    (void)state;
    dns_table_init(&t, a);
    for (int i = 0; i < DNS_TABLE_ROWS_MAX; i++)
        assert_int_equal(
            dns_table_ask(&t, str_of(arena_printf(a, "a%d.org", i)), DNS_TABLE_A)->state,
            DNS_TABLE_WANTED);
    assert_int_equal(dns_table_ask(&t, S("b.org"), DNS_TABLE_A)->state, DNS_TABLE_FAILED);
    assert_int_equal(t.count, DNS_TABLE_ROWS_MAX);
    arena_free(&a);
}

static void names(void **state)
{
    static const char *const good[] = { "a", "a.", "a.b", "a b.c", "_x.y", "foo:b/c.d" };
    static const char *const bad[] = { "",    ".",  "..",     ".a",          "a..b",
                                       "a..", "\n", "\x7f.a", "\xc3\xb6.org" };
    struct arena *a = arena_new();
    struct dns_table t;
    char label[70], name[300];

    (void)state;
    dns_table_init(&t, a);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(dns_table_is_name(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(dns_table_is_name(str_of(bad[i])));
        assert_int_equal(dns_table_ask(&t, str_of(bad[i]), DNS_TABLE_A)->state,
                         DNS_TABLE_NXDOMAIN);
    }
    assert_int_equal(t.count, 0);
    memset(label, 'x', sizeof(label));
    assert_true(dns_table_is_name(str_n(label, 63)));
    assert_false(dns_table_is_name(str_n(label, 64)));
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 2 == 0 ? 'x' : '.';
    assert_true(dns_table_is_name(str_n(name, 253)));
    assert_false(dns_table_is_name(str_n(name, 255)));
    arena_free(&a);
}

static void rdata(void **state)
{
    struct arena *a = arena_new();
    str_t s;

    (void)state;
    assert_true(dns_table_text(a, S("\2ab\0\3cde"), &s) && str_eq(s, S("abcde")));
    assert_true(dns_table_text(a, S("\0"), &s) && s.n == 0);
    assert_false(dns_table_text(a, S(""), &s));
    assert_false(dns_table_text(a, S("\3ab"), &s));
    assert_true(dns_table_host(a, DNS_TABLE_MX, S("\0\5\1a\3org\0"), &s) &&
                str_eq(s, S("a.org")));
    assert_true(dns_table_host(a, DNS_TABLE_PTR, S("\1a\3org\0"), &s) &&
                str_eq(s, S("a.org")));
    assert_true(dns_table_host(a, DNS_TABLE_MX, S("\0\0\0"), &s) && s.n == 0);
    assert_false(dns_table_host(a, DNS_TABLE_MX, S("\0\0"), &s));
    assert_false(dns_table_host(a, DNS_TABLE_PTR, S("\1a"), &s));
    assert_false(dns_table_host(a, DNS_TABLE_PTR, S("\3a.b\0"), &s));
    assert_false(dns_table_host(a, DNS_TABLE_PTR, S("\1\n\0"), &s));
    assert_false(dns_table_host(a, DNS_TABLE_PTR, S("\5a"), &s));
    assert_false(dns_table_host(a, DNS_TABLE_PTR, S("\1a\0\0"), &s));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_is_asked_once),
        cmocka_unit_test(there_is_an_end),
        cmocka_unit_test(names),
        cmocka_unit_test(rdata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
