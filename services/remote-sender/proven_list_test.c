/* proven_list_test.c - the list remembers, forgets in time and stays bounded. */
#include "proven_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct proven_list list;

static void test_list(void **state)
{
    (void)state;
    proven_list_add(&list, S("a.org"), 1000);
    proven_list_add(&list, S("b.org"), 2000);
    proven_list_add(&list, S("a.org"), 5000);
    assert_true(proven_list_has(&list, S("a.org"), 4999 + PROVEN_LIST_MS));
    assert_false(proven_list_has(&list, S("a.org"), 5000 + PROVEN_LIST_MS));
    proven_list_remove(&list, S("a.org"));
    assert_false(proven_list_has(&list, S("a.org"), 6000));
    assert_true(proven_list_has(&list, S("b.org"), 6000));
}

static void test_full(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < PROVEN_LIST_MAX + 10; i++) {
        snprintf(name, sizeof(name), "d%d.org", i);
        proven_list_add(&list, str_of(name), 10000 + i);
    }
    assert_false(proven_list_has(&list, S("b.org"), 20000));
    assert_false(proven_list_has(&list, S("d9.org"), 20000));
    assert_true(proven_list_has(&list, S("d10.org"), 20000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
