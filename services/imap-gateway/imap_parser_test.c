/* imap_parser_test.c - words, strings, literals. */
#include "imap_parser.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;

static struct imap_parser over(const char *text)
{
    struct imap_parser in;

    imap_parser_init(&in, arena, str_of(text));
    return in;
}

static void is_text(str_t got, const char *wanted)
{
    assert_int_equal(got.n, strlen(wanted));
    assert_memory_equal(got.p, wanted, got.n);
}

/* What an astring reads, NULL: refused. */
static const struct {
    const char *text;
    const char *value;
} astrings[] = {
    { "abc def", "abc" },
    { "a]b", "a]b" },
    { "\"a b\"", "a b" },
    { "\"a\\\"b\\\\c\"", "a\"b\\c" },
    { "\"\"", "" },
    { "{3}\r\nabcd", "abc" },
    { "{3+}\nabcd", "abc" },
    { "{0}\r\n", "" },
    { "pass\xc3\xa9", "pass" },
    { "\"p\xc3\xa9\"", "p\xc3\xa9" },
    { "\"a", NULL },
    { "\"a\\n\"", NULL },
    { "\"a\nb\"", NULL },
    { "\"a\\\"", NULL },
    { "{9}\r\nabc", NULL },
    { "{x}\r\nabc", NULL },
    { "(", NULL },
    { "", NULL },
};

static void test_astrings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(astrings); i++) {
        struct imap_parser in = over(astrings[i].text);
        const char *start = in.p;
        str_t value;

        print_message("%s\n", astrings[i].text);
        if (imap_parser_astring(&in, &value)) {
            assert_non_null(astrings[i].value);
            is_text(value, astrings[i].value);
        } else {
            assert_null(astrings[i].value);
            assert_ptr_equal(in.p, start);
        }
    }
}

static void test_nul_in_literal(void **state)
{
    struct imap_parser in;
    str_t value;

    (void)state;
    imap_parser_init(&in, arena, S("{3}\r\na\0b"));
    assert_false(imap_parser_astring(&in, &value));
}

static void test_login_line(void **state)
{
    struct imap_parser in = over("A1 LOGIN \"a@b\"  \"p w\" \r\n");
    str_t tag, user = { 0 }, password = { 0 };

    (void)state;
    assert_true(imap_parser_tag(&in, &tag));
    is_text(tag, "A1");
    assert_true(imap_parser_space(&in));
    assert_false(imap_parser_word(&in, S("NOOP")));
    assert_true(imap_parser_word(&in, S("login")));
    assert_true(imap_parser_space(&in) && imap_parser_astring(&in, &user));
    assert_true(imap_parser_space(&in) && imap_parser_astring(&in, &password));
    is_text(user, "a@b");
    is_text(password, "p w");
    assert_true(imap_parser_end(&in));
}

static void test_pieces(void **state)
{
    struct imap_parser in = over("\\Seen BODY.PEEK[ 1:*,4 NIL INBOX.% +x");
    str_t text;

    (void)state;
    assert_true(imap_parser_flag(&in, &text));
    is_text(text, "\\Seen");
    imap_parser_skip_spaces(&in);
    assert_true(imap_parser_name(&in, &text));
    is_text(text, "BODY.PEEK");
    assert_true(imap_parser_char(&in, '[') && imap_parser_space(&in));
    assert_true(imap_parser_set_text(&in, &text));
    is_text(text, "1:*,4");
    imap_parser_skip_spaces(&in);
    assert_true(imap_parser_nstring(&in, &text));
    assert_null(text.p);
    imap_parser_skip_spaces(&in);
    assert_true(imap_parser_pattern(&in, &text));
    is_text(text, "INBOX.%");
    imap_parser_skip_spaces(&in);
    assert_false(imap_parser_tag(&in, &text));
    assert_false(imap_parser_end(&in));
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_astrings),
        cmocka_unit_test(test_nul_in_literal),
        cmocka_unit_test(test_login_line),
        cmocka_unit_test(test_pieces),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
