/* smtp_commands_test.c - what the rows of smtp_commands.def and smtp_params.def demand.
 */
#include "smtp_commands.h"

#include "base/buf.h"
#include "ingress.h"
#include "smtp_params.h"
#include "transaction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct port mx = { .kind = PORT_MX };
static const struct port submission = { .kind = PORT_SUBMISSION };
static const struct port lmtp = { .kind = PORT_LMTP, .clear = true };
static const struct port insecure = { .kind = PORT_SUBMISSION, .clear = true };

static void rows_are_distinct_and_reachable(void **state)
{
    (void)state;
    for (size_t i = 0; i < smtp_commands_count(); i++) {
        const struct smtp_commands_row *row = smtp_commands_at(i);
        bool reachable = false;

        assert_non_null(row->handler);
        assert_ptr_equal(smtp_commands_find(row->verb), row);
        assert_true((row->ports & PORT_ANY) != 0);
        for (int s = ST_GREETED; s < ST_COUNT; s++)
            reachable |= smtp_states_next((enum smtp_state)s, row->event) != ST_BAD;
        assert_true(reachable);
    }
    assert_ptr_equal(smtp_commands_find(S("ehlo")), smtp_commands_find(S("EHLO")));
    assert_null(smtp_commands_find(S("BURL")));
    assert_null(smtp_commands_find(S("")));
}

static struct options options = { .require_tls = { .action = POLICY_REJECT } };
static struct ingress ingress = { .options = &options };

