/* rspamd_answer_test.c - answers of rspamd's, and what is none. */
#include "rspamd_answer.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

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

static enum rc parse(const char *json, struct rspamd_answer *out)
{
    return rspamd_answer_parse(arena, str_of(json), out);
}

static void actions_have_their_names(void **state)
{
    static const struct {
        const char *name;
        enum rspamd_action action;
    } cases[] = {
        { "no action", RSPAMD_NO_ACTION },
        { "greylist", RSPAMD_GREYLIST },
        { "add header", RSPAMD_ADD_HEADER },
        { "rewrite subject", RSPAMD_REWRITE_SUBJECT },
        { "soft reject", RSPAMD_SOFT_REJECT },
        { "reject", RSPAMD_REJECT },
        { "quarantine", RSPAMD_ADD_HEADER },
        { "discard", RSPAMD_REJECT },
    };
    struct rspamd_answer got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(arena_printf(arena, "{\"action\":\"%s\",\"score\":%zu}",
                                            cases[i].name, i),
                               &got),
                         RC_OK);
        assert_int_equal(got.action, cases[i].action);
        assert_true(got.score == (double)i);
    }
    assert_string_equal(rspamd_answer_action_name(RSPAMD_ADD_HEADER), "add header");
    assert_string_equal(rspamd_answer_action_name(RSPAMD_REJECT), "reject");
}

static void what_is_no_answer(void **state)
{
    static const char *const cases[] = {
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        "{\"action\":1}",
        "{\"action\":\"other\"}",
        "{\"action\":\"reject\"",
        "{\"action\":\"reject\"} x",
        "{\"action\":\"reject\",\"milter\":{\"add_headers\":[]}}",
        "{\"action\":\"reject\",\"milter\":{\"add_headers\":{\"X\":1}}}",
        "{\"action\":\"reject\",\"milter\":{\"add_headers\":{\"X\":{\"order\":1}}}}",
        "{\"action\":\"reject\",\"milter\":{\"add_headers\":{\"X\":[[\"a\"]]}}}",
        "{\"action\":\"reject\",\"milter\":{\"remove_headers\":{\"X\":\"all\"}}}",
    };
    struct buf *deep = arena_buf(arena, 100000), *many = arena_buf(arena, 100000);
    struct rspamd_answer got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(parse(cases[i], &got), RC_INVALID);
    buf_puts(deep, "{\"action\":\"reject\",\"symbols\":");
    for (int i = 0; i < 50000; i++)
        buf_putc(deep, '[');
    assert_int_equal(rspamd_answer_parse(arena, buf_str(deep), &got), RC_INVALID);
    buf_puts(many, "{\"action\":\"reject\",\"milter\":{\"add_headers\":{\"X\":[");
    for (int i = 0; i <= RSPAMD_ANSWER_HEADERS_MAX; i++)
        buf_puts(many, i == 0 ? "\"a\"" : ",\"a\"");
    buf_puts(many, "]}}}");
    assert_int_equal(rspamd_answer_parse(arena, buf_str(many), &got), RC_INVALID);
}

static void headers_and_words(void **state)
{
    struct rspamd_answer got;

    (void)state;
    assert_int_equal(
        parse(
            "{\"action\":\"reject\",\"messages\":{\"smtp_message\":\"a\\r\\nb\\u00fc\"},"
            "\"milter\":{\"add_headers\":{\"X-A\":{\"value\":\"v\",\"order\":2},"
            "\"X-B\":[\"1\",{\"value\":\"2\",\"order\":-1}]},"
            "\"remove_headers\":{\"X-C\":0,\"X-D\":[2]}}}",
            &got),
        RC_OK);
    assert_true(str_eq(got.text, S("a??b??")));
    assert_int_equal(got.add_count, 3);
    assert_true(str_eq(got.add[0].name, S("X-A")) && str_eq(got.add[0].value, S("v")));
    assert_int_equal(got.add[0].place, 2);
    assert_true(str_eq(got.add[2].name, S("X-B")) && str_eq(got.add[2].value, S("2")));
    assert_int_equal(got.add[1].place, -1);
    assert_int_equal(got.remove_count, 2);
    assert_int_equal(got.remove[0].place, 0);
    assert_int_equal(got.remove[1].place, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(actions_have_their_names, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_answer, begin, end),
        cmocka_unit_test_setup_teardown(headers_and_words, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
