/* imap_framer_test.c - where commands end, over every split of the input. */
#include "imap_framer.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { LIMIT = 100 };

struct result {
    enum imap_frame frame;
    size_t used;
    uint64_t literal;
    bool wait;
};

/* Feeds the text byte by byte; literals that fit are accepted when `accept`. */
static struct result feed(str_t text, bool accept)
{
    struct result r = { .frame = FRAME_MORE };
    struct imap_framer f;

    imap_framer_init(&f, LIMIT);
    for (size_t n = 0; n <= text.n; n++) {
        r.frame = imap_framer_feed(&f, text.p, n, &r.used);
        if (r.frame == FRAME_LITERAL) {
            r.literal = f.literal;
            r.wait = f.literal_wait;
            if (!accept || !imap_framer_literal_fits(&f))
                return r;
            imap_framer_accept(&f);
        } else if (r.frame != FRAME_MORE) {
            return r;
        }
    }
    return r;
}

static const struct {
    const char *name;
    str_t text;
    bool accept;
    enum imap_frame frame;
    size_t used;
} cases[] = {
    { "crlf", STR("a NOOP\r\nb"), true, FRAME_COMMAND, 8 },
    { "bare lf", STR("a NOOP\nb"), true, FRAME_COMMAND, 7 },
    { "no end", STR("a NOOP"), true, FRAME_MORE, 0 },
    { "empty line", STR("\r\n"), true, FRAME_COMMAND, 2 },
    { "literal stops", STR("a LOGIN {3}\r\n"), false, FRAME_LITERAL, 13 },
    { "literal within", STR("a LOGIN {3}\r\nabc x\r\n"), true, FRAME_COMMAND, 20 },
    { "line end in literal", STR("a LOGIN {4}\r\na\r\nb x\r\n"), true, FRAME_COMMAND,
      21 },
    { "literal spec in literal", STR("a X {5}\r\n{99}\n y\r\n"), true, FRAME_COMMAND,
      18 },
    { "two literals", STR("a X {1+}\r\na {1+}\nb\r\n"), true, FRAME_COMMAND, 20 },
    { "quoted brace", STR("a X \"{3}\"\r\n"), true, FRAME_COMMAND, 11 },
    { "no digits", STR("a X {}\r\n"), true, FRAME_COMMAND, 8 },
    { "only plus", STR("a X {+}\r\n"), true, FRAME_COMMAND, 9 },
    { "too many digits", STR("a X {99999999999999999999999}\r\n"), true, FRAME_LITERAL,
      31 },
    { "over 32 bits", STR("a X {4294967296}\r\n"), true, FRAME_LITERAL, 18 },
    { "over 32 bits, not waiting", STR("a X {4294967296+}\r\n"), true, FRAME_LITERAL,
      19 },
    { "leading zeros", STR("a X {00000000000000000000001}\r\nb\r\n"), true, FRAME_COMMAND,
      34 },
    { "too big stays", STR("a X {1000}\r\n"), true, FRAME_LITERAL, 12 },
    { "long line",
      STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
      true, FRAME_TOO_LONG, 0 },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct result r = feed(cases[i].text, cases[i].accept);

        print_message("%s\n", cases[i].name);
        assert_int_equal(r.frame, cases[i].frame);
        if (cases[i].used > 0)
            assert_int_equal(r.used, cases[i].used);
    }
}

static void test_literal_kinds(void **state)
{
    struct result r = feed(S("a X {12}\r\n"), false);

    (void)state;
    assert_int_equal(r.literal, 12);
    assert_true(r.wait);
    r = feed(S("a X {4294967295}\r\n"), false);
    assert_int_equal(r.literal, 4294967295);
    r = feed(S("a X {4294967296}\r\n"), false);
    assert_true(r.literal == FRAME_LITERAL_HUGE && r.wait);
    r = feed(S("a X {4294967296+}\r\n"), false);
    assert_true(r.literal == FRAME_LITERAL_HUGE && !r.wait);
    r = feed(S("a X {12+}\r\n"), false);
    assert_int_equal(r.literal, 12);
    assert_false(r.wait);
}

#define ZEROS "0000000000000000000000000000000000000000"

/* What of a refused command is passed over, and what stays to be read as the next one. */
static const struct {
    const char *name;
    uint64_t literal;
    str_t text;
    const char *next; /* NULL: more must come */
} skips[] = {
    { "a line", 0, STR("rest of it\r\nb NOOP\r\n"), "b NOOP\r\n" },
    { "a literal", 3, STR("\nx\n tail\r\nb NOOP\r\n"), "b NOOP\r\n" },
    { "literals in a row", 1, STR("a {3+}\r\nb X {2+}\nc  d\r\ne NOOP\r\n"),
      "e NOOP\r\n" },
    { "one that waits is not sent", 0, STR("x {17}\r\nb NOOP\r\n"), "b NOOP\r\n" },
    { "a literal that looks like commands", 18,
      STR("y DELETE Victim\r\n\n\r\nb NOOP\r\n"), "b NOOP\r\n" },
    { "a long line that announces", 0,
      STR(ZEROS ZEROS ZEROS " {8+}\r\ny X\r\ny X\r\nb NOOP\r\n"), "b NOOP\r\n" },
    { "no end yet", 0, STR(ZEROS ZEROS), NULL },
    { "literal without end", 1000, STR(ZEROS "\r\n"), NULL },
    { "digits without end", 0, STR("{" ZEROS ZEROS "5+}\r\ny X\r\n"), NULL },
};

/* In two pieces that meet at `split`; the caller drops what it is told. */
static void skip_split(size_t i, size_t split)
{
    struct imap_framer f;
    str_t text = skips[i].text;
    size_t at = 0, ends[] = { split, text.n };
    bool done = false;

    imap_framer_init(&f, LIMIT);
    imap_framer_skip_from(&f, skips[i].literal);
    for (size_t k = 0; k < 2 && !done; k++)
        at += imap_framer_skip(&f, text.p + at, ends[k] - at, &done);
    if (skips[i].next == NULL) {
        assert_false(done);
        return;
    }
    assert_true(done);
    assert_true(str_eq(str_skip(text, at), str_of(skips[i].next)));
}

static void test_skips(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(skips); i++) {
        print_message("%s\n", skips[i].name);
        for (size_t split = 0; split <= skips[i].text.n; split++)
            skip_split(i, split);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_literal_kinds),
        cmocka_unit_test(test_skips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
