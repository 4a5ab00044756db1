/* clock_test.c - units are right, clocks go forward; deadlines end. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <time.h>

#include <cmocka.h>

enum { FAR_MS = 60 * 60 * 1000 };

static int64_t ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void test_units(void **state)
{
    int64_t begin = ns(CLOCK_MONOTONIC), us = clock_monotonic_us(),
            ms = clock_monotonic_ms(), end = ns(CLOCK_MONOTONIC);

    (void)state;
    assert_true(begin / 1000 <= us && us <= end / 1000);
    assert_true(begin / 1000000 <= ms && ms <= end / 1000000);
    begin = ns(CLOCK_REALTIME);
    ms = clock_unix_ms();
    end = ns(CLOCK_REALTIME);
    assert_true(begin / 1000000 <= ms && ms <= end / 1000000);
    begin = ns(CLOCK_REALTIME);
    ms = clock_unix() * 1000;
    end = ns(CLOCK_REALTIME);
    assert_true(begin / 1000000000 * 1000 <= ms && ms <= end / 1000000);
}

static void test_monotonic_goes_forward(void **state)
{
    int64_t last = clock_monotonic_us(), first = last;

    (void)state;
    while (last - first < 2000) {
        int64_t now = clock_monotonic_us();

        assert_true(now >= last);
        last = now;
    }
}

static void test_deadlines(void **state)
{
    struct deadline far = deadline_in_ms(FAR_MS), soon = deadline_in_ms(5),
                    past = deadline_in_ms(-5);

    (void)state;
    assert_false(deadline_passed(far));
    assert_in_range(deadline_left_ms(far), 1, FAR_MS);
    assert_true(deadline_passed(past));
    assert_int_equal(deadline_left_ms(past), 0);
    assert_true(deadline_passed(deadline_in_ms(0)));
    assert_in_range(deadline_left_ms(soon), 0, 5);
    while (!deadline_passed(soon))
        poll(NULL, 0, 1);
    assert_int_equal(deadline_left_ms(soon), 0);
    assert_false(deadline_passed(far));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_monotonic_goes_forward),
        cmocka_unit_test(test_deadlines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
