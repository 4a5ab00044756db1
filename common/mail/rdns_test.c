/* rdns_test.c - clients whose names agree, and the ways in which they may not. */
#include "mail/rdns.h"

#include "mail/test_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const unsigned char v4[4] = { 192, 0, 2, 7 };
static const unsigned char v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x1f };

#define V6_NAME "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"

static void labels(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    assert_true(str_eq(rdns_labels(a, v4, 4), S("7.2.0.192")));
    assert_true(
        str_eq(str_of(arena_printf(a, "%.*s.ip6.arpa", STR_ARG(rdns_labels(a, v6, 16)))),
               S(V6_NAME)));
    arena_free(&a);
}

static void names(void **state)
{
    static const struct {
        const char *name, *host, *address; /* what PTR and A or AAAA say; NULL: nothing */
        const char *hello;
        bool ipv6;
        enum rdns_result want;
    } cases[] = {
        { "7.2.0.192.in-addr.arpa", "mx.example", "192.0.2.7", "mx.example", false,
          RDNS_PASS },
        { "7.2.0.192.in-addr.arpa", "MX.example", "192.0.2.7", "mx.Example.", false,
          RDNS_PASS },
        { V6_NAME, "mx.example", "2001:db8::1f", "mx.example", true, RDNS_PASS },
        { NULL, NULL, NULL, "mx.example", false, RDNS_NO_NAME },
        { NULL, NULL, NULL, "mx.example", true, RDNS_NO_NAME },
        { "7.2.0.192.in-addr.arpa", "dsl-7.isp.example", "192.0.2.7", "mx.example", false,
          RDNS_OTHER_NAME },
        { "7.2.0.192.in-addr.arpa", "mx.example", "192.0.2.8", "mx.example", false,
          RDNS_NOT_CONFIRMED },
        { "7.2.0.192.in-addr.arpa", "mx.example", NULL, "mx.example", false,
          RDNS_NOT_CONFIRMED },
        { "7.2.0.192.in-addr.arpa", "error.example", NULL, "error.example", false,
          RDNS_FAILED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new();
        struct test_zone *z = arena_alloc(a, sizeof(*z));
        const unsigned char *ip = cases[i].ipv6 ? v6 : v4;
        enum rdns_result result;
        struct dns_table t;
        int steps = 0;

        z->arena = a;
        dns_table_init(&t, a);
        if (cases[i].host != NULL)
            test_zone_host(z, cases[i].name, DNS_TABLE_PTR, cases[i].host);
        if (cases[i].address != NULL)
            test_zone_address(z, cases[i].host, cases[i].address);
        while ((result = rdns_check(a, &t, ip, cases[i].ipv6 ? 16 : 4,
                                    str_of(cases[i].hello))) == RDNS_WAIT) {
            assert_true(test_zone_answer(z, &t) > 0);
            assert_true(++steps <= 2);
        }
        if (result != cases[i].want)
            fail_msg("%zu: %d", i, result);
        arena_free(&a);
    }
}

static void many_names(void **state)
{
    struct arena *a = arena_new();
    struct test_zone *z = arena_alloc(a, sizeof(*z));
    struct dns_table t;

    (void)state;
    z->arena = a;
    dns_table_init(&t, a);
    for (int i = 0; i < RDNS_NAMES_MAX; i++)
        test_zone_host(z, "7.2.0.192.in-addr.arpa", DNS_TABLE_PTR,
                       arena_printf(a, "h%d.example", i));
    test_zone_host(z, "7.2.0.192.in-addr.arpa", DNS_TABLE_PTR, "mx.example");
    test_zone_address(z, "h9.example", "192.0.2.7");
    test_zone_address(z, "mx.example", "192.0.2.7");
    for (int i = 0; i < 2; i++) {
        str_t hello = i == 0 ? S("h9.example") : S("mx.example");

        while (rdns_check(a, &t, v4, 4, hello) == RDNS_WAIT)
            assert_true(test_zone_answer(z, &t) > 0);
        assert_int_equal(rdns_check(a, &t, v4, 4, hello),
                         i == 0 ? RDNS_PASS : RDNS_OTHER_NAME);
    }
    arena_free(&a);
}

static void a_name_server_that_fails(void **state)
{
    struct arena *a = arena_new();
    struct dns_table t;

    (void)state;
    dns_table_init(&t, a);
    assert_int_equal(rdns_check(a, &t, v4, 4, S("mx.example")), RDNS_WAIT);
    dns_table_wanted(&t, NULL)->state = DNS_TABLE_FAILED;
    assert_int_equal(rdns_check(a, &t, v4, 4, S("mx.example")), RDNS_FAILED);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels),
        cmocka_unit_test(names),
        cmocka_unit_test(many_names),
        cmocka_unit_test(a_name_server_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
