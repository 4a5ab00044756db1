/* addr_test.c - addresses, networks and limits. */
#include "net/addr.h"

#include "net/cidr.h"
#include "net/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct addr parse(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_of(text), &a), RC_OK);
    return a;
}

static void test_text(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "2001:DB8::1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "", NULL },
        { "192.0.2", NULL },
        { "192.0.2.1:25", NULL },
        { "fe80::1%eth0", NULL },
        { "localhost", NULL },
        { "[]", NULL },
        { "0x7f.1", NULL },
    };
    char text[ADDR_TEXT_BYTES];
    struct addr a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum rc rc = addr_parse(str_of(rows[i].in), &a);

        assert_int_equal(rc, rows[i].out != NULL ? RC_OK : RC_INVALID);
        if (rc == RC_OK)
            assert_string_equal(addr_text(&a, text), rows[i].out);
    }
    assert_int_equal(addr_parse(S("1.2.3.4\0x"), &a), RC_INVALID);
}

static void test_network_key(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true },
        { "2001:db8:0:1::1", "2001:db8:0:2::1", false },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "::ffff:192.0.2.1", "192.0.2.1", true },
        { "0.0.0.0", "::", false },
        { "192.0.2.1", "::c000:201", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = parse(rows[i].a), b = parse(rows[i].b);

        assert_int_equal(addr_network_key(&a) == addr_network_key(&b), rows[i].same);
    }
}

/* What an interface of this machine is in is in `local`, a network of nobody's is not. */
static void test_cidr_local(void **state)
{
    struct addr loopback = parse("127.0.0.1"), elsewhere = parse("240.0.0.1");
    struct addr listed = parse("198.51.100.9");
    struct cidr_list *l;

    (void)state;
    assert_int_equal(cidr_list_new(S("198.51.100.0/24, local"), &l), RC_OK);
    assert_true(cidr_list_has(l, &loopback));
    assert_true(cidr_list_has(l, &listed));
    assert_false(cidr_list_has(l, &elsewhere));
    cidr_list_free(&l);
    assert_int_equal(cidr_list_new(S("localhost"), &l), RC_INVALID);
}

static void test_cidr(void **state)
{
    static const struct {
        const char *list, *addr;
        bool in;
    } rows[] = {
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.0/8, fd00::/8", "fd12::1", true },
        { "172.16.0.0/12", "172.31.255.255", true },
        { "172.16.0.0/12", "172.32.0.0", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "192.0.2.1", false },
        { "0.0.0.0/0", "192.0.2.1", true },
        { "", "192.0.2.1", false },
        { " , ", "192.0.2.1", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
    };
    static const char *const bad[] = { "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/x", "a",
                                       "10.0.0.0/",  "10.0.0.0/-1", "::/129" };
    struct cidr_list *l;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = parse(rows[i].addr);

        assert_int_equal(cidr_list_new(str_of(rows[i].list), &l), RC_OK);
        assert_int_equal(cidr_list_has(l, &a), rows[i].in);
        cidr_list_free(&l);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(cidr_list_new(str_of(bad[i]), &l), RC_INVALID);
    assert_false(cidr_list_has(NULL, &(struct addr){ .family = 4 }));
}

static void test_limit(void **state)
{
    struct limit *l = limit_new(3, 2);
    struct addr a = parse("2001:db8::1"), same = parse("2001:db8::2"),
                other = parse("2001:db8:1::1");

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(limit_take_total(l), RC_OK);
    assert_int_equal(limit_take_total(l), RC_LIMIT);
    assert_int_equal(limit_take_network(l, &a), RC_OK);
    assert_int_equal(limit_take_network(l, &same), RC_OK);
    assert_int_equal(limit_take_network(l, &a), RC_LIMIT);
    assert_int_equal(limit_take_network(l, &other), RC_OK);
    limit_give_network(l, &same);
    assert_int_equal(limit_take_network(l, &a), RC_OK);
    limit_give_total(l);
    assert_int_equal(limit_take_total(l), RC_OK);
    assert_int_equal(limit_total(l), 3);
    limit_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),  cmocka_unit_test(test_network_key),
        cmocka_unit_test(test_cidr),  cmocka_unit_test(test_cidr_local),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
