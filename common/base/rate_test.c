/* rate_test.c - burst, refill, giving back, and forgetting when the table is full. */
#include "base/rate.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND_US INT64_C(1000000)
#define START_US  (INT64_C(1000) * SECOND_US)

static struct rate *make(int64_t per_minute, int64_t burst, size_t keys)
{
    struct rate_options o = { .per_minute = per_minute, .burst = burst, .keys = keys };

    return rate_new(&o);
}

static int take_many(struct rate *r, uint64_t key, int64_t now_us, int n)
{
    int64_t retry_ms;
    int given = 0;

    for (int i = 0; i < n; i++)
        given += rate_take(r, key, now_us, &retry_ms);
    return given;
}

static void burst_then_refill(void **state)
{
    struct rate *r = make(60, 10, 100);
    int64_t retry_ms;

    (void)state;
    assert_int_equal(take_many(r, 7, START_US, 10), 10);
    assert_false(rate_take(r, 7, START_US, &retry_ms));
    assert_int_equal(retry_ms, 1000);
    assert_false(rate_take(r, 7, START_US + SECOND_US - 1, &retry_ms));
    assert_int_equal(retry_ms, 1);
    /* asking too often does not push the time away */
    assert_true(rate_take(r, 7, START_US + SECOND_US, &retry_ms));
    assert_false(rate_take(r, 7, START_US + SECOND_US, &retry_ms));
    rate_free(&r);
}

static void a_pause_gives_the_whole_burst_back_and_no_more(void **state)
{
    struct rate *r = make(60, 3, 100);

    (void)state;
    assert_int_equal(take_many(r, 7, START_US, 3), 3);
    assert_int_equal(take_many(r, 7, START_US + 3600 * SECOND_US, 20), 3);
    rate_free(&r);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    struct rate *r = make(60, 3, 100);

    (void)state;
    assert_int_equal(take_many(r, 7, START_US, 5), 3);
    rate_give_back(r, 7, START_US);
    assert_int_equal(take_many(r, 7, START_US, 5), 1);
    /* never more than the bucket holds */
    for (int i = 0; i < 20; i++)
        rate_give_back(r, 7, START_US);
    assert_int_equal(take_many(r, 7, START_US, 20), 3);
    rate_free(&r);
}

static void keys_do_not_share(void **state)
{
    struct rate *r = make(60, 1, 100);

    (void)state;
    assert_int_equal(take_many(r, 7, START_US, 2), 1);
    assert_int_equal(take_many(r, 8, START_US, 2), 1);
    rate_free(&r);
}

static void no_limit(void **state)
{
    struct rate *r = make(0, 1, 0);

    (void)state;
    assert_int_equal(take_many(r, 7, START_US, 1000), 1000);
    rate_give_back(r, 7, START_US);
    assert_int_equal(take_many(r, 7, START_US, 1000), 1000);
    rate_free(&r);
}

/* A flood of keys may make the table forget, but never refuse a newcomer. */
static void a_full_table_forgets_but_goes_on(void **state)
{
    struct rate *r = make(60, 1, 64);
    int64_t retry_ms;

    (void)state;
    for (uint64_t key = 1; key <= 10000; key++)
        assert_true(rate_take(r, key, START_US, &retry_ms));
    assert_false(rate_take(r, 10000, START_US, &retry_ms));
    rate_free(&r);
}

static void test_looking_takes_nothing(void **state)
{
    struct rate *r = make(60, 1, 100);
    int64_t retry_ms;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(rate_has(r, 7, START_US, &retry_ms));
    assert_true(rate_take(r, 7, START_US, &retry_ms));
    assert_false(rate_has(r, 7, START_US, &retry_ms));
    assert_int_equal(retry_ms, 1000);
    assert_true(rate_has(r, 8, START_US, &retry_ms));
    assert_true(rate_has(r, 7, START_US + SECOND_US, &retry_ms));
    rate_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looking_takes_nothing),
        cmocka_unit_test(burst_then_refill),
        cmocka_unit_test(a_pause_gives_the_whole_burst_back_and_no_more),
        cmocka_unit_test(what_is_given_back_can_be_taken_again),
        cmocka_unit_test(keys_do_not_share),
        cmocka_unit_test(no_limit),
        cmocka_unit_test(a_full_table_forgets_but_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
