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
    { "too many digits", STR("a X {99999999999}\r\n"), true, FRAME_TOO_LONG, 0 },
    { "over 32 bits", STR("a X {4294967296}\r\n"), true, FRAME_TOO_LONG, 0 },
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
    r = feed(S("a X {12+}\r\n"), false);
    assert_int_equal(r.literal, 12);
    assert_false(r.wait);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_literal_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
