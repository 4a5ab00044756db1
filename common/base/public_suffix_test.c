/* public_suffix_test.c - the vectors of publicsuffix.org (test_psl.txt, public domain).
 */
#include "base/public_suffix.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* An organization of NULL: the domain is a public suffix. */
static const struct {
    const char *domain, *organization;
} vectors[] = {
    /* Mixed case. */
    { "COM", NULL },
    { "example.COM", "example.com" },
    { "WwW.example.COM", "example.com" },
    { "Mail.Example.CO.uk", "example.co.uk" },
    /* A top level that is not listed. */
    { "example", NULL },
    { "example.example", "example.example" },
    { "b.example.example", "example.example" },
    { "a.b.example.example", "example.example" },
    /* One with one rule. */
    { "biz", NULL },
    { "domain.biz", "domain.biz" },
    { "b.domain.biz", "domain.biz" },
    { "a.b.domain.biz", "domain.biz" },
    /* With some rules of two levels. */
    { "com", NULL },
    { "example.com", "example.com" },
    { "b.example.com", "example.com" },
    { "a.b.example.com", "example.com" },
    { "uk.com", NULL },
    { "example.uk.com", "example.uk.com" },
    { "b.example.uk.com", "example.uk.com" },
    { "a.b.example.uk.com", "example.uk.com" },
    { "test.ac", "test.ac" },
    /* With one rule that is a wildcard. */
    { "mm", NULL },
    { "c.mm", NULL },
    { "b.c.mm", "b.c.mm" },
    { "a.b.c.mm", "b.c.mm" },
    /* More complex ones. */
    { "jp", NULL },
    { "test.jp", "test.jp" },
    { "www.test.jp", "test.jp" },
    { "ac.jp", NULL },
    { "test.ac.jp", "test.ac.jp" },
    { "www.test.ac.jp", "test.ac.jp" },
    { "kyoto.jp", NULL },
    { "test.kyoto.jp", "test.kyoto.jp" },
    { "ide.kyoto.jp", NULL },
    { "b.ide.kyoto.jp", "b.ide.kyoto.jp" },
    { "a.b.ide.kyoto.jp", "b.ide.kyoto.jp" },
    { "c.kobe.jp", NULL },
    { "b.c.kobe.jp", "b.c.kobe.jp" },
    { "a.b.c.kobe.jp", "b.c.kobe.jp" },
    { "city.kobe.jp", "city.kobe.jp" },
    { "www.city.kobe.jp", "city.kobe.jp" },
    /* A wildcard and exceptions. */
    { "ck", NULL },
    { "test.ck", NULL },
    { "b.test.ck", "b.test.ck" },
    { "a.b.test.ck", "b.test.ck" },
    { "www.ck", "www.ck" },
    { "www.www.ck", "www.ck" },
    /* K12 of the USA. */
    { "us", NULL },
    { "test.us", "test.us" },
    { "www.test.us", "test.us" },
    { "ak.us", NULL },
    { "test.ak.us", "test.ak.us" },
    { "www.test.ak.us", "test.ak.us" },
    { "k12.ak.us", NULL },
    { "test.k12.ak.us", "test.k12.ak.us" },
    { "www.test.k12.ak.us", "test.k12.ak.us" },
    /* Beyond ASCII. */
    { "食狮.com.cn", "食狮.com.cn" },
    { "食狮.公司.cn", "食狮.公司.cn" },
    { "www.食狮.公司.cn", "食狮.公司.cn" },
    { "shishi.公司.cn", "shishi.公司.cn" },
    { "公司.cn", NULL },
    { "食狮.中国", "食狮.中国" },
    { "www.食狮.中国", "食狮.中国" },
    { "shishi.中国", "shishi.中国" },
    { "中国", NULL },
    /* The same as A-labels. */
    { "xn--85x722f.com.cn", "xn--85x722f.com.cn" },
    { "xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn" },
    { "www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn" },
    { "shishi.xn--55qx5d.cn", "shishi.xn--55qx5d.cn" },
    { "xn--55qx5d.cn", NULL },
    { "xn--85x722f.xn--fiqs8s", "xn--85x722f.xn--fiqs8s" },
    { "www.xn--85x722f.xn--fiqs8s", "xn--85x722f.xn--fiqs8s" },
    { "shishi.xn--fiqs8s", "shishi.xn--fiqs8s" },
    { "xn--fiqs8s", NULL },
};

static void gives_the_registered_domain(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        str_t domain = str_of(vectors[i].domain);
        str_t wanted =
            vectors[i].organization == NULL ? domain : str_of(vectors[i].organization);
        str_t got = public_suffix_organization(domain);

        if (!str_eq_nocase(got, wanted)) {
            print_message("%s: %.*s\n", vectors[i].domain, STR_ARG(got));
            wrong++;
        }
        /* It is the end of what was given. */
        assert_ptr_equal(got.p + got.n, domain.p + domain.n);
    }
    assert_int_equal(wrong, 0);
}

static void what_is_no_name_stays(void **state)
{
    static const str_t cases[] = { STR(""), STR("."), STR("a.b.com\0.net"),
                                   STR("[::1]") };
    char longer[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_eq(public_suffix_organization(cases[i]), cases[i]));
    memset(longer, 'a', sizeof(longer));
    memcpy(longer + 200, ".b.com", 6);
    assert_int_equal(public_suffix_organization(str_n(longer, 300)).n, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_registered_domain),
        cmocka_unit_test(what_is_no_name_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
