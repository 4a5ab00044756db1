/* mxdeliv_form_test.c - a table of header values. */
#include "mxdeliv_form.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const struct {
    const char *name;
    str_t from;
    str_t to;
    const char *refusal; /* NULL: it is taken */
    bool utf8;
} rows[] = {
    { "plain", STR("a@b.example"), STR("c@d.example"), NULL, false },
    { "null sender", STR(""), STR("c@d.example"), NULL, false },
    { "blanks around", STR(" a@b.example "), STR("\tc@d.example "), NULL, false },
    { "literal", STR("a@[192.0.2.1]"), STR("c@[192.0.2.2]"), NULL, false },
    { "quoted", STR("\"a b>\"@b.example"), STR("c@d.example"), NULL, false },
    { "postmaster", STR(""), STR("postmaster"), NULL, false },
    { "not ASCII", STR("\xc3\xa4@b.example"), STR("c@d.example"), NULL, true },
    { "not UTF-8", STR("\xff@b.example"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "postmaster sends", STR("postmaster"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "angle brackets", STR("<a@b.example>"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "a parameter", STR("a@b.example> SIZE=1"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "a parameter and an end", STR("a@b.example> X=<"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "NUL", STR("a@b.example\0"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "a line", STR("a@b.example>\r\nRCPT TO:<x@y.example"), STR("c@d.example"),
      "501 5.1.7 Invalid address in MAIL FROM", false },
    { "nobody", STR("a@b.example"), STR(""), "501 5.1.3 Bad recipient address syntax",
      false },
    { "two in one", STR("a@b.example"), STR("c@d.example, e@f.example"),
      "501 5.1.3 Bad recipient address syntax", false },
    { "recipient with a parameter", STR("a@b.example"), STR("c@d.example> NOTIFY=NEVER"),
      "501 5.1.3 Bad recipient address syntax", false },
};

static void expect(const char *name, const char *got, const char *expected)
{
    if ((got == NULL) != (expected == NULL) ||
        (got != NULL && strcmp(got, expected) != 0))
        fail_msg("%s: %s", name, got == NULL ? "taken" : got);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *a = arena_new();
        struct mxdeliv_form form;

        expect(rows[i].name,
               mxdeliv_form_read(a, &rows[i].from, 1, &rows[i].to, 1, &form),
               rows[i].refusal);
        if (rows[i].refusal == NULL) {
            assert_true(str_eq(form.sender, str_trim(rows[i].from)));
            assert_int_equal(form.recipient_count, 1);
            assert_true(str_eq(form.recipients[0], str_trim(rows[i].to)));
            assert_int_equal(form.utf8, rows[i].utf8);
        }
        arena_free(&a);
    }
}

/* What is no line of SMTP is told what port 25 says of it. */
static void test_how_long(void **state)
{
    struct arena *a = arena_new();
    str_t to = S("a@b.example"), from;
    struct mxdeliv_form form;
    char text[MXDELIV_FORM_ADDRESS_BYTES + 1];

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - to.n, "a@b.example", to.n);
    from = str_n(text, sizeof(text));
    expect("too long", mxdeliv_form_read(a, &from, 1, &to, 1, &form),
           "500 5.5.2 Line too long");
    from = str_skip(from, 1);
    expect("long", mxdeliv_form_read(a, &from, 1, &to, 1, &form), NULL);
    from = str_n(text, sizeof(text));
    expect("recipient too long", mxdeliv_form_read(a, &to, 1, &from, 1, &form),
           "500 5.5.2 Line too long");
    arena_free(&a);
}

static void test_how_many(void **state)
{
    str_t many[MXDELIV_FORM_RECIPIENTS_MAX + 1];
    struct arena *a = arena_new();
    struct mxdeliv_form form;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = S("a@b.example");
    expect("no sender", mxdeliv_form_read(a, NULL, 0, many, 1, &form), NULL);
    expect("two senders", mxdeliv_form_read(a, many, 2, many, 1, &form),
           "501 5.5.4 More than one X-MAIL-FROM");
    expect("no recipient", mxdeliv_form_read(a, many, 1, many, 0, &form),
           "503 5.5.1 Bad sequence of commands: need RCPT");
    expect("all", mxdeliv_form_read(a, many, 1, many, ARRAY_LEN(many) - 1, &form), NULL);
    assert_int_equal(form.recipient_count, MXDELIV_FORM_RECIPIENTS_MAX);
    expect("one too many", mxdeliv_form_read(a, many, 1, many, ARRAY_LEN(many), &form),
           "452 4.5.3 Too many recipients");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
                                        cmocka_unit_test(test_how_long),
                                        cmocka_unit_test(test_how_many) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
