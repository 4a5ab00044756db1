#include "credentials.h"

#include "mail/domains.h"
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct domains chat = DOMAINS_ONE("chat.example");

static struct rules rules(size_t min, size_t max, size_t password)
{
    return (struct rules){ .domains = &chat,
                           .username_min_length = min,
                           .username_max_length = max,
                           .password_min_length = password };
}

/* Whatever the configured lengths are, what is drawn may become an account. */
static void test_rules_are_met(void **state)
{
    static const struct {
        size_t min, max, password, name_length, password_length;
    } cases[] = {
        { 9, 9, 9, 9, 22 },  { 1, 64, 1, 9, 22 },      { 12, 20, 9, 12, 22 },
        { 3, 5, 30, 5, 33 }, { 64, 64, 128, 64, 131 },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rules r = rules(cases[i].min, cases[i].max, cases[i].password);
        struct credentials c;

        credentials_draw(&r, a, &c);
        assert_int_equal(rules_new_account(&r, c.email, c.password), RULES_OK);
        assert_int_equal(str_find_char(c.email, '@'), cases[i].name_length);
        assert_int_equal(c.password.n, cases[i].password_length);
    }
    arena_free(&a);
}

static void test_draws_differ(void **state)
{
    struct arena *a = arena_new();
    struct rules r = rules(9, 9, 9);
    struct credentials one, two;

    (void)state;
    credentials_draw(&r, a, &one);
    credentials_draw(&r, a, &two);
    assert_false(str_eq(one.email, two.email));
    assert_false(str_eq(one.password, two.password));
    arena_free(&a);
}

/* Each letter of the alphabet turns up, so no slip narrows what is drawn. */
static void test_whole_alphabet(void **state)
{
    struct arena *a = arena_new();
    struct rules r = rules(9, 9, 9);
    bool seen[256] = { false };
    size_t kinds = 0;

    (void)state;
    for (size_t i = 0; i < 500; i++) {
        struct credentials c;

        credentials_draw(&r, a, &c);
        for (size_t k = 0; k < c.password.n; k++)
            seen[(unsigned char)c.password.p[k]] = true;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        kinds += seen[i];
    assert_int_equal(kinds, 62);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_are_met),
        cmocka_unit_test(test_draws_differ),
        cmocka_unit_test(test_whole_alphabet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
