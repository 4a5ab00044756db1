/* dot_stuff_test.c - nothing that a sender writes can end DATA early, however it is cut.
 */
#include "dot_stuff.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    str_t in;
    const char *out;
} cases[] = {
    { "empty", STR(""), ".\r\n" },
    { "plain", STR("a\r\nb\r\n"), "a\r\nb\r\n.\r\n" },
    { "no last line end", STR("a\r\nb"), "a\r\nb\r\n.\r\n" },
    { "dot alone", STR(".\r\n"), "..\r\n.\r\n" },
    { "dot after CRLF", STR("a\r\n.b\r\n..\r\n"), "a\r\n..b\r\n...\r\n.\r\n" },
    { "dot inside", STR("a.b\r\n"), "a.b\r\n.\r\n" },
    { "lone LF and dot", STR("a\n.\nMAIL"), "a\r\n..\r\nMAIL\r\n.\r\n" },
    { "lone CR and dot", STR("a\r.\rMAIL"), "a\r\n..\r\nMAIL\r\n.\r\n" },
    { "CR CR LF dot", STR("a\r\r\n.\r\nx"), "a\r\n\r\n..\r\nx\r\n.\r\n" },
    { "NUL before dot", STR("a\r\n\0.\r\nx"), "a\r\n..\r\nx\r\n.\r\n" },
    { "NUL between CR and LF", STR("a\r\0\n.\r\n"), "a\r\n..\r\n.\r\n" },
    { "last byte CR", STR("a\r"), "a\r\n.\r\n" },
};

/* The same input in pieces of each size gives the same output. */
static void test_table(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t step = 1; step <= 16; step++) {
            struct buf *out = arena_buf(a, 100);
            struct dot_stuff d;

            dot_stuff_init(&d);
            for (str_t left = cases[i].in; left.n > 0; left = str_skip(left, step))
                assert_int_equal(dot_stuff_feed(&d, str_head(left, step), out), RC_OK);
            assert_int_equal(dot_stuff_end(&d, out), RC_OK);
            if (!str_eq(buf_str(out), str_of(cases[i].out)))
                fail_msg("%s, pieces of %zu: got '%.*s'", cases[i].name, step,
                         STR_ARG(buf_str(out)));
        }
    arena_free(&a);
}

static void test_limit_is_told(void **state)
{
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 4);
    struct dot_stuff d;

    (void)state;
    dot_stuff_init(&d);
    assert_int_equal(dot_stuff_feed(&d, S("12345"), out), RC_LIMIT);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_limit_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
