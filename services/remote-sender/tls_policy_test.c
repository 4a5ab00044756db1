/* tls_policy_test.c - who may show any certificate, and that nobody may show none. */
#include "tls_policy.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *host;
    enum tls_verify verify;
} cases[] = {
    { "mx.example.org", TLS_VERIFY_NAME },
    { "_test.example.org", TLS_VERIFY_NONE },
    { "mx._test.example.org", TLS_VERIFY_NAME }, /* only the host's own first label */
    { "[192.0.2.7]", TLS_VERIFY_NONE },
    { "192.0.2.7", TLS_VERIFY_NONE },
    { "[2001:db8::7]", TLS_VERIFY_NONE },
    { "192.0.2.7.example.org", TLS_VERIFY_NAME },
    { "192.0.2.", TLS_VERIFY_NAME },
    { "[192.0.2.7", TLS_VERIFY_NAME },
    { "localhost", TLS_VERIFY_NAME },
    { "", TLS_VERIFY_NAME },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_policy p = tls_policy_for(str_of(cases[i].host));

        if (p.verify != cases[i].verify || !p.starttls_required)
            fail_msg("%s: verify %d, required %d", cases[i].host, (int)p.verify,
                     (int)p.starttls_required);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
