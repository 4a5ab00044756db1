/* dialogue_test.c - what the log may show of a line. */
#include "dialogue.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void masked(void **state)
{
    static const struct {
        const char *line;
        bool in_sasl, muted;
        const char *shown;
    } cases[] = {
        { "EHLO mx.example", false, false, "EHLO mx.example" },
        { "EHLO some words", false, false, "EHLO ***" },
        { "MAIL FROM:<a@x.example> SIZE=7", false, false,
          "MAIL FROM:<a@x.example> SIZE=7" },
        { "MAIL FROM:<\"a b\"@x.example>", false, false, "MAIL FROM:<'a b'@x.example>" },
        { "Mail me at five", false, false, "Mail ***" },
        { "RCPT TO:<b@y.example>", false, false, "RCPT TO:<b@y.example>" },
        { "RCPT TO:<b@y.example>", false, true, "RCPT ***" },
        { "BDAT 7 LAST", false, false, "BDAT 7 LAST" },
        { "BDAT 0  last", false, false, "BDAT 0  last" },
        { "BDAT 7 secret", false, false, "BDAT ***" },
        { "BDAT secret LAST", false, false, "BDAT ***" },
        { "BDAT 123456789012345678901 LAST", false, false, "BDAT ***" },
        { "DATA", false, false, "DATA" },
        { "NOOP secret", false, false, "NOOP ***" },
        { "VRFY secret", false, false, "VRFY ***" },
        { "HELP me with the secret", false, false, "HELP ***" },
        { "AUTH PLAIN", false, false, "AUTH PLAIN" },
        { "AUTH PLAIN AGEAYg==", false, false, "AUTH PLAIN ***" },
        { "auth login AGEAYg==", false, false, "auth login ***" },
        { "AUTH AGEAYg==", false, false, "AUTH ***" },
        { "AUTH AGEAYg", false, false, "AUTH ***" },
        { "AUTH PLAIN AGEAYg== x", false, false, "AUTH ***" },
        { "AUTH PLAIN AGEAYg==", false, true, "AUTH ***" },
        { "AGEAYg==", true, false, "***" },
        { "MAIL FROM:<a@x.example>", true, false, "***" },
        { "AGEAYg==", false, false, "(8 octets that are no command)" },
        { "AUTHPLAIN AGEAYg==", false, false, "(18 octets that are no command)" },
        { " AUTH PLAIN AGEAYg==", false, false, "(20 octets that are no command)" },
        { "AUTH\tPLAIN AGEAYg==", false, false, "(19 octets that are no command)" },
        { "Subject: secret", false, false, "(15 octets that are no command)" },
        { "", false, false, "(0 octets that are no command)" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, 10000);
        dialogue_mask(&out, str_of(cases[i].line), cases[i].in_sasl, cases[i].muted);
        if (!str_eq(buf_str(&out), str_of(cases[i].shown)))
            fail_msg("%s: %.*s", cases[i].line, STR_ARG(buf_str(&out)));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(masked) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
