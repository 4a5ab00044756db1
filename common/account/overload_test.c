/* overload_test.c - readings against limits. */
#include "account/overload.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void judge(void **state)
{
    static const struct overload_limits l = { 5.0, 200, 1000, "/" };
    static const struct overload_limits off = { 0, 0, 0, NULL };
    static const struct {
        struct overload_reading r;
        enum overload_verdict want;
    } cases[] = {
        { { 5.0, 200, 1000 }, OVERLOAD_NONE }, /* exactly at the limit is fine */
        { { 5.1, 200, 1000 }, OVERLOAD_LOAD }, { { 1.0, 199, 1000 }, OVERLOAD_MEMORY },
        { { 1.0, 200, 999 }, OVERLOAD_DISK },  { { 9.0, 1, 1 }, OVERLOAD_LOAD },
        { { -1, -1, -1 }, OVERLOAD_NONE }, /* unreadable counts as fine */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(overload_judge(&l, &cases[i].r), cases[i].want);
        assert_int_equal(overload_judge(&off, &cases[i].r), OVERLOAD_NONE);
    }
}

static void readings_of_this_machine(void **state)
{
    struct overload_reading r;

    (void)state;
    overload_read("/", &r);
    assert_true(r.load_1m >= 0);
    assert_true(r.available_memory_bytes > 1024 * 1024);
    assert_true(r.free_disk_bytes > 0);
    overload_read("/nonexistent", &r);
    assert_true(r.free_disk_bytes < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge),
        cmocka_unit_test(readings_of_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
