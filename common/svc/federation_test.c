/* federation_test.c - which row holds for a domain, and what is a pattern. */
#include "svc/federation.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct arena *arena;

#define UMLAUT                                                                           \
    "b\xc3\xbc"                                                                          \
    "cher.example"

static void test_the_most_specific_row_holds(void **state)
{
    static const struct store_federation_row rows[] = {
        { STR("*.example"), FEDERATION_BOTH, true },
        { STR("good.example"), FEDERATION_BOTH, false },
        { STR("*.good.example"), FEDERATION_IN, false },
        { STR("bad.good.example"), FEDERATION_BOTH, true },
        { STR("in.test"), FEDERATION_IN, true },
        { STR("out.test"), FEDERATION_OUT, true },
        { STR("[192.0.2.1]"), FEDERATION_BOTH, true },
        { STR("xn--bcher-kva.org"), FEDERATION_BOTH, true },
    };
    static const struct {
        const char *domain;
        bool in, out;
    } cases[] = {
        { "far.example", true, true },
        { "a.b.far.EXAMPLE", true, true },
        { "example", false, false },
        { "good.example", false, false },
        { "a.good.example", false, true },
        { "bad.good.example", true, true },
        { "x.bad.good.example", false, true },
        { "notgood.example", true, true },
        { "in.test", true, false },
        { "out.test", false, true },
        { "x.in.test", false, false },
        { "fin.test", false, false },
        { "[192.0.2.1]", true, true },
        { "[192.0.2.2]", false, false },
        { "B\xc3\x9c"
          "CHER.org",
          true, true },
        { "xn--BCHER-kva.ORG", true, true },
        { "other.org", false, false },
        { "", false, false },
    };
    struct federation *f = federation_new(arena, rows, ARRAY_LEN(rows));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t domain = str_of(cases[i].domain);

        if (federation_blocks(f, domain, FEDERATION_IN) != cases[i].in ||
            federation_blocks(f, domain, FEDERATION_OUT) != cases[i].out)
            fail_msg("%s", cases[i].domain);
    }
}

static void test_only_who_is_listed(void **state)
{
    static const struct store_federation_row rows[] = {
        { STR("*"), FEDERATION_BOTH, true },
        { STR("friend.example"), FEDERATION_BOTH, false },
        { STR("reader.example"), FEDERATION_OUT, false },
    };
    struct federation *f = federation_new(arena, rows, ARRAY_LEN(rows));
    struct federation *none = federation_new(arena, NULL, 0);

    (void)state;
    assert_false(federation_blocks(f, S("friend.example"), FEDERATION_IN));
    assert_true(federation_blocks(f, S("x.friend.example"), FEDERATION_IN));
    assert_false(federation_blocks(f, S("reader.example"), FEDERATION_OUT));
    assert_true(federation_blocks(f, S("reader.example"), FEDERATION_IN));
    assert_true(federation_blocks(f, S("[IPv6:2001:db8::1]"), FEDERATION_IN));
    assert_true(federation_blocks(f, S("\xff.example"), FEDERATION_IN));
    assert_false(federation_blocks(none, S("x.example"), FEDERATION_IN));
}

/* As many as the table may have, each found and no other. */
static void test_many(void **state)
{
    struct store_federation_row *rows =
        arena_array(arena, STORE_FEDERATION_MAX, sizeof(*rows));
    struct federation *f;

    (void)state;
    for (int i = 0; i < STORE_FEDERATION_MAX; i++)
        rows[i] = (struct store_federation_row){
            str_of(arena_printf(arena, "%sd%d.example", i % 3 == 0 ? "*." : "", i)),
            FEDERATION_BOTH, true
        };
    f = federation_new(arena, rows, STORE_FEDERATION_MAX);
    for (int i = 0; i < STORE_FEDERATION_MAX; i++) {
        str_t is =
            str_of(arena_printf(arena, "%sd%d.example", i % 3 == 0 ? "x." : "", i));
        str_t no =
            str_of(arena_printf(arena, "%sd%d.example", i % 3 == 0 ? "" : "x.", i));

        assert_true(federation_blocks(f, is, FEDERATION_OUT));
        assert_false(federation_blocks(f, no, FEDERATION_OUT));
    }
}

static void test_patterns(void **state)
{
    static const struct {
        const char *text, *pattern; /* NULL: it is none */
    } cases[] = {
        { "Far.Example", "far.example" },
        { "*.Far.example", "*.far.example" },
        { "*", "*" },
        { "*.example", "*.example" },
        { "_far.example", "_far.example" },
        { UMLAUT, "xn--bcher-kva.example" },
        { "*." UMLAUT, "*.xn--bcher-kva.example" },
        { "192.0.2.1", "[192.0.2.1]" },
        { "[192.0.2.1]", "[192.0.2.1]" },
        { "", NULL },
        { "*.", NULL },
        { "**", NULL },
        { "*far.example", NULL },
        { "a.*.example", NULL },
        { "*.*.example", NULL },
        { "far.example.", NULL },
        { ".far.example", NULL },
        { "a..example", NULL },
        { "ann@far.example", NULL },
        { "far example", NULL },
        { "*.[192.0.2.1]", NULL },
        { "\xff.example", NULL },
    };
    str_t got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is = federation_pattern(arena, str_of(cases[i].text), &got) == RC_OK;

        if (is != (cases[i].pattern != NULL) ||
            (is && !str_eq(got, str_of(cases[i].pattern))))
            fail_msg("%s", cases[i].text);
    }
}

static void test_words(void **state)
{
    unsigned directions;
    bool blocks;

    (void)state;
    for (unsigned d = FEDERATION_IN; d <= FEDERATION_BOTH; d++) {
        assert_true(federation_parse_direction(str_of(federation_direction_word(d)),
                                               &directions));
        assert_int_equal(directions, d);
    }
    assert_false(federation_parse_direction(S("inout"), &directions));
    assert_true(federation_parse_verdict(S("block"), &blocks) && blocks);
    assert_true(federation_parse_verdict(S("allow"), &blocks) && !blocks);
    assert_false(federation_parse_verdict(S("refuse"), &blocks));
    assert_string_equal(federation_verdict_word(true), "block");
    assert_string_equal(federation_verdict_word(false), "allow");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_most_specific_row_holds),
        cmocka_unit_test(test_only_who_is_listed),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_words),
    };
    int failed;

    arena = arena_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
