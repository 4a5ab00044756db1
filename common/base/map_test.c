/* map_test.c - the same answers as a plain array gives, over many changes. */
#include "base/map.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 3000, CHANGES = 200000 };

static char things[KEYS + 1]; /* addresses to store */

/* Numbers that lie as ids do, and that all begin their search at the same slot. */
static uint64_t key_of(size_t i)
{
    return i % 3 == 0   ? i
           : i % 3 == 1 ? (uint64_t)i << 28 | (i & 1023)
                        : (uint64_t)i << 48;
}

static void assert_same(const struct map *m, void *const shadow[KEYS])
{
    size_t count = 0, at = 0, walked = 0;
    uint64_t key;
    void *p;

    for (size_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(map_get(m, key_of(i)), shadow[i]);
        count += shadow[i] != NULL;
    }
    assert_int_equal(map_count(m), count);
    while ((p = map_next(m, &at, &key)) != NULL) {
        assert_ptr_equal(map_get(m, key), p);
        walked++;
    }
    assert_int_equal(walked, count);
}

static void test_many_changes(void **state)
{
    static void *shadow[KEYS];
    struct map *m = map_new();

    (void)state;
    srandom(1);
    for (int i = 0; i < CHANGES; i++) {
        size_t k = (size_t)random() % KEYS;

        shadow[k] = random() % 2 == 0 ? NULL : &things[random() % KEYS];
        map_set(m, key_of(k), shadow[k]);
        if (i % (CHANGES / 10) == 0)
            assert_same(m, shadow);
    }
    assert_same(m, shadow);
    for (size_t k = 0; k < KEYS; k++)
        map_set(m, key_of(k), NULL);
    assert_int_equal(map_count(m), 0);
    map_free(&m);
    assert_null(m);
    map_free(&m);
}

static void test_few(void **state)
{
    struct map *m = map_new();
    size_t at = 0;
    uint64_t key;

    (void)state;
    assert_null(map_get(m, 0));
    assert_null(map_next(m, &at, &key));
    map_set(m, 7, NULL); /* removing what is not there */
    assert_int_equal(map_count(m), 0);
    map_set(m, 0, &things[1]);
    map_set(m, UINT64_MAX, &things[2]);
    map_set(m, 0, &things[3]); /* replaced */
    assert_int_equal(map_count(m), 2);
    assert_ptr_equal(map_get(m, 0), &things[3]);
    assert_ptr_equal(map_get(m, UINT64_MAX), &things[2]);
    assert_null(map_get(m, 1));
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_many_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
