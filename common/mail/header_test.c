/* header_test.c - fields, folds, limits and what is no header. */
#include "mail/header.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const str_t message = STR("From: a@b\r\nSubject : one\r\n "
                                 "two\r\n\tthree\r\nX:\r\nfrom: c@d\r\n\r\nbody: x\r\n");

static void fields_in_order(void **state)
{
    struct arena *a = arena_new();
    struct header_field f;
    struct header_iter it;

    (void)state;
    header_init(&it, message);
    assert_true(header_next(&it, &f));
    assert_true(str_eq(f.name, S("From")) && str_eq(f.value, S(" a@b")));
    assert_true(str_eq(f.whole, S("From: a@b\r\n")));
    assert_true(header_next(&it, &f));
    assert_true(str_eq(f.name, S("Subject")));
    assert_true(str_eq(f.whole, S("Subject : one\r\n two\r\n\tthree\r\n")));
    assert_true(str_eq(header_unfold(a, f.value), S("one two\tthree")));
    assert_true(header_next(&it, &f));
    assert_true(str_eq(f.name, S("X")) && f.value.n == 0);
    assert_true(header_next(&it, &f));
    assert_false(header_next(&it, &f));
    assert_true(str_eq(str_skip(message, header_end(message)), S("body: x\r\n")));
    assert_int_equal(header_count(message, S("FROM")), 2);
    assert_int_equal(header_count(message, S("body")), 0);
    assert_true(header_value(a, message, S("none")).p == NULL);
    assert_true(str_eq(header_value(a, message, S("from")), S("a@b")));
    arena_free(&a);
}

static void where_the_body_begins(void **state)
{
    static const struct {
        str_t message;
        size_t end;
    } cases[] = {
        { STR(""), 0 },
        { STR("\r\nx"), 2 },
        { STR("\nx"), 1 },
        { STR("A: b"), 4 },
        { STR("A: b\r\n"), 6 },
        { STR("A: b\r\n\r\n"), 8 },
        { STR("A: b\n\nx"), 6 },
        { STR("A: b\r\n \r\nC: d\r\n\r\n"), 17 }, /* a fold of blanks is no empty line */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(header_end(cases[i].message), cases[i].end);
}

static void check_refuses_what_readers_read_differently(void **state)
{
    static const struct {
        str_t message;
        enum rc rc;
    } cases[] = {
        { STR("A: b\r\n\r\n"), RC_OK },
        { STR("A: b\r\n"), RC_OK },
        { STR("A: b\r\nrubbish\r\nFrom: x\r\n\r\n"), RC_INVALID },
        { STR("From a@b Mon Jan 1\r\nA: b\r\n\r\n"), RC_INVALID },
        { STR(" fold first\r\nA: b\r\n\r\n"), RC_INVALID },
        { STR(": b\r\n\r\n"), RC_INVALID },
        { STR("A b: c\r\n\r\n"), RC_INVALID },
        { STR("A : b\r\n\r\n"), RC_INVALID },
        { STR("A\t: b\r\n\r\n"), RC_INVALID },
        { STR("A\xc3\xa4: c\r\n\r\n"), RC_INVALID },
        { STR("A: c\0d\r\n\r\n"), RC_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(header_check(cases[i].message), cases[i].rc);
}

static void limits(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 2 * HEADER_MAX_BYTES);
    for (int i = 0; i < HEADER_MAX_FIELDS; i++)
        buf_puts(&b, "A: b\r\n");
    buf_puts(&b, "\r\nbody");
    assert_int_equal(header_check(buf_str(&b)), RC_OK);
    buf_truncate(&b, b.n - 6);
    buf_puts(&b, "A: b\r\n\r\n");
    assert_int_equal(header_check(buf_str(&b)), RC_LIMIT);
    assert_int_equal(header_count(buf_str(&b), S("A")), HEADER_MAX_FIELDS);
    buf_clear(&b);
    buf_puts(&b, "A: ");
    while (b.n < HEADER_MAX_BYTES - 4)
        buf_putc(&b, 'x');
    buf_puts(&b, "\r\n\r\n");
    assert_int_equal(header_check(buf_str(&b)), RC_OK);
    buf_clear(&b);
    buf_puts(&b, "A: ");
    while (b.n < HEADER_MAX_BYTES)
        buf_putc(&b, 'x');
    buf_puts(&b, "\r\n\r\n");
    assert_int_equal(header_check(buf_str(&b)), RC_LIMIT);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_in_order),
        cmocka_unit_test(where_the_body_begins),
        cmocka_unit_test(check_refuses_what_readers_read_differently),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
