/* mime_test.c - types, trees with all their bytes accounted for, and the price of bombs.
 */
#include "mail/mime.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void types(void **state)
{
    static const struct {
        const char *value;
        enum rc rc;
        const char *type, *subtype, *name, *param; /* one parameter */
    } cases[] = {
        { "text/plain", RC_OK, "text", "plain", NULL, NULL },
        { " Text/Plain; Charset=utf-8", RC_OK, "text", "plain", "charset", "utf-8" },
        { "a/b;\r\n\tc=\"d \\\" e\"", RC_OK, "a", "b", "c", "d \" e" },
        { "a/b; c=\"x;y\" (note); d=1", RC_OK, "a", "b", "d", "1" },
        { "a/b; boundary==_x/y?z=", RC_OK, "a", "b", "boundary", "=_x/y?z=" },
        { "a/b;;c=d;", RC_OK, "a", "b", "c", "d" },
        { "(comment) a / b", RC_OK, "a", "b", NULL, NULL },
        { "a", RC_INVALID, "", "", NULL, NULL },
        { "", RC_INVALID, "", "", NULL, NULL },
        { "/b", RC_INVALID, "", "", NULL, NULL },
        { "a/b c", RC_INVALID, "a", "b", NULL, NULL },
        { "a/b; c", RC_INVALID, "a", "b", NULL, NULL },
        { "a/b; c=\"d", RC_INVALID, "a", "b", NULL, NULL },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mime_type t;
        str_t value;

        assert_int_equal(mime_type_parse(a, str_of(cases[i].value), &t), cases[i].rc);
        assert_true(mime_type_is(&t, cases[i].type, cases[i].subtype));
        if (cases[i].name != NULL) {
            assert_true(mime_type_param(&t, cases[i].name, &value));
            assert_true(str_eq(value, str_of(cases[i].param)));
        }
    }
    arena_free(&a);
}

static const str_t nested = STR("Content-Type: multipart/mixed; boundary=o\r\n"
                                "\r\n"
                                "pre\r\n"
                                "--o\r\n"
                                "Content-Type: multipart/alternative; boundary=i\r\n"
                                "\r\n"
                                "--i\r\n"
                                "\r\n"
                                "one\r\n"
                                "two\r\n"
                                "--i \t\r\n"
                                "Content-Type: text/html\r\n"
                                "Content-Transfer-Encoding: BASE64\r\n"
                                "\r\n"
                                "eA==\r\n"
                                "--i--\r\n"
                                "inner epilogue\r\n"
                                "--o\r\n"
                                "Content-Type: message/rfc822\r\n"
                                "\r\n"
                                "Subject: x\r\n"
                                "\r\n"
                                "body\r\n"
                                "--o--\r\n"
                                "post\r\n");

static void a_tree(void **state)
{
    struct arena *a = arena_new();
    struct mime_tree t;
    struct mime_part *p;

    (void)state;
    mime_tree_parse(a, nested, &t);
    p = t.parts;
    assert_int_equal(t.count, 6);
    assert_false(t.truncated);
    assert_true(p[0].is_multipart && p[0].closed && p[0].children == 2);
    assert_int_equal(p[0].first, 1);
    assert_true(p[1].is_multipart && p[1].closed && p[1].children == 2);
    assert_int_equal(p[1].next, 4);
    assert_true(str_eq(p[2].header, S("\r\n")) && str_eq(p[2].body, S("one\r\ntwo")));
    assert_int_equal(p[2].lines, 1);
    assert_false(p[2].type_given);
    assert_true(mime_type_is(&p[2].type, "text", "plain"));
    assert_true(mime_type_is(&p[3].type, "text", "html"));
    assert_int_equal(p[3].encoding, MIME_BASE64);
    assert_true(str_eq(p[3].body, S("eA==")));
    assert_int_equal(p[3].next, 0);
    assert_true(p[4].is_message && p[4].children == 1 && p[4].first == 5);
    assert_true(str_eq(p[4].body, S("Subject: x\r\n\r\nbody")));
    assert_int_equal(p[4].lines, 2);
    assert_true(str_eq(p[5].header, S("Subject: x\r\n\r\n")));
    assert_true(str_eq(p[5].body, S("body")));
    assert_int_equal(p[5].depth, 2);
    arena_free(&a);
}

