/* answer_test.c - what people see of an answer, whoever it came from. */
#include "answer.h"

#include "api.h"
#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *arena;

static void lines(void **state)
{
    static const struct {
        str_t json;
        const char *text; /* NULL: it is no answer */
    } cases[] = {
        { STR("{}"), "" },
        { STR("{\"a_b\":\"x "
              "y\",\"n\":9007199254740993,\"t\":true,\"f\":false,\"z\":null}"),
          "a b             x y\nn               9007199254740993\n"
          "t               yes\nf               no\nz               -\n" },
        { STR("{\"none\":[],\"some\":[\"a\",2]}"),
          "none            -\nsome            a, 2\n" },
        { STR("{\"a_key_that_is_longer\":1}"), "a key that is longer 1\n" },
        /* Nothing steers the terminal: ESC, BEL, DEL, and CSI in one character. */
        { STR("{\"a\":\"\\u001b[2J\\u0007\\u007f\\u009b1m\\n\"}"),
          "a               ?[2J???1m?\n" },
        { STR("{\"\\u001b[2J\":\"\\u00e4\"}"), "?[2J            \xc3\xa4\n" },
        { STR("[]"), NULL },
        { STR("<html>"), NULL },
        { STR(""), NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *b = arena_buf(arena, 1000);
        bool is = answer_text(cases[i].json, b);

        assert_int_equal(is, cases[i].text != NULL);
        if (is && !str_eq(buf_str(b), str_of(cases[i].text)))
            fail_msg("%.*s", STR_ARG(buf_str(b)));
    }
}

static void errors(void **state)
{
    str_t message = S("");

    (void)state;
    assert_true(answer_error(arena, S("{\"code\":\"c\",\"message\":\"m\"}"), &message));
    assert_true(str_eq(message, S("m")));
    assert_true(answer_error(
        arena, S("{\"code\":\"c\",\"message\":\"\\u001b[2J\\n\x7f\\u009b1m\xc3\xa4\"}"),
        &message));
    assert_true(str_eq(message, S("?[2J???1m\xc3\xa4")));
    assert_false(answer_error(arena, S("{\"reason\":\"m\"}"), &message));
    assert_false(answer_error(arena, S("{\"code\":1,\"message\":\"m\"}"), &message));
    assert_false(answer_error(arena, S("not found"), &message));
}

static void programs_get_what_was_understood(void **state)
{
    static const struct {
        str_t json;
        const char *text; /* NULL: it is no answer */
    } cases[] = {
        { STR("{\"b\": 1,\r\n \"a\": [true, null]}\n"), "{\"b\":1,\"a\":[true,null]}\n" },
        { STR("{\"a\":\"\\u001b[2J\x7f\xc2\x9b\xc3\xa4\"}"),
          "{\"a\":\"\\u001B[2J\\u007f\\u009B\\u00E4\"}\n" },
        { STR("{\"a\":1}\x1b[2J"), NULL },
        { STR("\x1b[2J"), NULL },
        { STR("[]"), NULL },
        { STR(""), NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *b = arena_buf(arena, 1000);
        bool is = answer_json(cases[i].json, b);

        assert_int_equal(is, cases[i].text != NULL);
        if (is && !str_eq(buf_str(b), str_of(cases[i].text)))
            fail_msg("%.*s", STR_ARG(buf_str(b)));
    }
}

static void segments(void **state)
{
    (void)state;
    assert_string_equal(api_escape(arena, S("aZ0-._~")), "aZ0-._~");
    assert_string_equal(api_escape(arena, S("a@b/c?d#e%f \n\xc3\xa4+[1]")),
                        "a%40b%2Fc%3Fd%23e%25f%20%0A%C3%A4%2B%5B1%5D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(errors),
        cmocka_unit_test(programs_get_what_was_understood),
        cmocka_unit_test(segments),
    };
    int failed;

    arena = arena_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
