/* backoff_test.c - the waits double, stay in their bounds and differ. */
#include "work/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct backoff mail = { .min_ms = 30000, .max_ms = 3600000 };

static void test_doubles_up_to_the_maximum(void **state)
{
    static const int64_t mean[] = { 30000,  60000,   120000,  240000,  480000,
                                    960000, 1920000, 3600000, 3600000, 3600000 };

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(backoff_ms(&mail, i + 1, 0), mean[i] * 3 / 4);
        assert_int_equal(backoff_ms(&mail, i + 1, (uint64_t)mean[i] / 2),
                         mean[i] * 5 / 4);
    }
}

static void test_stays_in_bounds(void **state)
{
    static const uint64_t randoms[] = { 0, 1, 77777777777, UINT64_MAX };

    (void)state;
    for (int failures = -1; failures < 500000000; failures = failures * 3 + 5)
        for (size_t i = 0; i < 4; i++) {
            int64_t ms = backoff_ms(&mail, failures, randoms[i]);

            assert_in_range(ms, 22500, 4500000);
        }
}

static void test_odd_settings(void **state)
{
    struct backoff zero = { 0, 0 }, swapped = { 1000, 10 }, huge = { 1, INT64_MAX / 2 };

    (void)state;
    assert_int_equal(backoff_ms(&zero, 5, 9), 1);
    assert_in_range(backoff_ms(&swapped, 5, 9), 750, 1250);
    assert_true(backoff_ms(&huge, 1000, UINT64_MAX) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_maximum),
        cmocka_unit_test(test_stays_in_bounds),
        cmocka_unit_test(test_odd_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
