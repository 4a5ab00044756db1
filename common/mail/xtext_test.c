/* xtext_test.c - what is written is read again, and nothing else is. */
#include "mail/xtext.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void round_trip(void **state)
{
    static const struct {
        str_t bytes, text, quotable;
    } cases[] = {
        { STR("plain@x.example"), STR("plain@x.example"), STR("plain@x.example") },
        { STR("a+b=c"), STR("a+2Bb+3Dc"), STR("a+2Bb+3Dc") },
        { STR("\"a b\"\\"), STR("\"a+20b\"\\"), STR("+22a+20b+22+5C") },
        { STR("\0\r\n\x7f\xc3\xa4"), STR("+00+0D+0A+7F+C3+A4"),
          STR("+00+0D+0A+7F+C3+A4") },
        { STR(""), STR(""), STR("") },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *b = arena_buf(a, 1000), *q = arena_buf(a, 1000);
        str_t out;

        xtext_put(b, cases[i].bytes);
        xtext_put_quotable(q, cases[i].bytes);
        assert_true(str_eq(buf_str(b), cases[i].text));
        assert_true(str_eq(buf_str(q), cases[i].quotable));
        assert_int_equal(xtext_decode(a, buf_str(b), &out), RC_OK);
        assert_true(str_eq(out, cases[i].bytes));
        assert_int_equal(xtext_decode(a, buf_str(q), &out), RC_OK);
        assert_true(str_eq(out, cases[i].bytes));
    }
    arena_free(&a);
}

static void what_is_none(void **state)
{
    static const str_t bad[] = { STR("a+2"),  STR("a=b"),      STR("+zz"),  STR("+2b"),
                                 STR("a b"),  STR("\xc3\xa4"), STR("+"),    STR("a\0"),
                                 STR("\x7f"), STR("+3D+4"),    STR("+ 41 ") };
    struct arena *a = arena_new();
    str_t out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(xtext_decode(a, bad[i], &out), RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
