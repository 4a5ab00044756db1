/* rate_test.c - burst, refill, and forgetting when the table is full. */
#include "rate.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND_US INT64_C(1000000)
#define START_US  (INT64_C(1000) * SECOND_US)

static void burst_then_one_a_second(void **state)
{
    struct rate *r = rate_new(60, 10, 100);
    int64_t retry_ms;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(rate_take(r, 7, START_US, &retry_ms));
    assert_false(rate_take(r, 7, START_US, &retry_ms));
    assert_int_equal(retry_ms, 1000);
    assert_false(rate_take(r, 7, START_US + SECOND_US - 1, &retry_ms));
    /* asking too often does not push the time away */
    assert_true(rate_take(r, 7, START_US + SECOND_US, &retry_ms));
    assert_false(rate_take(r, 7, START_US + SECOND_US, &retry_ms));
    rate_free(&r);
}

static void a_pause_gives_the_whole_burst_back_and_no_more(void **state)
{
    struct rate *r = rate_new(60, 3, 100);
    int64_t retry_ms;
    int let = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(rate_take(r, 7, START_US, &retry_ms));
    for (int i = 0; i < 20; i++)
        let += rate_take(r, 7, START_US + 3600 * SECOND_US, &retry_ms);
    assert_int_equal(let, 3);
    rate_free(&r);
}

static void accounts_do_not_share(void **state)
{
    struct rate *r = rate_new(60, 1, 100);
    int64_t retry_ms;

    (void)state;
    assert_true(rate_take(r, 7, START_US, &retry_ms));
    assert_false(rate_take(r, 7, START_US, &retry_ms));
    assert_true(rate_take(r, 8, START_US, &retry_ms));
    rate_free(&r);
}

static void a_full_table_forgets_but_goes_on(void **state)
{
    struct rate *r = rate_new(60, 1, 8);
    int64_t retry_ms;

    (void)state;
    for (int64_t id = 1; id <= 1000; id++)
        assert_true(rate_take(r, id, START_US, &retry_ms));
    assert_false(rate_take(r, 1000, START_US, &retry_ms));
    rate_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_one_a_second),
        cmocka_unit_test(a_pause_gives_the_whole_burst_back_and_no_more),
        cmocka_unit_test(accounts_do_not_share),
        cmocka_unit_test(a_full_table_forgets_but_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
