/* fetch_plan_test.c - what FETCH's arguments mean. */
#include "fetch_plan.h"
#include "view.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    const char *text;
    enum rc rc;
    const char *labels;
    enum fetch_need need;
    bool streams, seen;
} cases[] = {
    { " FLAGS", RC_OK, "FLAGS ", FETCH_ROW, false, false },
    { " (FLAGS BODY.PEEK[])", RC_OK, "FLAGS BODY[] ", FETCH_ROW, true, false },
    { " (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)])", RC_OK,
      "UID RFC822.SIZE BODY[HEADER.FIELDS (MESSAGE-ID DATE)] ", FETCH_HEADER, false,
      false },
    { " (BODY[])", RC_OK, "BODY[] FLAGS ", FETCH_ROW, true, true },
    { " BODY[1.2.MIME]<3.10>", RC_OK, "BODY[1.2.MIME]<3> FLAGS ", FETCH_MESSAGE, false,
      true },
    { " BODY", RC_OK, "BODY ", FETCH_MESSAGE, false, false },
    { " RFC822", RC_OK, "RFC822 FLAGS ", FETCH_ROW, true, true },
    { " RFC822.HEADER", RC_OK, "RFC822.HEADER ", FETCH_HEADER, false, false },
    { " ALL", RC_OK, "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE ", FETCH_HEADER, false,
      false },
    { " FULL", RC_OK, "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY ", FETCH_MESSAGE,
      false, false },
    { " body.peek[header]", RC_OK, "BODY[HEADER] ", FETCH_HEADER, false, false },
    { " ()", RC_INVALID, NULL, 0, false, false },
    { " (FLAGS", RC_INVALID, NULL, 0, false, false },
    { " BODY[", RC_INVALID, NULL, 0, false, false },
    { " BODY[]<1.0>", RC_INVALID, NULL, 0, false, false },
    { " BODY[]<1>", RC_INVALID, NULL, 0, false, false },
    { " X", RC_INVALID, NULL, 0, false, false },
    { " FLAGS x", RC_INVALID, NULL, 0, false, false },
    { "", RC_INVALID, NULL, 0, false, false },
};

static void test_cases(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fetch_plan *plan = arena_alloc(a, sizeof *plan);
        struct buf *labels = arena_buf(a, 1000);
        struct imap_parser in;
        enum rc rc;

        print_message("%s\n", cases[i].text);
        imap_parser_init(&in, a, str_of(cases[i].text));
        rc = fetch_plan_read(&in, false, plan);
        assert_int_equal(rc, cases[i].rc);
        if (rc != RC_OK)
            continue;
        for (size_t k = 0; k < plan->count; k++) {
            fetch_plan_label(labels, &plan->items[k]);
            buf_putc(labels, ' ');
        }
        assert_string_equal(arena_cstr(a, buf_str(labels)), cases[i].labels);
        assert_int_equal(plan->need, cases[i].need);
        assert_int_equal(plan->streams, cases[i].streams);
        assert_int_equal(plan->sets_seen, cases[i].seen);
    }
    arena_free(&a);
}

static void test_uid_is_added(void **state)
{
    struct arena *a = arena_new();
    struct fetch_plan plan;
    struct imap_parser in;

    (void)state;
    imap_parser_init(&in, a, S(" FLAGS"));
    assert_int_equal(fetch_plan_read(&in, true, &plan), RC_OK);
    assert_int_equal(plan.count, 2);
    imap_parser_init(&in, a, S(" (UID FLAGS)"));
    assert_int_equal(fetch_plan_read(&in, true, &plan), RC_OK);
    assert_int_equal(plan.count, 2);
    arena_free(&a);
}

/* As many as the line holds, quoted or not. */
static void test_many_field_names(void **state)
{
    enum { NAMES = 10000 };
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 100000), *label = arena_buf(a, 100000);
    struct fetch_plan plan;
    struct imap_parser in;

    (void)state;
    buf_puts(text, " BODY.PEEK[HEADER.FIELDS (");
    for (int i = 0; i < NAMES; i++)
        buf_printf(text, i % 2 ? "%sX%d" : "%s\"X%d\"", i > 0 ? " " : "", i);
    buf_puts(text, ")]");
    imap_parser_init(&in, a, buf_str(text));
    assert_int_equal(fetch_plan_read(&in, false, &plan), RC_OK);
    assert_int_equal(plan.items[0].section.field_count, NAMES);
    fetch_plan_label(label, &plan.items[0]);
    assert_true(str_ends_nocase(buf_str(label), S(" X9998 X9999)]")));
    arena_free(&a);
}

static void test_slices(void **state)
{
    struct fetch_item item = { .partial = true, .first = 2, .length = 3 };

    (void)state;
    assert_true(str_eq(fetch_plan_slice(&item, S("abcdefg")), S("cde")));
    assert_true(str_eq(fetch_plan_slice(&item, S("abc")), S("c")));
    assert_int_equal(fetch_plan_slice(&item, S("a")).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_uid_is_added),
        cmocka_unit_test(test_many_field_names),
        cmocka_unit_test(test_slices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
