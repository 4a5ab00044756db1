/* hints_test.c - news reach the loops that hold the account, and no others. */
#include "hints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

enum { LOOPS = 3, SESSIONS_MAX = 3 };

static unsigned delivered[LOOPS];

static void deliver(void *user, size_t loop, const struct hints_news *news)
{
    (void)user;
    assert_int_equal(news->account, 7);
    delivered[loop]++;
}

static struct hints *new_hints(void)
{
    struct hints_options o = { .sessions_per_account = SESSIONS_MAX, .deliver = deliver };

    return hints_new(&o);
}

static void tell(struct hints *h, int64_t account, unsigned a, unsigned b, unsigned c)
{
    struct hints_news news = { .account = account };

    for (size_t i = 0; i < LOOPS; i++)
        delivered[i] = 0;
    hints_dispatch(h, &news);
    assert_int_equal(delivered[0], a);
    assert_int_equal(delivered[1], b);
    assert_int_equal(delivered[2], c);
}

static void test_delivery(void **state)
{
    struct hints *h = new_hints();

    (void)state;
    tell(h, 7, 0, 0, 0);
    assert_int_equal(hints_join(h, 0, 7), RC_OK);
    assert_int_equal(hints_join(h, 2, 7), RC_OK);
    assert_int_equal(hints_join(h, 1, 8), RC_OK);
    tell(h, 7, 1, 0, 1);
    tell(h, 9, 0, 0, 0);
    hints_leave(h, 0, 7);
    tell(h, 7, 0, 0, 1);
    hints_leave(h, 2, 7);
    tell(h, 7, 0, 0, 0);
    hints_leave(h, 1, 8);
    hints_free(&h);
}

static void test_everybody_once(void **state)
{
    struct hints *h = new_hints();
    int64_t *accounts;
    size_t n;

    (void)state;
    accounts = hints_accounts(h, &n);
    assert_int_equal(n, 0);
    free(accounts);
    assert_int_equal(hints_join(h, 0, 7), RC_OK);
    assert_int_equal(hints_join(h, 2, 7), RC_OK);
    assert_int_equal(hints_join(h, 1, 8), RC_OK);
    accounts = hints_accounts(h, &n);
    assert_int_equal(n, 2);
    assert_int_equal(accounts[0] + accounts[1], 7 + 8);
    free(accounts);
    hints_leave(h, 1, 8);
    hints_leave(h, 0, 7);
    hints_leave(h, 2, 7);
    hints_free(&h);
}

/* Two sessions on one loop: the first that leaves does not take the other's news. */
static void test_two_on_one_loop(void **state)
{
    struct hints *h = new_hints();

    (void)state;
    assert_int_equal(hints_join(h, 1, 7), RC_OK);
    assert_int_equal(hints_join(h, 1, 7), RC_OK);
    tell(h, 7, 0, 1, 0);
    hints_leave(h, 1, 7);
    tell(h, 7, 0, 1, 0);
    hints_leave(h, 1, 7);
    tell(h, 7, 0, 0, 0);
    hints_free(&h);
}

/* What a session did itself is news for the others only. */
static void test_others(void **state)
{
    struct hints *h = new_hints();
    struct hints_news news = { .account = 7 };

    (void)state;
    assert_int_equal(hints_join(h, 0, 7), RC_OK);
    delivered[0] = 0;
    hints_tell_others(h, &news);
    assert_int_equal(delivered[0], 0);
    assert_int_equal(hints_join(h, 0, 7), RC_OK);
    hints_tell_others(h, &news);
    assert_int_equal(delivered[0], 1);
    hints_leave(h, 0, 7);
    hints_leave(h, 0, 7);
    hints_free(&h);
}

static void test_limit(void **state)
{
    struct hints *h = new_hints();

    (void)state;
    for (int i = 0; i < SESSIONS_MAX; i++)
        assert_int_equal(hints_join(h, (size_t)i, 7), RC_OK);
    assert_int_equal(hints_join(h, 0, 7), RC_LIMIT);
    assert_int_equal(hints_join(h, 0, 8), RC_OK);
    hints_leave(h, 1, 7);
    assert_int_equal(hints_join(h, 0, 7), RC_OK);
    hints_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery),        cmocka_unit_test(test_everybody_once),
        cmocka_unit_test(test_two_on_one_loop), cmocka_unit_test(test_others),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
