/* message_edit_test.c - what wishes make of a message, and which are refused. */
#include "mail/message_edit.h"

#include "base/arena.h"
#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define MESSAGE                                                                          \
    "From: <a@b.example>\r\nX-A: one\r\nSubject: [...]\r\nx-a: two\r\n folded\r\n\r\n"   \
    "first\r\nsecond\r\n"

static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct message_edit *edit(void)
{
    struct message_edit *e = message_edit_new(arena, S(MESSAGE));

    assert_non_null(e);
    return e;
}

static void becomes(struct message_edit *e, const char *header, const char *body)
{
    str_t h, b;

    assert_int_equal(message_edit_finish(e, 1000000, &h, &b), RC_OK);
    if (!str_eq(h, str_of(header)) || !str_eq(b, str_of(body)))
        fail_msg("\"%.*s\" \"%.*s\"", STR_ARG(h), STR_ARG(b));
}

static void nothing_is_changed_without_a_wish(void **state)
{
    struct message_edit *e = edit();

    (void)state;
    assert_int_equal(message_edit_remove(e, S("X-None")), RC_OK);
    assert_int_equal(message_edit_change(e, 1, S("X-None"), S("")), RC_OK);
    assert_false(message_edit_is_changed(e));
    becomes(e,
            "From: <a@b.example>\r\nX-A: one\r\nSubject: [...]\r\nx-a: two\r\n "
            "folded\r\n\r\n",
            "first\r\nsecond\r\n");
}

static void fields_are_inserted_changed_and_removed(void **state)
{
    struct message_edit *e = edit();

    (void)state;
    assert_int_equal(message_edit_insert(e, 0, S("X-First"), S("1")), RC_OK);
    assert_int_equal(message_edit_insert(e, 2, S("X-Third"), S("a\n\tb")), RC_OK);
    assert_int_equal(message_edit_insert(e, MESSAGE_EDIT_LAST, S("X-Last"), S(" 9\r\n")),
                     RC_OK);
    assert_int_equal(message_edit_change(e, 2, S("X-A"), S("TWO")), RC_OK);
    assert_int_equal(message_edit_change(e, 3, S("X-A"), S("three")), RC_OK);
    assert_int_equal(message_edit_change(e, 1, S("subject"), S("")), RC_OK);
    assert_true(message_edit_is_changed(e));
    becomes(e,
            "X-First: 1\r\nFrom: <a@b.example>\r\nX-Third: a\r\n\tb\r\nX-A: one\r\n"
            "X-A: TWO\r\nX-Last: 9\r\nX-A: three\r\n\r\n",
            "first\r\nsecond\r\n");
    assert_int_equal(message_edit_remove(e, S("x-A")), RC_OK);
    becomes(e,
            "X-First: 1\r\nFrom: <a@b.example>\r\nX-Third: a\r\n\tb\r\nX-Last: 9\r\n\r\n",
            "first\r\nsecond\r\n");
}

static void what_would_end_a_field_is_refused(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        { "", "x" },
        { "X Y", "x" },
        { "X:Y", "x" },
        { "X\r\nY", "x" },
        { "\xc3\xbc", "x" },
        { "X", "a\r\nBcc: b" },
        { "X", "a\nb" },
        { "X", "a\rb" },
        { "X", "a\r\n \r\n b" }, /* a line of blanks is the end of the header to some */
        { "X", "a\r\n\r\nbody" },
    };
    struct message_edit *e = edit();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t name = str_of(cases[i].name), value = str_of(cases[i].value);

        assert_int_equal(message_edit_insert(e, 0, name, value), RC_INVALID);
        assert_int_equal(message_edit_change(e, 1, name, value), RC_INVALID);
    }
    assert_int_equal(message_edit_insert(e, 0, S("X"), S("a\0b")), RC_INVALID);
    assert_int_equal(message_edit_remove(e, S("")), RC_INVALID);
    assert_false(message_edit_is_changed(e));
}

