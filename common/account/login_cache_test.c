/* login_cache_test.c - what is remembered, for how long, and how much. */
#include "account/login_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { AGE_MS = 1000 };

static void only_the_same_three_hit(void **state)
{
    struct login_cache *c = login_cache_new(100, AGE_MS);

    (void)state;
    assert_false(login_cache_has(c, 7, S("$y$hash"), S("secret"), 0));
    login_cache_put(c, 7, S("$y$hash"), S("secret"), 0);
    assert_true(login_cache_has(c, 7, S("$y$hash"), S("secret"), 0));
    assert_false(login_cache_has(c, 8, S("$y$hash"), S("secret"), 0));
    assert_false(login_cache_has(c, 7, S("$y$hash"), S("Secret"), 0));
    assert_false(login_cache_has(c, 7, S("$y$changed"), S("secret"), 0));
    /* a byte moved from one to the other is another triple */
    assert_false(login_cache_has(c, 7, S("$y$hashs"), S("ecret"), 0));
    login_cache_free(&c);
}

static void age_counts_from_the_last_use(void **state)
{
    struct login_cache *c = login_cache_new(100, AGE_MS);

    (void)state;
    login_cache_put(c, 7, S("h"), S("p"), 0);
    assert_true(login_cache_has(c, 7, S("h"), S("p"), AGE_MS));
    assert_true(login_cache_has(c, 7, S("h"), S("p"), 2 * AGE_MS));
    assert_false(login_cache_has(c, 7, S("h"), S("p"), 3 * AGE_MS + 1));
    login_cache_free(&c);
}

static void size_is_bounded(void **state)
{
    struct login_cache *c = login_cache_new(8, AGE_MS);
    int hits = 0;

    (void)state;
    for (int64_t id = 1; id <= 1000; id++)
        login_cache_put(c, id, S("h"), S("p"), id);
    for (int64_t id = 1; id <= 1000; id++)
        hits += login_cache_has(c, id, S("h"), S("p"), 1000);
    assert_in_range(hits, 1, 8);
    assert_true(login_cache_has(c, 1000, S("h"), S("p"), 1000)); /* the newest stays */
    login_cache_free(&c);
}

static void without_entries_nothing_is_remembered(void **state)
{
    struct login_cache *c = login_cache_new(0, AGE_MS);

    (void)state;
    login_cache_put(c, 7, S("h"), S("p"), 0);
    assert_false(login_cache_has(c, 7, S("h"), S("p"), 0));
    login_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_same_three_hit),
        cmocka_unit_test(age_counts_from_the_last_use),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(without_entries_nothing_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
