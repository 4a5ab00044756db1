/* dns_text_test.c - strings of a record, whole and broken. */
#include "net/dns_text.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_text(void **state)
{
    static const str_t malformed[] = { STR("\1"), STR("\5v=ab"), STR("\1a\2b") };
    struct arena *a = arena_new();
    str_t got;

    (void)state;
    assert_int_equal(dns_text(a, S("\5v=abc\4 def\0\1."), &got), RC_OK);
    assert_true(str_eq(got, S("v=abc def.")));
    assert_int_equal(dns_text(a, S(""), &got), RC_OK);
    assert_int_equal(got.n, 0);
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        assert_int_equal(dns_text(a, malformed[i], &got), RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_text) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
