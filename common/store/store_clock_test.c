/* store_clock_test.c - which of two clocks the time goes by. */
#include "store/store_clock.h"

#include "base/clock.h"
#include "store/store_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const int64_t day_ms = INT64_C(86400) * 1000;

/* All in one order: what was measured earlier counts. */
static void the_time_goes_by_what_was_measured(void **state)
{
    static const struct {
        const char *name;
        int64_t offset_days;
        bool agree;
        int64_t expected_days; /* ahead of this machine's clock */
    } steps[] = {
        { "never agreed, PostgreSQL is behind: ours is later", -30, false, 0 },
        { "never agreed, PostgreSQL is ahead", 21, false, 21 },
        { "both are right", 0, true, 0 },
        { "one of them jumped ahead", 400, false, 0 },
        { "one of them jumped back", -400, false, 0 },
        { "both are right again", 0, true, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int64_t ahead_ms;

        store_clock_measured(steps[i].offset_days * day_ms, steps[i].agree);
        ahead_ms = store_clock_unix_ms() - clock_unix_ms();
        if (ahead_ms < steps[i].expected_days * day_ms - 1000 ||
            ahead_ms > steps[i].expected_days * day_ms + 1000)
            fail_msg("%s: %lld ms ahead", steps[i].name, (long long)ahead_ms);
    }
}

static void small_differences_are_followed(void **state)
{
    int64_t id;

    (void)state;
    store_clock_measured(4000, true);
    assert_in_range(store_clock_unix_ms() - clock_unix_ms(), 3900, 4100);
    id = store_ids_new_body();
    assert_in_range(store_ids_body_unix_ms(id) - clock_unix_ms(), 3900, 4100);
}

/* A machine that starts in 1970 has no table for its mail; it must not crash. */
static void a_time_before_all_ids_has_a_table(void **state)
{
    (void)state;
    store_clock_measured(-clock_unix_ms(), true);
    assert_in_range(store_ids_body_slot(store_ids_new_body()), 0,
                    STORE_IDS_BODY_SLOTS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_goes_by_what_was_measured),
        cmocka_unit_test(small_differences_are_followed),
        cmocka_unit_test(a_time_before_all_ids_has_a_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
