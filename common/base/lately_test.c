/* lately_test.c - who was seen lately is known, and the table does not grow. */
#include "base/lately.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_sight_counts_from_its_time(void **state)
{
    struct lately *l = lately_new(100);

    (void)state;
    assert_false(lately_has(l, 7, 0));
    assert_false(lately_has(l, 0, 0)); /* a key like any other */
    lately_note(l, 0, 500);
    lately_note(l, 7, 1000);
    assert_true(lately_has(l, 0, 0));
    assert_true(lately_has(l, 7, 1000));
    assert_false(lately_has(l, 7, 1001));
    lately_note(l, 7, 2000);
    assert_true(lately_has(l, 7, 2000));
    assert_false(lately_has(l, 8, 0));
    lately_free(&l);
    assert_null(l);
}

static void who_was_seen_longest_ago_is_forgotten(void **state)
{
    enum { ONE_SET = 8 };
    struct lately *l = lately_new(ONE_SET);

    (void)state;
    for (uint64_t key = 1; key <= ONE_SET; key++)
        lately_note(l, key, (int64_t)(100 + key));
    lately_note(l, 1, 200);
    lately_note(l, 99, 201);
    for (uint64_t key = 1; key <= ONE_SET; key++)
        assert_int_equal(lately_has(l, key, 0), key != 2);
    assert_true(lately_has(l, 99, 0));
    lately_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sight_counts_from_its_time),
        cmocka_unit_test(who_was_seen_longest_ago_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