static void bodies(void **state)
{
    static const struct {
        str_t body;
        const char *becomes; /* NULL: refused */
    } cases[] = {
        { STR("other\r\n"), "other\r\n" }, { STR(""), "" },
        { STR("a\nb"), "a\r\nb\r\n" },     { STR("\n\r\n\n"), "\r\n\r\n\r\n" },
        { STR("a\rb\r\n"), NULL },         { STR("a\r\r\n"), NULL },
        { STR("a\0b\r\n"), NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct message_edit *e = edit();
        enum rc rc = message_edit_body(e, cases[i].body, 1000);
        str_t h, b;

        assert_int_equal(rc, cases[i].becomes != NULL ? RC_OK : RC_INVALID);
        assert_int_equal(message_edit_is_changed(e), rc == RC_OK);
        assert_int_equal(message_edit_finish(e, 1000, &h, &b), RC_OK);
        if (rc == RC_OK)
            assert_true(str_eq(b, str_of(cases[i].becomes)));
    }
}

static void a_hidden_field_counts_and_is_not_there(void **state)
{
    struct message_edit *e = edit();

    (void)state;
    message_edit_hide(e, S("X-A"));
    assert_false(message_edit_is_changed(e));
    assert_int_equal(message_edit_insert(e, 1, S("X-Top"), S("1")), RC_OK);
    assert_int_equal(message_edit_change(e, 2, S("X-A"), S("")), RC_OK);
    becomes(e,
            "X-Top: 1\r\nFrom: <a@b.example>\r\nSubject: [...]\r\nx-a: two\r\n "
            "folded\r\n\r\n",
            "first\r\nsecond\r\n");
    assert_int_equal(message_edit_change(e, 1, S("X-A"), S("seen")), RC_OK);
    becomes(
        e,
        "X-A: seen\r\nX-Top: 1\r\nFrom: <a@b.example>\r\nSubject: [...]\r\nx-a: two\r\n "
        "folded\r\n\r\n",
        "first\r\nsecond\r\n");
}

static void everything_has_an_end(void **state)
{
    struct message_edit *e = edit();
    char *many = arena_alloc(arena, HEADER_MAX_BYTES);
    str_t h, b, line = str_n(many, MESSAGE_EDIT_LINE_MAX_BYTES - 2);

    (void)state;
    memset(many, 'x', HEADER_MAX_BYTES);
    assert_int_equal(message_edit_insert(e, 0, S("X"), str_n(many, HEADER_MAX_BYTES)),
                     RC_LIMIT);
    assert_int_equal(message_edit_body(e, line, 10000), RC_OK);
    assert_int_equal(message_edit_body(e, line, line.n), RC_LIMIT);
    line.n++;
    assert_int_equal(message_edit_body(e, line, 10000), RC_LIMIT);
    assert_int_equal(message_edit_finish(e, 8000, &h, &b), RC_LIMIT);
    assert_int_equal(message_edit_finish(e, 9000, &h, &b), RC_OK);
    for (int i = 0; i < MESSAGE_EDIT_WISHES_MAX; i++)
        assert_int_equal(message_edit_insert(e, 0, S("X"), str_n(many, 300)), RC_OK);
    assert_int_equal(message_edit_insert(e, 0, S("X"), S("x")), RC_LIMIT);
    assert_int_equal(message_edit_finish(e, 1000000, &h, &b), RC_LIMIT);
    assert_null(message_edit_new(arena, S("no field\r\n\r\n")));
}

static void a_header_without_end_gets_one(void **state)
{
    struct message_edit *e = message_edit_new(arena, S("From: <a@b.example>"));

    (void)state;
    assert_non_null(e);
    assert_int_equal(message_edit_insert(e, MESSAGE_EDIT_LAST, S("X"), S("")), RC_OK);
    becomes(e, "From: <a@b.example>\r\nX: \r\n\r\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_changed_without_a_wish, begin, end),
        cmocka_unit_test_setup_teardown(fields_are_inserted_changed_and_removed, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_would_end_a_field_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(bodies, begin, end),
        cmocka_unit_test_setup_teardown(a_hidden_field_counts_and_is_not_there, begin,
                                        end),
        cmocka_unit_test_setup_teardown(everything_has_an_end, begin, end),
        cmocka_unit_test_setup_teardown(a_header_without_end_gets_one, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
