/* pace_test.c - who dawdles is cut off, who gets on is not. */
#include "pace.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND INT64_C(1000)

static const int64_t start_ms = 1000000;

static struct pace begin(void)
{
    struct pace p;

    pace_begin(&p, &pace_standard, start_ms);
    return p;
}

/* [s] from the start at which it ends, if something is heard every `every` seconds. */
static int64_t ends_after(struct pace p, int64_t every)
{
    int64_t s = 0;

    for (; s < 10000; s++) {
        if (pace_is_over(&p, start_ms + s * SECOND))
            return s;
        if (s % every == 0)
            pace_heard(&p, start_ms + s * SECOND);
    }
    return s;
}

static void a_stranger_gets_on_or_goes(void **state)
{
    struct pace p = begin();

    (void)state;
    assert_int_equal(ends_after(p, 5), 60); /* NOOPs help nobody */
    assert_true(pace_recipient(&p, start_ms + 50 * SECOND));
    assert_int_equal(ends_after(p, 5), 350);
    for (int i = 0; i < 100; i++) /* nor do more recipients */
        assert_false(pace_recipient(&p, start_ms + 100 * SECOND));
    assert_int_equal(ends_after(p, 5), 350);
    pace_data_begins(&p, start_ms + 200 * SECOND);
    pace_data_ends(&p, true, start_ms + 210 * SECOND);
    assert_int_equal(ends_after(p, 5), 270);
    assert_true(pace_recipient(&p, start_ms + 260 * SECOND));
    assert_int_equal(ends_after(p, 5), 560);
}

static void an_account_may_be_quiet(void **state)
{
    struct pace p = begin();

    (void)state;
    assert_int_equal(ends_after(p, 100000), 60);
    pace_login(&p);
    assert_int_equal(ends_after(p, 100000), 300);
    assert_int_equal(ends_after(p, 299), 10000);
}

static void time_is_looked_at_when_it_is_over(void **state)
{
    struct pace p = begin();

    (void)state;
    assert_int_equal(pace_wait_ms(&p, start_ms), 60 * SECOND);
    assert_int_equal(pace_wait_ms(&p, start_ms + 55 * SECOND), 5 * SECOND);
    assert_int_equal(pace_wait_ms(&p, start_ms + 70 * SECOND), 1);
    pace_login(&p);
    assert_int_equal(pace_wait_ms(&p, start_ms), 300 * SECOND);
}

/* [s] at which a message ends that brings `bytes` every `every` seconds after a start of
 * `first` bytes. */
static int64_t message_ends_after(size_t first, size_t bytes, int64_t every)
{
    struct pace p = begin();
    int64_t s = 0;

    pace_login(&p);
    pace_data_begins(&p, start_ms);
    (void)pace_data(&p, first, start_ms);
    for (; s < 10000; s++) {
        int64_t now_ms = start_ms + s * SECOND;

        if (pace_is_over(&p, now_ms))
            return s;
        if (s % every == 0) {
            pace_heard(&p, now_ms);
            (void)pace_data(&p, bytes, now_ms);
        }
    }
    return s;
}

static void a_message_has_a_least_speed(void **state)
{
    (void)state;
    assert_in_range(message_ends_after(0, 1, 1), 179, 182);
    /* thirty megabytes at once are no leave to stall */
    assert_in_range(message_ends_after(30000000, 1, 60), 179, 182);
    assert_in_range(message_ends_after(0, 400, 1), 180, 1000);
    /* slow, or with long holes, but on the whole fast enough: until the hour is over */
    assert_int_equal(message_ends_after(0, 600, 1), 3600);
    assert_int_equal(message_ends_after(0, 90000, 170), 3600);
}

/* What counts as getting on: the least speed, on the whole. */
static void a_slow_message_is_told_from_one_that_comes(void **state)
{
    struct pace p = begin();

    (void)state;
    pace_data_begins(&p, start_ms);
    assert_true(pace_data(&p, 1, start_ms));
    assert_true(pace_data(&p, 1000, start_ms + 2 * SECOND));
    assert_false(pace_data(&p, 499, start_ms + 3 * SECOND));
    assert_false(pace_data(&p, 500, start_ms + 4 * SECOND));
    assert_true(pace_data(&p, 501, start_ms + 5 * SECOND));
    assert_false(pace_data(&p, 1, start_ms + 65 * SECOND));
}

static void commands_without_a_message_are_counted(void **state)
{
    struct pace p = begin();

    (void)state;
    for (int i = 0; i < 100; i++)
        pace_command(&p);
    assert_false(pace_dawdles(&p));
    pace_data_ends(&p, false, start_ms); /* a refused message is none */
    pace_command(&p);
    assert_true(pace_dawdles(&p));
    pace_data_ends(&p, true, start_ms);
    assert_false(pace_dawdles(&p));
    for (int i = 0; i < 1000; i++)
        pace_command(&p);
    pace_login(&p);
    assert_false(pace_dawdles(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_gets_on_or_goes),
        cmocka_unit_test(an_account_may_be_quiet),
        cmocka_unit_test(time_is_looked_at_when_it_is_over),
        cmocka_unit_test(a_message_has_a_least_speed),
        cmocka_unit_test(a_slow_message_is_told_from_one_that_comes),
        cmocka_unit_test(commands_without_a_message_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
