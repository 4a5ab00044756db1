/* search_program_test.c - SEARCH's criteria: reading, judging, limits. */
#include "search_program.h"
#include "view.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/header.h"
#include "store/store_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char message[] = "From: Alice <alice@x.test>\r\n"
                              "Subject: Hello\r\n World\r\n"
                              "Date: Fri, 20 Nov 2026 23:30:00 -0500\r\n"
                              "Cc: <c (x)@ (y) d.test>, e@f.test (Eve (x)),\r\n"
                              "  \"g h\"@i.test\r\n"
                              "Cc: undisclosed:;\r\n"
                              "X-Empty:\r\n"
                              "\r\n"
                              "the Body text\r\n";

/* Message 3 of 10, UID 30, seen and $Chat, 20 November 2026 12:00 UTC. */
static const struct view_row row = {
    .uid = 30,
    .flags = STORE_FLAGS_SEEN | STORE_FLAGS_CHAT,
    .size = 1000,
    .idate_unix = 1795176000,
};

enum verdict { NO, YES, BAD, CHARSET };

static const struct {
    const char *text;
    enum verdict verdict;
} cases[] = {
    { " ALL", YES },
    { " SEEN", YES },
    { " UNSEEN", NO },
    { " NOT SEEN", NO },
    { " NOT UNSEEN", YES },
    { " KEYWORD $Chat", YES },
    { " KEYWORD $Unheard", NO },
    { " UNKEYWORD $Unheard", YES },
    { " SEEN UNDELETED", YES },
    { " SEEN DELETED", NO },
    { " OR DELETED SEEN", YES },
    { " OR (DELETED) (FLAGGED)", NO },
    { " OR NOT SEEN (SEEN 3)", YES },
    { " 3", YES },
    { " 1:2,4:*", NO },
    { " 4:10", NO },
    { " 11", BAD },
    { " 3,9:11", BAD },
    { " OR 12:* SEEN", BAD },
    { " UID 30", YES },
    { " UID 200", NO },
    { " UID 31:*", NO },
    { " LARGER 999", YES },
    { " SMALLER 1000", NO },
    { " SINCE 20-Nov-2026", YES },
    { " ON 20-Nov-2026", YES },
    { " BEFORE 20-Nov-2026", NO },
    { " BEFORE \"21-Nov-2026\"", YES },
    { " SENTON 20-Nov-2026", YES },
    { " SENTBEFORE 20-Nov-2026", NO },
    { " FROM alice", YES },
    { " SENTON 21-Nov-2026", NO },
    { " SENTBEFORE 21-Nov-2026", YES },
    { " SENTSINCE 20-Nov-2026", YES },
    { " SENTSINCE 21-Nov-2026", NO },
    { " FROM \"ALICE <\"", YES },
    { " CC c@d.test", YES },
    { " CC \"Eve (x) <E@F.TEST>\"", YES },
    { " CC \"(x)@ (y)\"", YES },
    { " CC \"g h@i.test\"", YES },
    { " CC undisclosed", YES },
    { " CC \"\"", YES },
    { " BCC \"\"", NO },
    { " TO c@d.test", NO },
    { " TO alice", NO },
    { " SUBJECT \"hello world\"", YES },
    { " HEADER X-Empty \"\"", YES },
    { " HEADER X-None \"\"", NO },
    { " BODY body", YES },
    { " BODY hello", NO },
    { " TEXT hello", YES },
    { " CHARSET UTF-8 TEXT hello", YES },
    { " CHARSET KOI8-R TEXT hello", CHARSET },
    { " NEW", NO },
    { " OLD", YES },
    { " (SEEN)", YES },
    { " ( SEEN NOT (DELETED) )", YES },
    { "", BAD },
    { " ", BAD },
    { " SEEN)", BAD },
    { " (SEEN", BAD },
    { " ()", BAD },
    { " OR SEEN", BAD },
    { " NOT", BAD },
    { " LARGER x", BAD },
    { " ON 31-Foo-2026", BAD },
    { " FROBNICATE", BAD },
    { " UID", BAD },
};

static void judge(const char *text, enum verdict verdict)
{
    struct arena *a = arena_new();
    struct search_limits limits = { 10, 100 };
    struct search_program program;
    struct search_subject s = {
        .arena = a,
        .row = &row,
        .number = 3,
        .message = str_n(message, sizeof message - 1),
    };
    struct imap_parser in;
    enum rc rc;
    int quick;

    s.header = str_head(s.message, header_end(s.message));
    imap_parser_init(&in, a, str_of(text));
    rc = search_program_read(&in, limits, &program);
    assert_int_equal(rc, verdict == BAD       ? RC_INVALID
                         : verdict == CHARSET ? RC_DENIED
                                              : RC_OK);
    if (rc == RC_OK) {
        assert_int_equal(search_program_match(&program, &s), verdict == YES);
        /* What is said without the message must not be contradicted by it. */
        s.message = s.header = S("");
        quick = search_program_quick(&program, &s);
        assert_true(quick == 0 || (quick > 0) == (verdict == YES));
        if (program.need == SEARCH_ROW)
            assert_int_not_equal(quick, 0);
    }
    arena_free(&a);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].text);
        judge(cases[i].text, cases[i].verdict);
    }
}

static enum rc read_repeated(const char *piece, int times, const char *end)
{
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 100000);
    struct search_limits limits = { 10, 100 };
    struct search_program program;
    struct imap_parser in;
    enum rc rc;

    buf_putc(text, ' ');
    for (int i = 0; i < times; i++)
        buf_puts(text, piece);
    buf_puts(text, end);
    imap_parser_init(&in, a, buf_str(text));
    rc = search_program_read(&in, limits, &program);
    arena_free(&a);
    return rc;
}

static const char *long_word(size_t n)
{
    static char word[2 * STR_NEEDLE_MAX];

    memset(word, 'x', n);
    word[n] = '\0';
    return word;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(read_repeated("NOT ", 20, "SEEN"), RC_OK);
    assert_int_equal(read_repeated("NOT ", 10000, "SEEN"), RC_LIMIT);
    assert_int_equal(read_repeated("(", 10000, "SEEN"), RC_LIMIT);
    assert_int_equal(read_repeated("SEEN ", 400, "SEEN"), RC_OK);
    assert_int_equal(read_repeated("SEEN ", 1000, "SEEN"), RC_LIMIT);
    assert_int_equal(read_repeated("SUBJECT x ", 31, "BODY y"), RC_OK);
    assert_int_equal(read_repeated("SUBJECT x ", 32, "BODY y"), RC_LIMIT);
    assert_int_equal(read_repeated("OR TEXT x ", 32, "SEEN"), RC_LIMIT);
    assert_int_equal(read_repeated("BODY ", 1, long_word(STR_NEEDLE_MAX)), RC_OK);
    assert_int_equal(read_repeated("BODY ", 1, long_word(STR_NEEDLE_MAX + 1)), RC_LIMIT);
    assert_int_equal(read_repeated("HEADER a ", 1, long_word(STR_NEEDLE_MAX + 1)),
                     RC_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
