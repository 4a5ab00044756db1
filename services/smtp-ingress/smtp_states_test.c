/* smtp_states_test.c - RFC 5321's order of commands. */
#include "smtp_states.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void orders(void **state)
{
    static const struct {
        enum smtp_event events[8]; /* ends with EV_NONE */
        enum smtp_state want;
    } cases[] = {
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_RCPT, EV_DATA, EV_END }, ST_READY },
        { { EV_HELLO, EV_AUTH, EV_MAIL }, ST_MAIL },
        { { EV_MAIL }, ST_BAD },
        { { EV_AUTH }, ST_BAD },
        { { EV_HELLO, EV_RCPT }, ST_BAD },
        { { EV_HELLO, EV_DATA }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_DATA }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_MAIL }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_AUTH }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_TLS }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_TLS }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_RESET }, ST_READY },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_RESET, EV_DATA }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_HELLO, EV_DATA }, ST_BAD },
        /* STARTTLS forgets the EHLO: RFC 3207 4.2 */
        { { EV_HELLO, EV_TLS, EV_MAIL }, ST_BAD },
        { { EV_TLS, EV_HELLO, EV_MAIL }, ST_MAIL },
        { { EV_RESET }, ST_GREETED },
        /* RFC 3030 2, and 3: BDAT and DATA are not mixed */
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_END }, ST_READY },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_CHUNK, EV_BDAT, EV_END }, ST_READY },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_CHUNK, EV_END, EV_MAIL }, ST_MAIL },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_CHUNK, EV_DATA }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_CHUNK, EV_RCPT }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_CHUNK, EV_MAIL }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_CHUNK, EV_TLS }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_BDAT, EV_CHUNK, EV_RESET, EV_MAIL }, ST_MAIL },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_DATA, EV_BDAT }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_BDAT }, ST_BAD },
        { { EV_HELLO, EV_MAIL, EV_RCPT, EV_DATA, EV_RESET }, ST_BAD },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum smtp_state s = ST_GREETED;

        for (size_t j = 0; cases[i].events[j] != EV_NONE && s != ST_BAD; j++)
            s = smtp_states_next(s, cases[i].events[j]);
        assert_int_equal(s, cases[i].want);
    }
}

static void nothing_leads_out_of_bad(void **state)
{
    (void)state;
    for (int e = 0; e < EV_COUNT; e++)
        assert_int_equal(smtp_states_next(ST_BAD, (enum smtp_event)e), ST_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),
        cmocka_unit_test(nothing_leads_out_of_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
