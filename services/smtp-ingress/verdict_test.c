/* verdict_test.c - facts, as others see them. */
#include "verdict.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct auth_results_fact pass = {
    .method = "spf",
    .result = AUTH_RESULTS_PASS,
    .properties = { { "smtp.mailfrom", STR("x.test") }, { "smtp.helo", STR("") } },
};

static void nothing_is_found(void **state)
{
    struct arena *a = arena_new();
    struct verdict v = { 0 };

    (void)state;
    assert_true(str_eq(verdict_words(&v, a), S("none")));
    assert_true(str_eq(verdict_print(&v, a, S("mx.test")),
                       S("Authentication-Results: mx.test; none\r\n")));
    arena_free(&a);
}

static void facts_keep_their_order(void **state)
{
    struct auth_results_fact fail = { .method = "dmarc",
                                      .result = AUTH_RESULTS_FAIL,
                                      .reason = S("Not so") };
    struct arena *a = arena_new();
    struct verdict v = { 0 };

    (void)state;
    verdict_add(&v, a, &pass);
    verdict_add(&v, a, &fail);
    fail.method = "changed"; /* it was copied */
    assert_true(str_eq(verdict_words(&v, a), S("spf=pass dmarc=fail")));
    assert_true(str_eq(verdict_print(&v, a, S("mx.test")),
                       S("Authentication-Results: mx.test;\r\n"
                         "\tspf=pass smtp.mailfrom=x.test;\r\n"
                         "\tdmarc=fail reason=\"Not so\"\r\n")));
    assert_true(str_eq(verdict_property(&v.facts[0], "smtp.mailfrom"), S("x.test")));
    assert_int_equal(verdict_property(&v.facts[0], "smtp.helo").n, 0);
    assert_int_equal(verdict_property(&v.facts[0], "header.d").n, 0);
    assert_int_equal(verdict_property(&v.facts[1], "smtp.mailfrom").n, 0);
    arena_free(&a);
}

static void facts_are_bounded(void **state)
{
    struct arena *a = arena_new();
    struct verdict v = { 0 };

    (void)state;
    for (size_t i = 0; i < VERDICT_FACTS_MAX + 1; i++) {
        verdict_add(&v, a, &pass);
        assert_int_equal(v.count, i < VERDICT_FACTS_MAX ? i + 1 : VERDICT_FACTS_MAX);
    }
    for (size_t i = 0; i < v.count; i++)
        assert_string_equal(v.facts[i].method, "spf");
    assert_int_equal(verdict_words(&v, a).n, VERDICT_FACTS_MAX * sizeof("spf=pass") - 1);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found),
        cmocka_unit_test(facts_keep_their_order),
        cmocka_unit_test(facts_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
