/* slow_list_test.c - the list remembers, forgets in time and stays bounded. */
#include "slow_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct slow_list list;

static void test_list(void **state)
{
    str_t all[SLOW_LIST_MAX];

    (void)state;
    slow_list_add(&list, S("a.org"), 1000);
    slow_list_add(&list, S("b.org"), 2000);
    slow_list_add(&list, S("a.org"), 5000);
    assert_int_equal(slow_list_all(&list, 6000, all), 2);
    assert_true(slow_list_has(&list, S("a.org"), 4999 + SLOW_LIST_MS));
    assert_false(slow_list_has(&list, S("a.org"), 5000 + SLOW_LIST_MS));
    slow_list_remove(&list, S("a.org"));
    assert_false(slow_list_has(&list, S("a.org"), 6000));
    assert_true(slow_list_has(&list, S("b.org"), 6000));
}

static void test_full(void **state)
{
    str_t all[SLOW_LIST_MAX];
    char name[32];

    (void)state;
    for (int i = 0; i < SLOW_LIST_MAX + 10; i++) {
        snprintf(name, sizeof(name), "d%d.org", i);
        slow_list_add(&list, str_of(name), 10000 + i);
    }
    assert_int_equal(slow_list_all(&list, 20000, all), SLOW_LIST_MAX);
    assert_false(slow_list_has(&list, S("b.org"), 20000));
    assert_false(slow_list_has(&list, S("d9.org"), 20000));
    assert_true(slow_list_has(&list, S("d10.org"), 20000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
