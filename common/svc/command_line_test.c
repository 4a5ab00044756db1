/* command_line_test.c - words and exit codes of a command. */
#include "svc/command_line.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void words(void **state)
{
    static const struct {
        const char *text, *words; /* between bars; NULL: refused */
    } cases[] = {
        { "", "" },
        { "  ", "" },
        { "/bin/true", "/bin/true|" },
        { " /bin/x  a\tb ", "/bin/x|a|b|" },
        { "/bin/x \"a b\" c\"d e\"f \"\"", "/bin/x|a b|cd ef||" },
        { "/bin/x \"a\\\"b\\\\c\\d\" e\\f", "/bin/x|a\"b\\c\\d|e\\f|" },
        { "/bin/x $(rm) `x` > y; z | *", "/bin/x|$(rm)|`x`|>|y;|z|||*|" },
        { "/bin/x \"a", NULL },
        { "true", NULL },
        { "{sender}", NULL },
    };
    struct arena *a = arena_new();
    struct buf *many = arena_buf(a, 1000);
    const char *why;
    char **got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *b = arena_buf(a, 1000);
        enum rc rc = command_line_split(a, str_of(cases[i].text), &got, &why);

        assert_int_equal(rc, cases[i].words != NULL ? RC_OK : RC_INVALID);
        for (; rc == RC_OK && *got != NULL; got++)
            buf_printf(b, "%s|", *got);
        if (rc == RC_OK)
            assert_true(str_eq(buf_str(b), str_of(cases[i].words)));
    }
    buf_puts(many, "/bin/x");
    for (int i = 1; i < COMMAND_LINE_WORDS_MAX; i++)
        buf_puts(many, " y");
    assert_int_equal(command_line_split(a, buf_str(many), &got, &why), RC_OK);
    buf_puts(many, " y");
    assert_int_equal(command_line_split(a, buf_str(many), &got, &why), RC_INVALID);
    arena_free(&a);
}

static void codes(void **state)
{
    static const char *const bad[] = {
        "0 reject", "256 reject", "x reject",       "reject",     "1",
        "1 off",    "1 refuse",   "1 ignore 550 x", "1 reject; 2"
    };
    struct command_line_codes got;
    struct arena *a = arena_new();
    const char *why = NULL;

    (void)state;
    assert_int_equal(command_line_codes(a, S(""), &got, &why), RC_OK);
    assert_int_equal(got.count, 0);
    assert_int_equal(
        command_line_codes(a, S("1 reject; 2 quarantine ;75 reject 450 4.7.0 wait;"),
                           &got, &why),
        RC_OK);
    assert_int_equal(got.count, 3);
    assert_int_equal(got.all[1].code, 2);
    assert_int_equal(got.all[1].policy.action, POLICY_QUARANTINE);
    assert_int_equal(got.all[2].code, 75);
    assert_int_equal(got.all[2].policy.code, 450);
    assert_string_equal(got.all[2].policy.text, "wait");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(command_line_codes(a, str_of(bad[i]), &got, &why), RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
