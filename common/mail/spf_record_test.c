/* spf_record_test.c - the grammar of RFC 7208 12, and where it ends. */
#include "mail/spf_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void grammar(void **state)
{
    static const struct {
        bool good;
        const char *record;
    } cases[] = {
        { true, "v=spf1" },
        { true, "V=SPF1   ALL  " },
        { true, "v=spf1 +a/0//0 ~mx/32//128 ?ptr -exists:%{i}" },
        { true, "v=spf1 a:x.org/24 mx:%{d}//64 a:x.org//64 a:a/24.x.org" },
        { true, "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ip6:::ffff:192.0.2.1" },
        { true, "v=spf1 a:%{l1r+-.,/_=}.x.org a:%%.x.org a:x%_ a:x%- a:%{D}" },
        { true, "v=spf1 a:x.o-rg a:x.1a a:x.1-1 a:.org a:x.org." },
        { true, "v=spf1 exp=x.org redirect=y.org" },
        { true, "v=spf1 x=%{t} y= moo.cow-far_out=man:dog/cat" },
        { false, "v=spf10 all" },
        { false, " v=spf1" },
        { false, "v=spf1\tall" },
        { false, "v=spf1 all\n" },
        { false, "v=spf1 all: " },
        { false, "v=spf1 all/0" },
        { false, "v=spf1 *all" },
        { false, "v=spf1 +-all" },
        { false, "v=spf1 +" },
        { false, "v=spf1 a: -all" },
        { false, "v=spf1 a:/24" },
        { false, "v=spf1 a/" },
        { false, "v=spf1 a/01" },
        { false, "v=spf1 a/33" },
        { false, "v=spf1 a//129" },
        { false, "v=spf1 a/24/64" },
        { false, "v=spf1 a//64/24" },
        { false, "v=spf1 a///64" },
        { false, "v=spf1 a:%{d}/033" },
        { false, "v=spf1 include" },
        { false, "v=spf1 include:x.org/24" },
        { false, "v=spf1 ptr/24" },
        { false, "v=spf1 ip4" },
        { false, "v=spf1 ip4:" },
        { false, "v=spf1 ip4:192.0.2" },
        { false, "v=spf1 ip4:192.0.02.1" },
        { false, "v=spf1 ip4:192.0.2.1/33" },
        { false, "v=spf1 ip4:192.0.2.1/" },
        { false, "v=spf1 ip4:192.0.2.1//32" },
        { false, "v=spf1 ip4:2001:db8::1" },
        { false, "v=spf1 ip6:192.0.2.1" },
        { false, "v=spf1 ip6:2001:db8::/129" },
        { false, "v=spf1 ip6:2001:db8:0000:0000:0000:0000:0000:00000000000000000000001" },
        { false, "v=spf1 a:org" },
        { false, "v=spf1 a:org." },
        { false, "v=spf1 a:x.123" },
        { false, "v=spf1 a:x.-org" },
        { false, "v=spf1 a:x.org-" },
        { false, "v=spf1 a:%{d}." },
        { false, "v=spf1 a:%{d}x" },
        { false, "v=spf1 a:%{d0}.x.org" },
        { false, "v=spf1 a:%{d" },
        { false, "v=spf1 a:%{}" },
        { false, "v=spf1 a:%{dx}" },
        { false, "v=spf1 a:%{r}.x.org" },
        { false, "v=spf1 a:%x.org" },
        { false, "v=spf1 a:x.org%" },
        { false, "v=spf1 exp=x.org exp=x.org" },
        { false, "v=spf1 redirect=x.org redirect=x.org" },
        { false, "v=spf1 redirect=" },
        { false, "v=spf1 exp=%{r}.x.org" },
        { false, "v=spf1 1x=y" },
        { false, "v=spf1 =y" },
        { false, "v=spf1 x=%" },
        { false, "v=spf1 x+y=z" },
    };
    struct spf_record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].record);
        assert_int_equal(spf_record_parse(str_of(cases[i].record), &r) == RC_OK,
                         cases[i].good);
    }
}

static void gives_the_mechanisms_in_order(void **state)
{
    struct spf_record_term t;
    struct spf_record r;

    (void)state;
    assert_int_equal(spf_record_parse(S("v=spf1 x=y -A:%{d}/8//9 exp=e.org ip4:1.2.3.4/5 "
                                        "redirect=r.org ~all "),
                                      &r),
                     RC_OK);
    assert_true(str_eq(r.exp, S("e.org")) && str_eq(r.redirect, S("r.org")));
    assert_true(spf_record_next(&r, &t));
    assert_int_equal(t.kind, SPF_RECORD_A);
    assert_int_equal(t.qualifier, '-');
    assert_true(str_eq(t.domain, S("%{d}")) && str_eq(t.text, S("-A:%{d}/8//9")));
    assert_int_equal(t.prefix4, 8);
    assert_int_equal(t.prefix6, 9);
    assert_true(spf_record_next(&r, &t));
    assert_int_equal(t.kind, SPF_RECORD_IP4);
    assert_int_equal(t.qualifier, '+');
    assert_int_equal(t.prefix4, 5);
    assert_memory_equal(t.ip, "\1\2\3\4", 4);
    assert_true(spf_record_next(&r, &t));
    assert_int_equal(t.kind, SPF_RECORD_ALL);
    assert_int_equal(t.qualifier, '~');
    assert_false(spf_record_next(&r, &t));
    assert_false(spf_record_next(&r, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(gives_the_mechanisms_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
