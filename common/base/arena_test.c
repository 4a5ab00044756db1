/* arena_test.c - what an arena hands out, and what is left after a reset. */
#include "base/arena.h"

#include "base/check_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = arena_new();
    return 0;
}

static int teardown(void **state)
{
    struct arena *a = *state;

    arena_free(&a);
    assert_null(a);
    arena_free(&a);
    return 0;
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Below, at and above one block, and after what was there before was written to. */
static void test_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 4096, 32768, 32769, 200000, 1 };

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            char *p = arena_alloc(*state, sizes[i]);

            assert_true((uintptr_t)p % _Alignof(max_align_t) == 0);
            assert_true(is_zero(p, sizes[i]));
            memset(p, 0xff, sizes[i]);
        }
        arena_reset(*state);
    }
}

static void test_pieces_do_not_overlap(void **state)
{
    enum { PIECES = 5000 };
    unsigned char *piece[PIECES];

    for (size_t i = 0; i < PIECES; i++) {
        piece[i] = arena_alloc(*state, 1 + i % 100);
        memset(piece[i], (int)(i % 251), 1 + i % 100);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < 1 + i % 100; k++)
            assert_int_equal(piece[i][k], i % 251);
}

static void test_a_reset_keeps_the_first_block(void **state)
{
    char *first = arena_alloc(*state, 100);

    assert_true(arena_used(*state) >= 100);
    arena_alloc(*state, 1000000);
    assert_true(arena_used(*state) >= 1000100);
    arena_reset(*state);
    assert_int_equal(arena_used(*state), 0);
    assert_ptr_equal(arena_alloc(*state, 100), first);
}

static void test_copies(void **state)
{
    char text[] = "MiXeD\0\xc3\x84z";
    str_t s = str_n(text, sizeof(text) - 1);
    str_t copy = arena_str(*state, s), lower = arena_str_lower(*state, s);
    char *c = arena_cstr(*state, s);

    memset(text, 'x', sizeof(text) - 1);
    assert_true(str_eq(copy, S("MiXeD\0\xc3\x84z")));
    assert_true(str_eq(lower, S("mixed\0\xc3\x84z"))); /* ASCII alone */
    assert_memory_equal(c, "MiXeD\0\xc3\x84z", sizeof(text));
    assert_true(str_eq(arena_str(*state, str_of(NULL)), S("")));
    assert_string_equal(arena_cstr(*state, str_of(NULL)), "");
    assert_string_equal(arena_printf(*state, "%s-%d", "a", 7), "a-7");
    assert_int_equal(strlen(arena_printf(*state, "%100000d", 7)), 100000);
}

static void test_a_buffer_in_it_is_bounded(void **state)
{
    struct buf *b = arena_buf(*state, 1000);

    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_putc(b, (char)('a' + i % 26)), RC_OK);
    assert_int_equal(buf_putc(b, 'x'), RC_LIMIT);
    assert_int_equal(b->n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b->p[i], 'a' + i % 26);
}

static void overflow(void *arena)
{
    arena_array(arena, SIZE_MAX / 4, 8);
}

static void too_much(void *arena)
{
    arena_alloc(arena, SIZE_MAX - 8); /* rounding up would make it nearly nothing */
}

static void test_sizes_that_wrap_abort(void **state)
{
    assert_true(check_test_aborts(overflow, *state));
    assert_true(check_test_aborts(too_much, *state));
    assert_non_null(arena_array(*state, 10, 8));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_zeroed_and_aligned),
        TEST(test_pieces_do_not_overlap),
        TEST(test_a_reset_keeps_the_first_block),
        TEST(test_copies),
        TEST(test_a_buffer_in_it_is_bounded),
        TEST(test_sizes_that_wrap_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
