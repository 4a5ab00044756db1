/* smtp_reply_test.c - replies that we write cannot be broken by their text, replies that
 * we read cannot hurt.
 */
#include "smtp/smtp_reply.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void text_cannot_break_the_line(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    smtp_reply_line(&out, 250, false, NULL, S("a"));
    smtp_reply_put(&out, 550, "5.1.1", S("x\r\n250 ok\0\xff"));
    assert_true(str_eq(buf_str(&out), S("250-a\r\n550 5.1.1 x??250 ok??\r\n")));
    buf_clear(&out);
    smtp_reply_rc(&out, RC_RETRY);
    assert_true(str_starts(buf_str(&out), S("4")));
    buf_fini(&out);
}

static void long_text_is_cut(void **state)
{
    char text[2000];
    struct buf out;

    (void)state;
    memset(text, 'x', sizeof(text));
    buf_init(&out, 4096);
    smtp_reply_put(&out, 250, "2.0.0", str_n(text, sizeof(text)));
    assert_int_equal(out.n, SMTP_REPLY_MAX_LINE_BYTES);
    assert_memory_equal(out.p + out.n - 2, "\r\n", 2);
    buf_fini(&out);
}

static void reading(void **state)
{
    static const struct {
        str_t in;
        enum smtp_reply_frame frame;
        int code;
        str_t enhanced;
        size_t used;
    } cases[] = {
        { STR("250 ok\r\n"), SMTP_REPLY_DONE, 250, STR(""), 8 },
        { STR("250\r\n"), SMTP_REPLY_DONE, 250, STR(""), 5 },
        { STR("250-a\r\n250 b\r\nrest"), SMTP_REPLY_DONE, 250, STR(""), 14 },
        { STR("550 5.1.1 no\r\n"), SMTP_REPLY_DONE, 550, STR("5.1.1"), 14 },
        { STR("550 4.1.1 no\r\n"), SMTP_REPLY_DONE, 550, STR(""), 14 },
        { STR("550 5.1 no\r\n"), SMTP_REPLY_DONE, 550, STR(""), 12 },
        { STR("550 5.1.1.\r\n"), SMTP_REPLY_DONE, 550, STR(""), 12 },
        { STR("250-a\r\n"), SMTP_REPLY_MORE, 0, STR(""), 0 },
        { STR("25"), SMTP_REPLY_MORE, 0, STR(""), 0 },
        { STR("250-a\r\n251 b\r\n"), SMTP_REPLY_BAD, 0, STR(""), 0 },
        { STR("HTTP/1.1 200\r\n"), SMTP_REPLY_BAD, 0, STR(""), 0 },
        { STR("199 x\r\n"), SMTP_REPLY_BAD, 0, STR(""), 0 },
        { STR("600 x\r\n"), SMTP_REPLY_BAD, 0, STR(""), 0 },
        { STR("2500 x\r\n"), SMTP_REPLY_BAD, 0, STR(""), 0 },
        { STR("\r\n"), SMTP_REPLY_BAD, 0, STR(""), 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_reply r;

        assert_int_equal(smtp_reply_parse(cases[i].in, &r), cases[i].frame);
        if (cases[i].frame != SMTP_REPLY_DONE)
            continue;
        assert_int_equal(r.code, cases[i].code);
        assert_int_equal(r.raw.n, cases[i].used);
        assert_true(str_eq(r.enhanced, cases[i].enhanced));
    }
}

static void endless_replies_are_refused(void **state)
{
    struct smtp_reply r;
    struct buf in;

    (void)state;
    buf_init(&in, 1 << 20);
    for (int i = 0; i < SMTP_REPLY_MAX_LINES; i++) {
        assert_int_equal(smtp_reply_parse(buf_str(&in), &r), SMTP_REPLY_MORE);
        buf_puts(&in, "250-x\r\n");
    }
    assert_int_equal(smtp_reply_parse(buf_str(&in), &r), SMTP_REPLY_BAD);
    buf_clear(&in);
    while (in.n < SMTP_REPLY_MAX_LINE_BYTES)
        buf_puts(&in, "2");
    assert_int_equal(smtp_reply_parse(buf_str(&in), &r), SMTP_REPLY_BAD);
    buf_fini(&in);
}

static void keywords_and_text(void **state)
{
    struct arena *a = arena_new();
    struct smtp_reply r;
    str_t args;

    (void)state;
    assert_int_equal(
        smtp_reply_parse(S("250-PIPELINING hi\r\n250-size 100\r\n250 STARTTLS"
                           "\r\n"),
                         &r),
        SMTP_REPLY_DONE);
    assert_true(smtp_reply_has_keyword(&r, "SIZE", &args));
    assert_true(str_eq(args, S("100")));
    assert_true(smtp_reply_has_keyword(&r, "STARTTLS", &args));
    assert_false(smtp_reply_has_keyword(&r, "PIPELINING", &args));
    assert_false(smtp_reply_has_keyword(&r, "SIZ", &args));
    assert_int_equal(
        smtp_reply_parse(S("550-5.1.1 no such\r\n550 5.1.1 \x1b[31m user\r\n"), &r),
        SMTP_REPLY_DONE);
    assert_true(str_eq(smtp_reply_text(a, &r, 1000), S("550 5.1.1 no such ?[31m user")));
    assert_true(str_eq(smtp_reply_text(a, &r, 8), S("550 5.1.")));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_cannot_break_the_line),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(reading),
        cmocka_unit_test(endless_replies_are_refused),
        cmocka_unit_test(keywords_and_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
