/* smtp_framer_test.c - each line end that is not CRLF, and every way to cut a line. */
#include "smtp/smtp_framer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { LIMIT = 20 };

static const struct {
    str_t in;
    enum smtp_frame frame;
    str_t line;
    size_t used;
} cases[] = {
    { STR("NOOP\r\n"), SMTP_FRAME_LINE, STR("NOOP"), 6 },
    { STR("\r\n"), SMTP_FRAME_LINE, STR(""), 2 },
    { STR("NOOP\r\nQUIT\r\n"), SMTP_FRAME_LINE, STR("NOOP"), 6 },
    { STR("NOOP\r\n\n"), SMTP_FRAME_LINE, STR("NOOP"), 6 },
    { STR("NOOP"), SMTP_FRAME_MORE, STR(""), 0 },
    { STR(""), SMTP_FRAME_MORE, STR(""), 0 },
    { STR("NOOP\r"), SMTP_FRAME_MORE, STR(""), 0 },
    { STR("NOOP\n"), SMTP_FRAME_BARE_LF, STR(""), 0 },
    { STR("\n"), SMTP_FRAME_BARE_LF, STR(""), 0 },
    { STR("NO\rOP\r\n"), SMTP_FRAME_BARE_CR, STR(""), 0 },
    { STR("NOOP\r\r\n"), SMTP_FRAME_BARE_CR, STR(""), 0 },
    { STR("\rN"), SMTP_FRAME_BARE_CR, STR(""), 0 },
    { STR("NO\0OP\r\n"), SMTP_FRAME_NUL, STR(""), 0 },
    { STR("123456789012345678\r\n"), SMTP_FRAME_LINE, STR("123456789012345678"), 20 },
    { STR("1234567890123456789\r\n"), SMTP_FRAME_TOO_LONG, STR(""), 0 },
    { STR("12345678901234567890"), SMTP_FRAME_TOO_LONG, STR(""), 0 },
};

/* All bytes at once, and one more byte at each call. */
static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            enum smtp_frame frame = SMTP_FRAME_MORE;
            struct smtp_framer f;
            size_t used = 0;
            str_t line = str_n("", 0);

            smtp_framer_init(&f, LIMIT);
            for (size_t n = bytewise ? 0 : cases[i].in.n;
                 n <= cases[i].in.n && frame == SMTP_FRAME_MORE; n++)
                frame = smtp_framer_feed(&f, str_head(cases[i].in, n), &used, &line);
            assert_int_equal(frame, cases[i].frame);
            assert_int_equal(used, cases[i].used);
            assert_true(str_eq(line, cases[i].line));
        }
    }
}

static void framer_is_ready_for_the_next_line(void **state)
{
    str_t in = S("NOOP\r\nQUIT\r\n"), line;
    struct smtp_framer f;
    size_t used;

    (void)state;
    smtp_framer_init(&f, LIMIT);
    assert_int_equal(smtp_framer_feed(&f, in, &used, &line), SMTP_FRAME_LINE);
    in = str_skip(in, used);
    assert_int_equal(smtp_framer_feed(&f, in, &used, &line), SMTP_FRAME_LINE);
    assert_true(str_eq(line, S("QUIT")));
    assert_int_equal(used, in.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(framer_is_ready_for_the_next_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
