/* tls_policy_test.c - who may show any certificate, and that nobody may show none. */
#include "tls_policy.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *host;
    enum tls_level level;
} cases[] = {
    { "mx.example.org", TLS_LEVEL_VERIFIED },
    { "_test.example.org", TLS_LEVEL_ENCRYPTED },
    { "mx._test.example.org", TLS_LEVEL_VERIFIED }, /* only the host's own first label */
    { "[192.0.2.7]", TLS_LEVEL_ENCRYPTED },
    { "192.0.2.7", TLS_LEVEL_ENCRYPTED },
    { "[2001:db8::7]", TLS_LEVEL_ENCRYPTED },
    { "192.0.2.7.example.org", TLS_LEVEL_VERIFIED },
    { "192.0.2.", TLS_LEVEL_VERIFIED },
    { "[192.0.2.7", TLS_LEVEL_VERIFIED },
    { "localhost", TLS_LEVEL_VERIFIED },
    { "", TLS_LEVEL_VERIFIED },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_policy_facts facts = { .host = str_of(cases[i].host) };
        struct tls_policy p = tls_policy_for(&facts);

        if (p.requiretls || p.level != cases[i].level || !str_eq(p.name, facts.host))
            fail_msg("%s: level %d, name %.*s", cases[i].host, (int)p.level,
                     STR_ARG(p.name));
    }
}

/* RFC 8689 */
static void test_wishes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_policy_facts facts = { TLS_WISH_REQUIRED, str_of(cases[i].host) };
        struct tls_policy p = tls_policy_for(&facts);

        assert_true(p.requiretls && p.level == TLS_LEVEL_VERIFIED);
        facts.wish = TLS_WISH_OPTIONAL;
        p = tls_policy_for(&facts);
        assert_true(!p.requiretls && p.level == TLS_LEVEL_ENCRYPTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
                                        cmocka_unit_test(test_wishes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
