/* idn_test.c - one name in all its forms. */
#include "base/idn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define L63 "012345678901234567890123456789012345678901234567890123456789012"

static const struct {
    const char *name, *ascii; /* NULL: there is none */
} cases[] = {
    { "c.org", "c.org" },
    { "C.Org", "c.org" },
    { "[192.0.2.1]", "[192.0.2.1]" },
    { "_x.localhost", "_x.localhost" },
    { "b\xc3\xbc"
      "cher.example",
      "xn--bcher-kva.example" },
    { "B\xc3\x9c"
      "CHER.Example",
      "xn--bcher-kva.example" },
    { "bu\xcc\x88"
      "cher.example", /* the same, decomposed */
      "xn--bcher-kva.example" },
    { "XN--Bcher-KVA.example", "xn--bcher-kva.example" },
    { "fa\xc3\x9f.example", "xn--fa-hia.example" },
    { "\xff.example", NULL },
    { "\xc3\xbc" L63 ".example", NULL },
    { L63 "." L63 "." L63 "." L63, NULL },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct idn_name n = { .n = 0 };
        enum rc rc = idn_to_ascii(str_of(cases[i].name), &n);

        if ((rc == RC_OK) != (cases[i].ascii != NULL))
            fail_msg("%s: %s", cases[i].name, rc_name(rc));
        if (rc == RC_OK)
            assert_string_equal(n.text, cases[i].ascii);
    }
}

static void test_nul_is_no_end(void **state)
{
    struct idn_name n;

    (void)state;
    assert_int_equal(idn_to_ascii(S("\xc3\xbc.example\0.org"), &n), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_nul_is_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
