/* throttle_test.c - who may go now, who rests, for how long, and with how many at rest.
 */
#include "throttle.h"

#include "base/clock.h"
#include "store/store_test.h"

enum { PER_MINUTE = 30, BURST = 3, STEP_MS = 2000, NOW_MS = 1000000 };

static struct store_remote_row rows[8];

/* Eight rows for a.org and b.org, in turn. */
static void fill(void)
{
    for (int i = 0; i < 8; i++)
        rows[i] = (struct store_remote_row){
            .id = i,
            .lease = 1,
            .domain = i % 2 == 0 ? S("a.org") : S("b.org"),
            .destination = i % 2 == 0 ? S("a.org") : S("b.org"),
        };
}

static void test_off(void **state)
{
    struct throttle *t = throttle_new(0);
    struct store_remote_pause *late;
    str_t name = S("x"), *busy = &name;

    (void)state;
    assert_null(t);
    fill();
    assert_int_equal(throttle_admit(t, test_arena, rows, 8, 1, &late), 8);
    assert_int_equal(throttle_put_off(t, test_db, &rows[8], late, 0), RC_OK);
    assert_int_equal(throttle_busy(t, test_arena, 1, &busy, 1), 1);
    assert_ptr_equal(busy, &name);
    assert_int_equal(throttle_wait_ms(t, 1, 500), 500);
    throttle_free(&t);
}

static void test_those_over_the_rate_move_behind(void **state)
{
    struct throttle *t = throttle_new(PER_MINUTE);
    const int64_t order[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    struct store_remote_pause *late;

    (void)state;
    fill();
    rows[1].destination = S("a.org"); /* b.org has one less */
    assert_int_equal(
        throttle_admit(t, test_arena, rows, 6, (int64_t)NOW_MS * 1000, &late), 5);
    assert_int_equal(rows[5].id, 4);
    assert_int_equal(rows[4].id, 5);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rows[i].id, order[i]);
    assert_int_equal(late[0].id, 4);
    assert_int_equal(late[0].lease, 1);
    assert_int_equal(late[0].wait_ms, STEP_MS);
    fill();
    assert_int_equal(
        throttle_admit(t, test_arena, rows, 1, (int64_t)(NOW_MS + STEP_MS) * 1000, &late),
        1);
    throttle_free(&t);
}

static void test_a_high_rate_rests_for_a_second(void **state)
{
    struct throttle *t = throttle_new(600);
    struct store_remote_pause *late;

    (void)state;
    for (int i = 0; i < 60; i++) {
        fill();
        assert_int_equal(throttle_admit(t, test_arena, rows, 1, 1, &late), 1);
    }
    assert_int_equal(throttle_admit(t, test_arena, rows, 1, 1, &late), 0);
    assert_int_equal(late[0].wait_ms, THROTTLE_REST_MIN_MS);
    throttle_free(&t);
}

/* Until the time that its row waits; also the domain by which a row without a way is
 * claimed. */
static void test_rests(void **state)
{
    struct throttle *t = throttle_new(1);
    struct store_remote_pause late[2] = { { .wait_ms = 60000 }, { .wait_ms = 30000 } };
    str_t first = S("busy.org"), *busy = &first;
    int64_t now = clock_monotonic_ms();

    (void)state;
    fill();
    rows[1].is_unrouted = true;
    rows[1].destination = S("smtp://relay:25");
    assert_int_equal(throttle_put_off(t, test_db, rows, late, 2), RC_OK);
    assert_in_range(throttle_wait_ms(t, now, 100000), 30000, 50000);
    assert_int_equal(throttle_wait_ms(t, now, 100), 100);
    assert_int_equal(throttle_busy(t, test_arena, now, &busy, 1), 4);
    assert_true(str_eq(busy[0], S("busy.org")));
    assert_true(str_eq(busy[1], S("a.org")));
    assert_true(str_eq(busy[2], S("smtp://relay:25")));
    assert_true(str_eq(busy[3], S("b.org")));
    assert_int_equal(throttle_wait_ms(t, now + 100000, 500), 1);
    busy = &first;
    assert_int_equal(throttle_busy(t, test_arena, now + 58000, &busy, 1), 2);
    assert_true(str_eq(busy[1], S("a.org")));
    busy = &first;
    assert_int_equal(throttle_busy(t, test_arena, now + 200000, &busy, 1), 1);
    assert_int_equal(throttle_wait_ms(t, now + 200000, 500), 500);
    throttle_free(&t);
}

static void test_full(void **state)
{
    struct throttle *t = throttle_new(1);
    str_t *busy = NULL;
    size_t n;

    (void)state;
    for (int i = 0; i < THROTTLE_RESTS_MAX + 10; i++) {
        struct store_remote_row row = { .destination = str_of(
                                            arena_printf(test_arena, "d%d.org", i)) };
        struct store_remote_pause late = { .wait_ms = 30000 + i };

        assert_int_equal(throttle_put_off(t, test_db, &row, &late, 1), RC_OK);
    }
    n = throttle_busy(t, test_arena, clock_monotonic_ms(), &busy, 0);
    assert_int_equal(n, THROTTLE_RESTS_MAX);
    for (size_t i = 0; i < n; i++)
        assert_false(str_eq(busy[i], S("d0.org")));
    throttle_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_off, test_setup),
        cmocka_unit_test_setup(test_those_over_the_rate_move_behind, test_setup),
        cmocka_unit_test_setup(test_a_high_rate_rests_for_a_second, test_setup),
        cmocka_unit_test_setup(test_rests, test_setup),
        cmocka_unit_test_setup(test_full, test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
