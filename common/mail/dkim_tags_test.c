/* dkim_tags_test.c - lists that are good, and what is none. */
#include "mail/dkim_tags.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void good_lists(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        const char *value; /* of a */
    } cases[] = {
        { "a=1", 1, "1" },
        { "a=1;", 1, "1" },
        { "a=1; \r\n ", 1, "1" },
        { " \r\n a \r\n =\t1 \r\n\t2 ; b=;", 2, "1 \r\n\t2" },
        { "b=x;a=y=z;c_9=.", 3, "y=z" },
        { "A=2;a=1", 2, "1" },
        { "a=\xc3\xa4", 1, "\xc3\xa4" },
    };
    struct dkim_tags tags;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(dkim_tags_parse(str_of(cases[i].text), &tags), RC_OK);
        assert_int_equal(tags.count, cases[i].count);
        assert_true(str_eq(dkim_tags_find(&tags, S("a"))->value, str_of(cases[i].value)));
        assert_null(dkim_tags_find(&tags, S("none")));
    }
}

static void what_is_no_list(void **state)
{
    static const str_t cases[] = {
        STR(""),       STR(" "),     STR(";"),        STR("a"),       STR("=1"),
        STR("a=1;;"),  STR(";a=1"),  STR("a=1;b"),    STR("a=1;a=2"), STR("a=1;b=2;a=1"),
        STR("1a=1"),   STR("_a=1"),  STR("a-b=1"),    STR("a=\x7f"),  STR("a=\x01"),
        STR("a=1\0;"), STR("a b=1"), STR("a=1;;b=2"),
    };
    struct dkim_tags tags;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (dkim_tags_parse(cases[i], &tags) != RC_INVALID)
            fail_msg("case %zu was taken", i);
    }
}

static void at_most_so_many(void **state)
{
    struct arena *a = arena_new();
    struct buf *b = arena_buf(a, 4096);
    struct dkim_tags tags;

    (void)state;
    for (int i = 0; i < DKIM_TAGS_MAX; i++)
        buf_printf(b, "a%d=x;", i);
    assert_int_equal(dkim_tags_parse(buf_str(b), &tags), RC_OK);
    assert_int_equal(tags.count, DKIM_TAGS_MAX);
    buf_puts(b, "b=x");
    assert_int_equal(dkim_tags_parse(buf_str(b), &tags), RC_LIMIT);
    arena_free(&a);
}

static void values(void **state)
{
    struct arena *a = arena_new();
    str_t out, rest = S(" a : b:"), head;

    (void)state;
    assert_true(dkim_tags_split(&rest, &head) && str_eq(head, S("a")));
    assert_true(dkim_tags_split(&rest, &head) && str_eq(head, S("b")));
    assert_false(dkim_tags_split(&rest, &head));
    assert_true(dkim_tags_has(S("x :\r\n y"), S("y")));
    assert_false(dkim_tags_has(S("x:yy"), S("y")));
    assert_false(dkim_tags_has(S("x:Y"), S("y")));
    assert_false(dkim_tags_has(S(""), S("y")));
    assert_int_equal(dkim_tags_base64(a, S("Z\r\n m\t9 v"), &out), RC_OK);
    assert_true(str_eq(out, S("foo")));
    assert_int_equal(dkim_tags_base64(a, S(""), &out), RC_INVALID);
    assert_int_equal(dkim_tags_base64(a, S("Zm9"), &out), RC_INVALID);
    assert_int_equal(dkim_tags_base64(a, S("Zm9-"), &out), RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lists),
        cmocka_unit_test(what_is_no_list),
        cmocka_unit_test(at_most_so_many),
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
