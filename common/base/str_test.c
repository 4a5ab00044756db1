/* str_test.c - finding text in any case, also where it lies across two windows. */
#include "base/str.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_ends_nocase(void **state)
{
    static const struct {
        str_t text, end;
        bool does;
    } cases[] = {
        { { NULL, 0 }, STR(""), true },
        { { NULL, 0 }, STR("a"), false },
        { STR("a"), { NULL, 0 }, true },
        { STR("mail.Example"), STR(".eXample"), true },
        { STR("example"), STR(".example"), false },
        { STR("ab"), STR("a"), false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_ends_nocase(cases[i].text, cases[i].end) == cases[i].does);
}

static void test_find_nocase(void **state)
{
    static const struct {
        str_t text, needle;
        size_t at;
    } cases[] = {
        { STR(""), STR(""), 0 },
        { STR("abc"), STR(""), 0 },
        { STR(""), STR("a"), SIZE_MAX },
        { STR("ab"), STR("abc"), SIZE_MAX },
        { STR("Hello World"), STR("o w"), 4 },
        { STR("hello world"), STR("WORLD"), 6 },
        { STR("[\\]"), STR("{|}"), SIZE_MAX },
        { STR("\xc3\x84x"), STR("\xc3\xa4x"), SIZE_MAX },
        { STR("a\0B"), STR("\0b"), 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_find_nocase(cases[i].text, cases[i].needle) == cases[i].at);
}

static void test_find_nocase_anywhere(void **state)
{
    enum { BYTES = 40000 };
    char *text = mem_alloc(BYTES), needle[STR_NEEDLE_MAX];

    (void)state;
    memset(text, 'a', BYTES);
    memset(needle, 'A', sizeof(needle));
    needle[0] = 'B';
    for (size_t at = 0; at + sizeof(needle) <= BYTES; at += 61) {
        text[at] = 'b';
        assert_true(str_find_nocase(str_n(text, BYTES), str_n(needle, sizeof(needle))) ==
                    at);
        assert_true(str_find_nocase(str_n(text, BYTES), S("Ba")) == at);
        text[at] = 'a';
    }
    mem_free(text);
}

/* A needle that nearly matches everywhere: it took minutes to try it at each place. */
static void test_find_nocase_is_not_quadratic(void **state)
{
    enum { BYTES = 32 << 20, MAX_MS = 10000 };
    char *text = mem_alloc(BYTES), needle[STR_NEEDLE_MAX];
    int64_t begin = clock_monotonic_ms();

    (void)state;
    memset(text, 'a', BYTES);
    memset(needle, 'A', sizeof(needle));
    needle[sizeof(needle) - 1] = 'b';
    assert_true(str_find_nocase(str_n(text, BYTES), str_n(needle, sizeof(needle))) ==
                SIZE_MAX);
    assert_in_range(clock_monotonic_ms() - begin, 0, MAX_MS);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_nocase),
        cmocka_unit_test(test_find_nocase),
        cmocka_unit_test(test_find_nocase_anywhere),
        cmocka_unit_test(test_find_nocase_is_not_quadratic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
