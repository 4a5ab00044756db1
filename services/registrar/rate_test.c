#include "rate.h"

#include "net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t network(const char *address)
{
    struct addr a;

    assert_int_equal(addr_parse(str_of(address), &a), RC_OK);
    return addr_network_key(&a);
}

static unsigned take_many(struct rate *r, uint64_t key, int64_t now_ms, unsigned n)
{
    unsigned given = 0, seconds;

    for (unsigned i = 0; i < n; i++)
        given += rate_take(r, key, now_ms, &seconds);
    return given;
}

static void test_burst_then_refill(void **state)
{
    struct rate *r = rate_new(&(struct rate_options){ .per_minute = 6, .burst = 3 });
    uint64_t key = network("192.0.2.1");
    unsigned seconds = 0;

    (void)state;
    assert_int_equal(take_many(r, key, 1000, 10), 3);
    assert_false(rate_take(r, key, 1000, &seconds));
    assert_int_equal(seconds, 10); /* one token every ten seconds */
    assert_false(rate_take(r, key, 10999, &seconds));
    assert_int_equal(seconds, 1);
    assert_true(rate_take(r, key, 11000, &seconds));
    assert_false(rate_take(r, key, 11000, &seconds));
    /* After a long rest the bucket is full, and not fuller. */
    assert_int_equal(take_many(r, key, 10000000, 10), 3);
    rate_free(&r);
}

static void test_networks_are_apart(void **state)
{
    struct rate *r = rate_new(&(struct rate_options){ .per_minute = 1, .burst = 1 });
    unsigned seconds;

    (void)state;
    assert_true(rate_take(r, network("192.0.2.1"), 0, &seconds));
    assert_true(rate_take(r, network("192.0.2.2"), 0, &seconds));
    assert_false(rate_take(r, network("192.0.2.1"), 0, &seconds));
    assert_true(rate_take(r, network("2001:db8:0:1::1"), 0, &seconds));
    /* The same /64 with another interface identifier is the same network ... */
    assert_false(rate_take(r, network("2001:db8:0:1:ffff:ffff:ffff:ffff"), 0, &seconds));
    /* ... and the next /64 is another. */
    assert_true(rate_take(r, network("2001:db8:0:2::1"), 0, &seconds));
    /* IPv4 in IPv6's clothes is IPv4. */
    assert_false(rate_take(r, network("::ffff:192.0.2.1"), 0, &seconds));
    rate_free(&r);
}

static void test_unlimited(void **state)
{
    struct rate *r = rate_new(&(struct rate_options){ .per_minute = 0, .burst = 1 });

    (void)state;
    assert_int_equal(take_many(r, 7, 0, 1000), 1000);
    rate_free(&r);
}

/* A flood of networks may make the table forget, but never refuse a newcomer. */
static void test_bounded_table(void **state)
{
    struct rate *r =
        rate_new(&(struct rate_options){ .per_minute = 1, .burst = 1, .networks = 64 });
    unsigned seconds;

    (void)state;
    for (uint64_t key = 1; key <= 10000; key++)
        assert_true(rate_take(r, key, 0, &seconds));
    /* The last one is still known. */
    assert_false(rate_take(r, 10000, 0, &seconds));
    rate_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_refill),
        cmocka_unit_test(test_networks_are_apart),
        cmocka_unit_test(test_unlimited),
        cmocka_unit_test(test_bounded_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
