/* smtp_data_test.c - the smuggling table: no odd line end may end a message or get
 * through unnoticed, wherever the network cuts the stream.
 */
#include "smtp/smtp_data.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MAX_BYTES = 64, MAX_LINE = 20, NOT_ENDED = 0 };

static const struct {
    const char *name;
    str_t in;
    size_t used;     /* NOT_ENDED: the end is not there */
    unsigned faults; /* expected when all was fed */
    str_t message;   /* when there are no faults */
} cases[] = {
    { "plain", STR("a\r\nb\r\n.\r\n"), 9, 0, STR("a\r\nb\r\n") },
    { "empty message", STR(".\r\n"), 3, 0, STR("") },
    { "empty line", STR("\r\n.\r\n"), 5, 0, STR("\r\n") },
    { "next command stays", STR("a\r\n.\r\nQUIT\r\n"), 6, 0, STR("a\r\n") },
    { "dot stuffed", STR("..\r\n...a\r\n.b\r\n.\r\n"), 17, 0, STR(".\r\n..a\r\nb\r\n") },
    { "dot inside", STR("a.\r\n.\r\n"), 7, 0, STR("a.\r\n") },
    { "stuffed dot line", STR("a\r\n..\r\nb\r\n.\r\n"), 13, 0, STR("a\r\n.\r\nb\r\n") },
    { "dot and blank", STR(". \r\n.\r\n"), 7, 0, STR(" \r\n") },
    { "not ended", STR("a\r\n."), NOT_ENDED, 0, STR("a\r\n") },
    { "not ended after CR", STR("a\r\n.\r"), NOT_ENDED, 0, STR("a\r\n") },
    { "LF . LF", STR("a\n.\n"), NOT_ENDED, SMTP_DATA_BARE_LF, STR("") },
    { "LF . CRLF", STR("a\n.\r\n"), 5, SMTP_DATA_BARE_LF, STR("") },
    { "CRLF . LF", STR("a\r\n.\n"), NOT_ENDED, SMTP_DATA_BARE_LF, STR("") },
    { "CR . CR", STR("a\r.\r"), NOT_ENDED, SMTP_DATA_BARE_CR, STR("") },
    { "CR . CRLF", STR("a\r.\r\n"), NOT_ENDED, SMTP_DATA_BARE_CR, STR("") },
    { "CRLF . CR", STR("a\r\n.\rb\r\n"), NOT_ENDED, SMTP_DATA_BARE_CR, STR("") },
    { "LF . CR", STR("a\n.\rb"), NOT_ENDED, SMTP_DATA_BARE_LF | SMTP_DATA_BARE_CR,
      STR("") },
    { "CR LF CR . CRLF", STR("a\r\n\r.\r\n"), NOT_ENDED, SMTP_DATA_BARE_CR, STR("") },
    { "CRCRLF . CRLF", STR("a\r\r\n.\r\n"), 7, SMTP_DATA_BARE_CR, STR("") },
    { "CRLF . CRCRLF", STR("a\r\n.\r\r\n"), NOT_ENDED, SMTP_DATA_BARE_CR, STR("") },
    { "CRLF NUL . CRLF", STR("a\r\n\0.\r\n"), NOT_ENDED, SMTP_DATA_NUL, STR("") },
    { "CRLF . NUL CRLF", STR("a\r\n.\0\r\n"), NOT_ENDED, SMTP_DATA_NUL, STR("") },
    { "bare LF in a line", STR("a\nb\r\n.\r\n"), 8, SMTP_DATA_BARE_LF, STR("") },
    { "bare CR in a line", STR("a\rb\r\n.\r\n"), 8, SMTP_DATA_BARE_CR, STR("") },
    { "LF first", STR("\n.\r\n"), 4, SMTP_DATA_BARE_LF, STR("") },
    { "CR first", STR("\r.\r\n"), NOT_ENDED, SMTP_DATA_BARE_CR, STR("") },
    { "longest line", STR("12345678901234567890\r\n.\r\n"), 25, 0,
      STR("12345678901234567890\r\n") },
    { "long line", STR("123456789012345678901\r\n.\r\n"), 26, SMTP_DATA_LONG_LINE,
      STR("") },
    { "just fits",
      STR("0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCD\r\n."
          "\r\n"),
      67, 0,
      STR("0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCD\r\n") },
    { "too big",
      STR("0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCDE\r\n."
          "\r\n"),
      68, SMTP_DATA_TOO_BIG, STR("") },
};

static void collect(void *context, const char *p, size_t n)
{
    assert_int_equal(buf_append(context, p, n), RC_OK);
}

/* Feed in pieces of at most `piece` bytes, the first of `first` bytes. */
static void check(size_t i, size_t first, size_t piece)
{
    str_t in = cases[i].in;
    size_t at = 0, n = first;
    bool ended = false;
    struct smtp_data d;
    struct buf got;

    buf_init(&got, 4096);
    smtp_data_init(&d, MAX_BYTES, MAX_LINE);
    while (at < in.n && !ended) {
        size_t used;

        ended = smtp_data_feed(&d, str_head(str_skip(in, at), n), &used, collect, &got);
        at += used;
        n = piece;
    }
    if (ended != (cases[i].used != NOT_ENDED) || d.faults != cases[i].faults)
        print_error("case: %s, cut %zu %zu\n", cases[i].name, first, piece);
    assert_int_equal(ended, cases[i].used != NOT_ENDED);
    assert_int_equal(at, ended ? cases[i].used : in.n);
    assert_int_equal(d.faults, cases[i].faults);
    if (d.faults == 0) {
        assert_true(str_eq(buf_str(&got), cases[i].message));
        assert_int_equal(d.bytes, got.n);
    }
    buf_fini(&got);
}