static void odd_messages(void **state)
{
    static const struct {
        const char *name;
        str_t message;
        size_t count;
        size_t children;
        str_t first_body; /* of part 1, if there is one */
    } cases[] = {
        { "empty", STR(""), 1, 0, STR("") },
        { "no empty line", STR("A: b\r\n"), 1, 0, STR("") },
        { "never closed",
          STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n"), 2, 1,
          STR("x\r\n") },
        { "delimiter ends the header",
          STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: "
              "b\r\n--b--\r\n"),
          2, 1, STR("") },
        { "boundary is a prefix",
          STR("Content-Type: multipart/mixed; "
              "boundary=b\r\n\r\n--b\r\n\r\nx\r\n--bb\r\ny\r\n"
              "--b--\r\n"),
          2, 1, STR("x\r\n--bb\r\ny") },
        { "after the end nothing opens",
          STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
              "--b\r\n\r\ny\r\n"),
          2, 1, STR("x") },
        { "no boundary", STR("Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n----\r\n"),
          1, 0, STR("") },
        { "encoded multipart",
          STR("Content-Type: multipart/mixed; boundary=b\r\n"
              "Content-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
          2, 1, STR("x") },
        { "encoded message within",
          STR("Content-Type: message/rfc822\r\n"
              "Content-Transfer-Encoding: base64\r\n\r\neDogeQ0KDQo=\r\n"),
          1, 0, STR("") },
        { "LF only",
          STR("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"), 2, 1,
          STR("x") },
        { "a message within that has no bytes",
          STR("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n--b--\r\n"), 3, 1,
          STR("") },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mime_tree t;

        mime_tree_parse(a, cases[i].message, &t);
        if (t.count != cases[i].count)
            print_error("case: %s\n", cases[i].name);
        assert_int_equal(t.count, cases[i].count);
        assert_int_equal(t.parts[0].children, cases[i].children);
        if (t.count > 1)
            assert_true(str_eq(t.parts[1].body, cases[i].first_body));
    }
    arena_free(&a);
}

/* An outer delimiter ends whatever is open inside. */
static void outer_delimiter_closes_inner_parts(void **state)
{
    static const str_t message =
        STR("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
            "Content-Type: multipart/mixed; "
            "boundary=i\r\n\r\n--i\r\n\r\nx\r\n--o\r\n\r\ny\r\n"
            "--o--\r\n");
    struct arena *a = arena_new();
    struct mime_tree t;

    (void)state;
    mime_tree_parse(a, message, &t);
    assert_int_equal(t.count, 4);
    assert_true(str_eq(t.parts[2].body, S("x")) && t.parts[2].parent == 1);
    assert_true(str_eq(t.parts[3].body, S("y")) && t.parts[3].parent == 0);
    assert_false(t.parts[1].closed);
    arena_free(&a);
}

static void put_times(struct buf *b, const char *unit, int times)
{
    for (int i = 0; i < times; i++)
        buf_puts(b, unit);
}

static void bombs_are_capped(void **state)
{
    struct arena *a = arena_new();
    struct buf *b = arena_buf(a, 1 << 24);
    struct mime_tree t;

    (void)state;
    put_times(b, "Content-Type: message/rfc822\r\n\r\n", 1000);
    mime_tree_parse(a, buf_str(b), &t);
    assert_true(t.truncated);
    assert_int_equal(t.count, MIME_MAX_DEPTH + 1);
    buf_clear(b);
    buf_puts(b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    put_times(b, "--b\r\n\r\n\r\n", 20000);
    mime_tree_parse(a, buf_str(b), &t);
    assert_true(t.truncated);
    assert_int_equal(t.count, MIME_MAX_PARTS);
    /* All levels share a boundary that no line completes: each line is compared 100
     * times. */
    buf_clear(b);
    for (int i = 0; i < 90; i++)
        buf_printf(b,
                   "Content-Type: multipart/mixed; boundary=%0200d\r\n\r\n--%0200d\r\n",
                   i, i);
    put_times(b, "--\r\n", 100000);
    mime_tree_parse(a, buf_str(b), &t);
    assert_false(t.truncated);
    assert_int_equal(t.count, 91);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(a_tree),
        cmocka_unit_test(odd_messages),
        cmocka_unit_test(outer_delimiter_closes_inner_parts),
        cmocka_unit_test(bombs_are_capped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
