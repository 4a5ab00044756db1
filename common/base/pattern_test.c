/* pattern_test.c - what an expression fits, and that none takes for ever. */
#include "base/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_fits(void **state)
{
    static const struct {
        const char *pattern, *text, *first; /* NULL: it does not fit */
    } cases[] = {
        { "a(b+)c", "abbc", "bb" },  { "a(b+)c", "ABBC", "BB" },
        { "a(b+)c", "xabbc", NULL }, { "a(b+)c", "abbcx", NULL },
        { "a|(ab)", "ab", "ab" }, /* the whole text, not the first that fits */
        { "a(x)?b", "ab", "" },      { "(a*)*\\1", "aaa", "" },
        { "(.)\\1{2}", "aaa", "a" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t group[PATTERN_GROUPS];
        struct pattern *p;
        char why[100];

        assert_int_equal(pattern_new(str_of(cases[i].pattern), &p, why, sizeof(why)),
                         RC_OK);
        if (pattern_fits(p, str_of(cases[i].text), group) != (cases[i].first != NULL) ||
            (cases[i].first != NULL && !str_eq(group[1], str_of(cases[i].first))))
            fail_msg("%s: %s", cases[i].pattern, cases[i].text);
        pattern_free(&p);
    }
}

/* Each would take longer than the world stands, to compile or to compare. */
static void test_dear(void **state)
{
    static const char *const patterns[] = {
        "(a*)*b",           "(a|aa)+c", "((a+)+)+\\1x",
        "(a++)(a+)+(a+)+c", "(?R)?a*b", "(.*)*(.*)*\\2y",
    };
    char text[250], why[100];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct pattern *p;

        assert_int_equal(pattern_new(str_of(patterns[i]), &p, why, sizeof(why)), RC_OK);
        assert_false(pattern_fits(p, str_n(text, sizeof(text)), NULL));
        pattern_free(&p);
    }
}

static void test_bad(void **state)
{
    static const char *const patterns[] = { "", "(", "a**", "[a", "x++++++++++", "\\" };
    char long_one[PATTERN_MAX_BYTES + 2] = "", why[100];
    struct pattern *p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        if (pattern_new(str_of(patterns[i]), &p, why, sizeof(why)) == RC_OK)
            fail_msg("%s", patterns[i]);
        assert_true(p == NULL && why[0] != '\0');
    }
    memset(long_one, 'a', PATTERN_MAX_BYTES + 1);
    assert_int_equal(pattern_new(str_of(long_one), &p, why, sizeof(why)), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_dear),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
