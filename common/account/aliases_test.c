/* aliases_test.c - what a list of aliases says of addresses, and what it may not say. */
#include "account/aliases.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/domains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;
static struct domains ours;
static char why[ALIASES_WHY_BYTES];
static size_t line;

static const char list[] =
    "# the office\n"
    "\n"
    "Info: ann@one.example, Bob , carl@Far.example\n"
    "info@two.example: dora\n"
    "many: a,\n"
    "  b\n"
    "\tc@two.example # no comment here\n"
    "/team-([a-z]+)\\.([a-z]*)@one\\.example/: $1@two.example, $2, x$$y\n"
    "/bad-(.*)@.*/ : $1$1@\n"
    "ann@one.example: ann, copy@far.example\n"
    "@two.example: dora@one.example\n"
    "x@old.example: y\n";

static enum rc parse(const char *text, char separator, struct aliases **out)
{
    return aliases_parse(&ours, str_of(text), separator, out, &line, why);
}

static str_t joined(size_t n, const str_t *to)
{
    struct buf *b = arena_buf(arena, 1000);

    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%.*s", i > 0 ? " " : "", STR_ARG(to[i]));
    return buf_str(b);
}

static void test_find(void **state)
{
    static const struct {
        const char *address, *targets, *rest;
    } cases[] = {
        { "info@one.example", "ann@one.example Bob@one.example carl@Far.example", "" },
        { "info@two.example", "dora@two.example", "dora@one.example" },
        { "many@one.example", "a@one.example b@one.example c@two.example", "" },
        { "team-red.blue@one.example", "red@two.example blue@one.example x$y@one.example",
          "" },
        { "team-red.@one.example", "red@two.example x$y@one.example", "" },
        { "xteam-red.blue@one.example", "", "" },
        { "team-red.blue@two.example", "", "dora@one.example" },
        { "bad-a@one.example", "", "" },
        { "ann@one.example", "ann@one.example copy@far.example", "" },
        { "ann@two.example", "", "dora@one.example" },
        { "x@one.example", "y@one.example", "" },
        { "nobody@one.example", "", "" },
    };
    struct aliases *l;

    (void)state;
    assert_int_equal(parse("many: a,\n  b\n\tc@two.example # no\n", '\n', &l),
                     RC_INVALID);
    assert_int_equal(line, 3);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *text = arena_buf(arena, sizeof(list));
        size_t cut = str_find(str_of(list), S(" # no comment here"));
        const str_t *to = NULL, *rest = NULL;
        str_t got, other;
        size_t n;

        buf_put(text, str_head(str_of(list), cut));
        buf_put(text, str_skip(str_of(list), cut + strlen(" # no comment here")));
        if (aliases_parse(&ours, buf_str(text), '\n', &l, &line, why) != RC_OK)
            fail_msg("%zu: %s", line, why);
        assert_int_equal(aliases_count(l), 8);
        n = aliases_find(l, arena, str_of(cases[i].address), &to);
        got = joined(n, to);
        n = aliases_find_rest(l, arena, str_of(cases[i].address), &rest);
        other = joined(n, rest);
        if (!str_eq(got, str_of(cases[i].targets)) ||
            !str_eq(other, str_of(cases[i].rest)))
            fail_msg("%s: %.*s; %.*s", cases[i].address, STR_ARG(got), STR_ARG(other));
        aliases_free(&l);
    }
}

static void test_option_form(void **state)
{
    struct aliases *l;
    const str_t *to;

    (void)state;
    assert_int_equal(parse("info: ann ; help: bob, ann;", ';', &l), RC_OK);
    assert_int_equal(aliases_find(l, arena, S("help@one.example"), &to), 2);
    aliases_free(&l);
    assert_int_equal(parse("", ';', &l), RC_OK);
    assert_int_equal(aliases_find(l, arena, S("help@one.example"), &to), 0);
    aliases_free(&l);
}

static void test_bad_lines(void **state)
{
    static const struct {
        const char *text;
        size_t line;
        const char *reason;
    } cases[] = {
        { "a: b\nno colon\n", 2, "is not name: targets" },
        { "a: b\n\n# x\na : c\n", 4, "stands there twice" },
        { "x@one.example: b\nX@OLD.example: c\n", 2, "stands there twice" },
        { "a:\nb: c\n", 1, "stands for nothing" },
        { "a: ,\n", 1, "stands for nothing" },
        { "a: |/bin/cat\n", 1, "files and commands get no mail" },
        { "a: /var/mail/x\n", 1, "files and commands get no mail" },
        { "a: b c\n", 1, "is neither an address nor a name" },
        { "a@far.example: b\n", 1, "in none of this server's domains" },
        { "@far.example: b\n", 1, "is not @ and one of this server's domains" },
        { "a..b: c\n", 1, "is no name of an address" },
        { ": c\n", 1, "is no name of an address" },
        { "/x: c\n", 1, "is not /expression/: targets" },
        { "/x/ c\n", 1, "is not /expression/: targets" },
        { "//: c\n", 1, "1 to 256 bytes" },
        { "/(/: c\n", 1, "(" },
    };
    struct aliases *l;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(cases[i].text, '\n', &l), RC_INVALID);
        assert_null(l);
        if (line != cases[i].line || strstr(why, cases[i].reason) == NULL)
            fail_msg("%s: line %zu, %s", cases[i].text, line, why);
    }
}

static void test_bounds(void **state)
{
    struct buf *b = arena_buf(arena, 20000);
    struct aliases *l;

    (void)state;
    buf_puts(b, "a: t");
    for (int i = 1; i < ALIASES_TARGETS_MAX; i++)
        buf_printf(b, ",t%d", i);
    assert_int_equal(aliases_parse(&ours, buf_str(b), '\n', &l, &line, why), RC_OK);
    aliases_free(&l);
    buf_puts(b, ",more");
    assert_int_equal(aliases_parse(&ours, buf_str(b), '\n', &l, &line, why), RC_INVALID);
    b = arena_buf(arena, 20000);
    for (int i = 0; i < ALIASES_EXPRESSIONS_MAX; i++)
        buf_printf(b, "/x%d@.*/: t\n", i);
    assert_int_equal(aliases_parse(&ours, buf_str(b), '\n', &l, &line, why), RC_OK);
    aliases_free(&l);
    buf_puts(b, "/y/: t\n");
    assert_int_equal(aliases_parse(&ours, buf_str(b), '\n', &l, &line, why), RC_INVALID);
    assert_int_equal(line, ALIASES_EXPRESSIONS_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_option_form),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_bounds),
    };
    int failed;

    arena = arena_new();
    failed =
        domains_parse(arena, S("one.example"), S("two.example"),
                      S("old.example=one.example"), &ours, why, sizeof(why)) != RC_OK;
    failed |= cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
