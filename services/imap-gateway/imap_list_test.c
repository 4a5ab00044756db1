/* imap_list_test.c - what LIST asks for, and how long it may be. */
#include "imap_list.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;
static struct imap_list_request request;

static enum rc read_text(const char *text)
{
    struct imap_cmd cmd = { .arena = arena };

    imap_parser_init(&cmd.args, arena, str_of(text));
    if (imap_list_read(&cmd, &request))
        return RC_OK;
    return cmd.args.code != NULL ? RC_LIMIT : RC_INVALID;
}

static void test_the_reference_stands_before_each_pattern(void **state)
{
    (void)state;
    assert_int_equal(read_text(" \"a.\" (% \"b*\")\r\n"), RC_OK);
    assert_int_equal(request.pattern_count, 2);
    assert_true(str_eq(request.patterns[0], S("a.%")));
    assert_true(str_eq(request.patterns[1], S("a.b*")));
    assert_int_equal(read_text(" \"\" inbox\r\n"), RC_OK);
    assert_true(str_eq(request.patterns[0], S("INBOX")));
    assert_int_equal(read_text(" in BOX\r\n"), RC_OK);
    assert_true(str_eq(request.patterns[0], S("INBOX")));
    assert_false(request.only_separator);
}

static void test_an_empty_pattern_asks_for_the_separator(void **state)
{
    (void)state;
    assert_int_equal(read_text(" \"\" \"\"\r\n"), RC_OK);
    assert_true(request.only_separator);
    assert_int_equal(read_text(" a \"\"\r\n"), RC_OK);
    assert_true(request.only_separator);
    assert_int_equal(read_text(" \"\" (\"\" \"\")\r\n"), RC_OK);
    assert_false(request.only_separator);
    assert_int_equal(read_text(" a\r\n"), RC_INVALID);
}

/* So many bytes of reference before each of the patterns, which are one byte long. */
static enum rc read_long(size_t reference, size_t patterns)
{
    struct buf *text = arena_buf(arena, reference + 3 * patterns + 100);

    buf_puts(text, " ");
    for (size_t i = 0; i < reference; i++)
        buf_putc(text, 'a');
    buf_puts(text, " (");
    for (size_t i = 0; i < patterns; i++)
        buf_puts(text, i == 0 ? "*" : " *");
    buf_puts(text, ")\r\n");
    return read_text(arena_cstr(arena, buf_str(text)));
}

static void test_reference_times_patterns_is_limited(void **state)
{
    (void)state;
    assert_int_equal(read_long(IMAP_LIST_BYTES - 1, 1), RC_OK);
    assert_int_equal(read_long(IMAP_LIST_BYTES, 1), RC_LIMIT);
    assert_int_equal(read_long(IMAP_LIST_BYTES / 4 - 1, 4), RC_OK);
    assert_int_equal(read_long(IMAP_LIST_BYTES / 4, 4), RC_LIMIT);
    assert_int_equal(read_long(60000, IMAP_LIST_PATTERNS), RC_LIMIT);
    assert_int_equal(read_long(1, IMAP_LIST_PATTERNS + 1), RC_LIMIT);
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
        cmocka_unit_test(test_the_reference_stands_before_each_pattern),
        cmocka_unit_test(test_an_empty_pattern_asks_for_the_separator),
        cmocka_unit_test(test_reference_times_patterns_is_limited),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