static void demands(void **state)
{
    static const struct {
        const struct port *port;
        bool tls, account;
        enum smtp_state at;
        const char *verb, *rest;
        const char *expect; /* NULL: allowed */
    } cases[] = {
        { &mx, false, false, ST_READY, "MAIL", "x", "530 5.7.0 Must issue a STARTTLS" },
        { &mx, false, false, ST_READY, "VRFY", "x", "530 5.7.0 " },
        { &mx, false, false, ST_GREETED, "RSET", "", "530 5.7.0 " },
        { &mx, false, false, ST_GREETED, "NOOP", "x", NULL },
        { &mx, false, false, ST_GREETED, "QUIT", "", NULL },
        { &mx, false, false, ST_GREETED, "STARTTLS", "", NULL },
        { &mx, false, false, ST_READY, "STARTTLS", "now", "501 5.5.4 " },
        { &mx, true, false, ST_READY, "MAIL", "x", NULL },
        { &mx, true, false, ST_GREETED, "MAIL", "x", "503 5.5.1 " },
        { &mx, true, false, ST_GREETED, "VRFY", "x", NULL }, /* without EHLO */
        { &mx, true, false, ST_READY, "AUTH", "PLAIN", "502 5.5.1 " },
        { &mx, true, false, ST_RCPT, "DATA", "", NULL },
        { &mx, true, false, ST_RCPT, "DATA", "x", "501 5.5.4 " },
        { &mx, true, false, ST_MAIL, "DATA", "", "503 5.5.1 " },
        { &mx, true, false, ST_CHUNKS, "DATA", "", "503 5.5.1 " },
        { &mx, true, false, ST_CHUNKS, "BDAT", "7 LAST", NULL },
        { &mx, true, false, ST_MAIL, "BDAT", "7 LAST", "503 5.5.1 " },
        { &mx, false, false, ST_READY, "BDAT", "7 LAST", "530 5.7.0 " },
        { &mx, true, false, ST_GREETED, "LHLO", "x", "502 5.5.1 " },
        { &lmtp, false, false, ST_GREETED, "LHLO", "x", NULL },
        { &lmtp, false, false, ST_GREETED, "EHLO", "x", "502 5.5.1 " },
        { &lmtp, false, false, ST_GREETED, "HELO", "x", "502 5.5.1 " },
        { &lmtp, false, false, ST_GREETED, "MAIL", "x", "503 5.5.1 " },
        { &lmtp, false, false, ST_READY, "MAIL", "x", NULL },
        { &lmtp, false, false, ST_READY, "AUTH", "PLAIN", "502 5.5.1 " },
        { &submission, false, false, ST_READY, "AUTH", "PLAIN", "530 5.7.0 Must" },
        { &submission, true, false, ST_READY, "AUTH", "PLAIN", NULL },
        { &insecure, false, false, ST_READY, "AUTH", "PLAIN", NULL },
        { &insecure, false, false, ST_READY, "MAIL", "x",
          "530 5.7.0 Authentication required" },
        { &insecure, false, true, ST_READY, "MAIL", "x", NULL },
        { &submission, true, false, ST_READY, "MAIL", "x",
          "530 5.7.0 Authentication required" },
        { &submission, true, true, ST_READY, "MAIL", "x", NULL },
        { &submission, true, true, ST_RCPT, "DATA", "", NULL },
        { &submission, true, true, ST_MAIL, "AUTH", "PLAIN", "503 5.5.1 " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct session s = { .ingress = &ingress,
                             .port = cases[i].port,
                             .tls = cases[i].tls,
                             .account = cases[i].account ? 7 : 0,
                             .state = cases[i].at };
        struct buf out;
        bool allowed;

        buf_init(&out, 4096);
        allowed = smtp_commands_allowed(&s, smtp_commands_find(str_of(cases[i].verb)),
                                        str_of(cases[i].rest), &out);
        assert_int_equal(allowed, cases[i].expect == NULL);
        if (cases[i].expect != NULL &&
            !str_starts(buf_str(&out), str_of(cases[i].expect)))
            fail_msg("%s: %.*s", cases[i].verb, STR_ARG(buf_str(&out)));
        buf_fini(&out);
    }
}

static void auth_is_offered_under_tls_only(void **state)
{
    const struct smtp_commands_row *auth = smtp_commands_find(S("AUTH"));
    const struct smtp_commands_row *starttls = smtp_commands_find(S("STARTTLS"));
    const struct port with_tls = { .kind = PORT_SUBMISSION, .tls = (void *)&with_tls };
    struct session s = { .port = &submission };

    (void)state;
    assert_false(smtp_commands_offered(&s, auth));
    assert_false(smtp_commands_offered(&s, starttls)); /* without a certificate */
    s.port = &with_tls;
    assert_true(smtp_commands_offered(&s, starttls));
    s.tls = true;
    assert_true(smtp_commands_offered(&s, auth));
    assert_false(smtp_commands_offered(&s, starttls));
    s.port = &mx;
    assert_false(smtp_commands_offered(&s, auth));
}

static void parameters(void **state)
{
    static const struct {
        const char *rest, *expect; /* NULL: taken */
    } cases[] = {
        { "FROM:<a@x.example>", NULL },
        { "FROM:<a@x.example> SIZE=1000 BODY=8BITMIME SMTPUTF8", NULL },
        { "FROM:<a@x.example> size=1000 body=7bit smtputf8", NULL },
        { "FROM:<a@x.example> AUTH=<>", NULL },
        { "FROM:<a@x.example> SIZE=x", "501 5.5.4 " },
        { "FROM:<a@x.example> SIZE=-1", "501 5.5.4 " },
        { "FROM:<a@x.example> SIZE=1 SIZE=2", "501 5.5.4 " },
        { "FROM:<a@x.example> BODY=BINARYMIME", "501 5.5.4 " },
        { "FROM:<a@x.example> SMTPUTF8=1", "501 5.5.4 " },
        { "FROM:<a@x.example> RET=HDRS ENVID=a+2Bb", NULL },
        { "FROM:<a@x.example> RET=BODY", "501 5.5.4 " },
        { "FROM:<a@x.example> ENVID=a+b", "501 5.5.4 " },
        { "FROM:<a@x.example> ENVID=a ENVID=a", "501 5.5.4 " },
        { "FROM:<a@x.example> SIZE=99999999999999999999", NULL }, /* check_size's */
        { "FROM:<a@x.example> SIZE=100000000000000000000", "501 5.5.4 " },
        { "FROM:<a@x.example> SIZE", "501 5.5.4 " },
        { "FROM:<a@x.example> NOTIFY=NEVER", "555 5.5.4 Unsupported option: NOTIFY\r\n" },
        { "FROM:<a@x.example> REQUIRETLS", NULL },
        { "FROM:<a@x.example> REQUIRETLS=yes", "501 5.5.4 " },
        { "FROM:<a@x.example> REQUIRETLS REQUIRETLS", "501 5.5.4 " },
        { "FROM:<a@x.example> MT-PRIORITY=3", "555 5.5.4 " },
        { "FROM:<a@x.example> HOLDFOR=60", "555 5.5.4 " },
        { "FROM:<a@x.example> HOLDUNTIL=2026-12-24T00:00:00Z", "555 5.5.4 " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct transaction *t = transaction_new();
        struct smtp_command_path path;
        struct buf out;

        buf_init(&out, 4096);
        assert_int_equal(
            smtp_command_path_parse(str_of(cases[i].rest), "FROM", ADDRESS_UTF8, &path),
            RC_OK);
        assert_int_equal(smtp_params_mail(&path, true, t, &out), cases[i].expect == NULL);
        if (cases[i].expect != NULL)
            assert_true(str_starts(buf_str(&out), str_of(cases[i].expect)));
        buf_fini(&out);
        transaction_free(&t);
    }
}

static void parameters_of_recipients(void **state)
{
    static const struct {
        const char *rest, *expect; /* NULL: taken */
    } cases[] = {
        { "TO:<a@x.example>", NULL },
        { "TO:<a@x.example> notify=never ORCPT=rfc822;a@x.example", NULL },
        { "TO:<a@x.example> NOTIFY=NEVER,DELAY", "501 5.5.4 " },
        { "TO:<a@x.example> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4 " },
        { "TO:<a@x.example> ORCPT=a@x.example", "501 5.5.4 " },
        { "TO:<a@x.example> NOTIFY", "501 5.5.4 " },
        { "TO:<a@x.example> SIZE=1", "555 5.5.4 Unsupported option: SIZE\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct transaction_recipient about = { .notify = 0 };
        struct transaction *t = transaction_new();
        struct smtp_command_path path;
        struct buf out;

        buf_init(&out, 4096);
        assert_int_equal(
            smtp_command_path_parse(str_of(cases[i].rest), "TO", ADDRESS_UTF8, &path),
            RC_OK);
        assert_int_equal(smtp_params_rcpt(&path, true, t, &about, &out),
                         cases[i].expect == NULL);
        if (cases[i].expect != NULL)
            assert_true(str_starts(buf_str(&out), str_of(cases[i].expect)));
        buf_fini(&out);
        transaction_free(&t);
    }
}

static void announced_parameters(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    smtp_params_ehlo(&out, true, 31457280);
    assert_true(
        str_eq(buf_str(&out),
               S("250-SIZE 31457280\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
                 "250-REQUIRETLS\r\n")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_distinct_and_reachable),
        cmocka_unit_test(demands),
        cmocka_unit_test(auth_is_offered_under_tls_only),
        cmocka_unit_test(parameters),
        cmocka_unit_test(parameters_of_recipients),
        cmocka_unit_test(announced_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
