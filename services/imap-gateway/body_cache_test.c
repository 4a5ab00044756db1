/* body_cache_test.c - what is kept, for how long, and that it is the same bytes. */
#include "body_cache.h"

#include "base/arena.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_least_recently_used_goes_first(void **state)
{
    struct body_cache *c = body_cache_new(900);
    struct arena *a = arena_new();
    char text[300] = "message";

    (void)state;
    for (int64_t id = 1; id <= 2; id++)
        body_cache_put(c, id, str_n(text, sizeof text));
    assert_true(str_eq(body_cache_get(c, a, 1), str_n(text, sizeof text)));
    body_cache_put(c, 3, str_n(text, sizeof text));
    assert_null(body_cache_get(c, a, 2).p);
    assert_non_null(body_cache_get(c, a, 1).p);
    assert_non_null(body_cache_get(c, a, 3).p);
    arena_free(&a);
    body_cache_free(&c);
}

static void test_limits(void **state)
{
    struct body_cache *none = body_cache_new(0), *some = body_cache_new(1 << 20);
    struct arena *a = arena_new();
    char *large = mem_alloc(BODY_CACHE_ENTRY_MAX + 1);

    (void)state;
    body_cache_put(none, 1, S("x"));
    assert_null(body_cache_get(none, a, 1).p);
    body_cache_put(some, 1, str_n(large, BODY_CACHE_ENTRY_MAX + 1));
    assert_null(body_cache_get(some, a, 1).p);
    body_cache_put(some, 1, str_n(large, BODY_CACHE_ENTRY_MAX));
    assert_int_equal(body_cache_get(some, a, 1).n, BODY_CACHE_ENTRY_MAX);
    body_cache_put(some, 1, S("never: bodies do not change"));
    assert_int_equal(body_cache_get(some, a, 1).n, BODY_CACHE_ENTRY_MAX);
    mem_free(large);
    arena_free(&a);
    body_cache_free(&none);
    body_cache_free(&some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_recently_used_goes_first),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests_name("body_cache", tests, NULL, NULL);
}
