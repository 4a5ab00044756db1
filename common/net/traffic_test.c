/* traffic_test.c - who is one too many anywhere has entered nowhere. */
#include "net/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { ALL, NETWORK, DOMAIN, SCOPES };

static const int64_t start_us = 1000000, minute_us = 60 * 1000000;

static bool enter(struct traffic *t, uint64_t network, uint64_t domain, int64_t now_us,
                  struct traffic_pass *p)
{
    const uint64_t keys[SCOPES] = { 1, network, domain };

    return traffic_enter(t, keys, now_us, p);
}

static void test_at_once(void **state)
{
    const struct traffic_scope scopes[SCOPES] = { { 0, 3 }, { 0, 2 }, { 0, 1 } };
    struct traffic *t = traffic_new(scopes, SCOPES);
    struct traffic_pass a, b, c, d, all = { .traffic = NULL };

    (void)state;
    assert_true(enter(t, 5, 7, start_us, &a));
    assert_false(enter(t, 5, 7, start_us, &b)); /* the domain is full */
    assert_true(enter(t, 5, 8, start_us, &b));  /* so nothing was kept of its network */
    assert_false(enter(t, 5, 9, start_us, &c));
    assert_true(enter(t, 0, 9, start_us, &c));
    assert_false(enter(t, 6, 10, start_us, &d));
    traffic_leave(&a);
    traffic_leave(&a);
    traffic_leave(&all);
    assert_true(enter(t, 6, 7, start_us, &d));
    traffic_leave(&b);
    traffic_leave(&c);
    traffic_leave(&d);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(enter(t, 5, 7, start_us, &a));
        assert_false(enter(t, 6, 7, start_us, &b));
        traffic_leave(&b);
        traffic_leave(&a);
    }
    traffic_free(&t);
}

static void test_in_a_minute(void **state)
{
    const struct traffic_scope scopes[SCOPES] = { { 0, 0 }, { 20, 0 }, { 10, 0 } };
    struct traffic *t = traffic_new(scopes, SCOPES);
    struct traffic_pass p;

    (void)state;
    assert_true(enter(t, 5, 7, start_us, &p));
    /* One of its network's two was asked for in vain, and is there again. */
    assert_false(enter(t, 5, 7, start_us, &p));
    assert_true(enter(t, 5, 8, start_us, &p));
    assert_false(enter(t, 5, 9, start_us, &p));
    assert_true(enter(t, 6, 9, start_us, &p));
    assert_true(enter(t, 5, 7, start_us + minute_us / 10, &p));
    traffic_free(&t);
}

/* More keys than there is room for: nobody is refused for that. */
static void test_a_full_table(void **state)
{
    const struct traffic_scope scopes[SCOPES] = { { 0, 0 }, { 60, 0 }, { 0, 0 } };
    struct traffic *t = traffic_new(scopes, SCOPES);
    struct traffic_pass p;

    (void)state;
    for (uint64_t i = 1; i < 300000; i++)
        assert_true(enter(t, i, 0, start_us, &p));
    traffic_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_at_once),
                                        cmocka_unit_test(test_in_a_minute),
                                        cmocka_unit_test(test_a_full_table) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
