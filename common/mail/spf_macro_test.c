/* spf_macro_test.c - the examples of RFC 7208 7.4, and what they leave out. */
#include "mail/spf_macro.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const unsigned char ip4[4] = { 192, 0, 2, 3 };
static const unsigned char ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0xcb };

static struct spf_macro_values values(bool v6)
{
    return (struct spf_macro_values){ .local = S("strong-bad"),
                                      .sender_domain = S("email.example.com"),
                                      .domain = S("email.example.com"),
                                      .helo = S("mx.example.org"),
                                      .ip = v6 ? ip6 : ip4,
                                      .ip_bytes = v6 ? 16 : 4,
                                      .now_unix = 42 };
}

static void expands(void **state)
{
    static const struct {
        bool v6;
        const char *spec, *domain;
    } cases[] = {
        { false, "%{s}", "strong-bad@email.example.com" },
        { false, "%{o}", "email.example.com" },
        { false, "%{d}", "email.example.com" },
        { false, "%{d4}", "email.example.com" },
        { false, "%{d3}", "email.example.com" },
        { false, "%{d2}", "example.com" },
        { false, "%{d1}", "com" },
        { false, "%{d99999999999999999999}", "email.example.com" },
        { false, "%{dr}", "com.example.email" },
        { false, "%{d2r}", "example.email" },
        { false, "%{l}", "strong-bad" },
        { false, "%{l-}", "strong.bad" },
        { false, "%{lr}", "strong-bad" },
        { false, "%{lr-}", "bad.strong" },
        { false, "%{l1r-}", "strong" },
        { false, "%{L1R-}", "strong" },
        { false, "%{S}", "strong-bad%40email.example.com" },
        { false, "%{h}", "mx.example.org" },
        { false, "%{p}.x", "unknown.x" },
        { false, "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
        { false, "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
        { false, "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
          "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
        { false, "%{d2}.trusted-domains.example.net.",
          "example.com.trusted-domains.example.net" },
        { true, "%{ir}.%{v}._spf.%{d2}",
          "B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf."
          "example.com" },
        { false, "%%%_%-.org", "% %20.org" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct spf_macro_values v = values(cases[i].v6);

        print_message("%s\n", cases[i].spec);
        assert_true(str_eq(spf_macro_domain(a, &v, str_of(cases[i].spec)),
                           str_of(cases[i].domain)));
    }
    arena_free(&a);
}

static void a_long_name_loses_its_left(void **state)
{
    struct arena *a = arena_new();
    struct spf_macro_values v = values(false);
    struct buf *spec = arena_buf(a, 20000);
    str_t name;

    (void)state;
    while (spec->n < 15000)
        buf_puts(spec, "%{d}.");
    buf_puts(spec, "end.org");
    name = spf_macro_domain(a, &v, buf_str(spec));
    assert_in_range(name.n, 253 - 18, 253);
    assert_true(str_starts(name, S("example.com.email.")) ||
                str_starts(name, S("com.email.")) || str_starts(name, S("email.")));
    assert_true(str_ends_nocase(name, S(".email.example.com.end.org")));
    /* One label that is too long is no name; nothing is made of its end. */
    buf_clear(spec);
    while (spec->n < 1000)
        buf_puts(spec, "%{l}");
    assert_int_equal(spf_macro_domain(a, &v, buf_str(spec)).n, 0);
    arena_free(&a);
}

static void explains(void **state)
{
    struct arena *a = arena_new();
    struct spf_macro_values v = values(true);
    str_t out;

    (void)state;
    assert_int_equal(
        spf_macro_explain(a, &v, S("%{c} says  %{h} to %{r} at %{t}."), &out), RC_OK);
    assert_true(str_eq(out, S("2001:db8::cb says  mx.example.org to unknown at 42.")));
    assert_int_equal(spf_macro_explain(a, &v, S("100%"), &out), RC_INVALID);
    assert_int_equal(spf_macro_explain(a, &v, S("a\tb"), &out), RC_INVALID);
    v.local = S("a\nb");
    assert_int_equal(spf_macro_explain(a, &v, S("%{l}"), &out), RC_LIMIT);
    arena_free(&a);
}

static void sees_the_validated_name(void **state)
{
    (void)state;
    assert_true(spf_macro_has_p(S("from %{P1r}")));
    assert_false(spf_macro_has_p(S("p %%{p} %{d}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands),
        cmocka_unit_test(a_long_name_loses_its_left),
        cmocka_unit_test(explains),
        cmocka_unit_test(sees_the_validated_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