static void every_case_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(i, 1, 1);
        for (size_t first = 1; first <= cases[i].in.n; first++)
            check(i, first, cases[i].in.n);
    }
}

static const struct {
    const char *name;
    str_t in;
    unsigned faults;
    str_t message; /* when there are no faults */
} chunked[] = {
    { "plain", STR("a\r\nb\r\n"), 0, STR("a\r\nb\r\n") },
    { "nothing", STR(""), 0, STR("") },
    { "dots are kept", STR("..\r\n.a\r\n...b\r\n"), 0, STR("..\r\n.a\r\n...b\r\n") },
    { "no end within", STR("a\r\n.\r\nQUIT\r\n"), 0, STR("a\r\n.\r\nQUIT\r\n") },
    { "a line without its end", STR("a\r\nb"), 0, STR("a\r\nb\r\n") },
    { "a dot without its end", STR("a\r\n."), 0, STR("a\r\n.\r\n") },
    { "a CR at the end", STR("a\r"), SMTP_DATA_BARE_CR, STR("") },
    { "a CR alone", STR("\r"), SMTP_DATA_BARE_CR, STR("") },
    { "bare LF", STR("a\nb\r\n"), SMTP_DATA_BARE_LF, STR("") },
    { "bare LF first", STR("\n"), SMTP_DATA_BARE_LF, STR("") },
    { "bare CR", STR("a\rb\r\n"), SMTP_DATA_BARE_CR, STR("") },
    { "CR CR LF", STR("a\r\r\n"), SMTP_DATA_BARE_CR, STR("") },
    { "CR before a dot", STR("a\r\n\r.\r\n"), SMTP_DATA_BARE_CR, STR("") },
    { "LF . LF", STR("a\r\n.\nb\r\n"), SMTP_DATA_BARE_LF, STR("") },
    { "NUL", STR("a\0b\r\n"), SMTP_DATA_NUL, STR("") },
    { "long line", STR("123456789012345678901\r\n"), SMTP_DATA_LONG_LINE, STR("") },
    { "too big by its last line's end",
      STR("0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCD\r\n0123456789ABCDE"),
      SMTP_DATA_TOO_BIG, STR("") },
};

static void check_chunks(size_t i, size_t first, size_t piece)
{
    str_t in = chunked[i].in;
    struct smtp_data d;
    struct buf got;
    size_t n = first;

    buf_init(&got, 4096);
    smtp_data_init_chunked(&d, MAX_BYTES, MAX_LINE);
    while (in.n > 0) {
        size_t used;

        assert_false(smtp_data_feed(&d, str_head(in, n), &used, collect, &got));
        assert_int_equal(used, str_head(in, n).n);
        in = str_skip(in, used);
        n = piece;
    }
    smtp_data_finish_chunks(&d, collect, &got);
    if (d.faults != chunked[i].faults)
        fail_msg("%s, cut %zu %zu: %x", chunked[i].name, first, piece, d.faults);
    if (d.faults == 0) {
        assert_true(str_eq(buf_str(&got), chunked[i].message));
        assert_int_equal(d.bytes, got.n);
    }
    buf_fini(&got);
}

static void chunks_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunked); i++) {
        check_chunks(i, 1, 1);
        for (size_t first = 1; first <= chunked[i].in.n; first++)
            check_chunks(i, first, chunked[i].in.n);
    }
}

static const struct {
    str_t message, wire;
} sent[] = {
    { STR("a\r\nb\r\n"), STR("a\r\nb\r\n.\r\n") },
    { STR(""), STR(".\r\n") },
    { STR("a"), STR("a\r\n.\r\n") },
    { STR(".\r\n..b\r\n.c"), STR("..\r\n...b\r\n..c\r\n.\r\n") },
    { STR("a\n.\nb\r\n"), STR("a\r\n..\r\nb\r\n.\r\n") },
    { STR("a\r.\rb"), STR("a\r\n..\r\nb\r\n.\r\n") },
    { STR("a\r\n\0.\r\nb"), STR("a\r\n..\r\nb\r\n.\r\n") },
    { STR("a\r\n\n.\r\n"), STR("a\r\n\r\n..\r\n.\r\n") },
    { STR("a\r"), STR("a\r\n.\r\n") },
    { STR("a\r\r\n.\r\nx"), STR("a\r\n\r\n..\r\nx\r\n.\r\n") },
    { STR("a\r\0\n.\r\n"), STR("a\r\n\r\n..\r\n.\r\n") },
    { STR("a.b\r\n"), STR("a.b\r\n.\r\n") },
};

static void encoder_never_emits_what_we_refuse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        for (size_t cut = 0; cut <= sent[i].message.n; cut++) {
            struct smtp_data_encoder e;
            struct buf got;

            buf_init(&got, 4096);
            smtp_data_encoder_init(&e);
            smtp_data_encode(&e, str_head(sent[i].message, cut), collect, &got);
            smtp_data_encode(&e, str_skip(sent[i].message, cut), collect, &got);
            smtp_data_encode_end(&e, collect, &got);
            assert_true(str_eq(buf_str(&got), sent[i].wire));
            buf_fini(&got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_however_it_is_cut),
        cmocka_unit_test(chunks_however_they_are_cut),
        cmocka_unit_test(encoder_never_emits_what_we_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
