/* smtp_dsn_test.c - the parameters of RFC 3461, good and bad. */
#include "smtp/smtp_dsn.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void orcpt(void **state)
{
    static const struct {
        const char *value;
        bool utf8;
        const char *decoded; /* NULL: refused */
        const char *sent;    /* NULL: as it came */
    } cases[] = {
        { "rfc822;a@x.example", false, "rfc822;a@x.example", NULL },
        { "RFC822;a+2Bb@x.example", false, "RFC822;a+b@x.example", NULL },
        { "x400;/C=+3D/", false, NULL, NULL },
        { "x400;/C+3Dde/", false, "x400;/C=de/", NULL },
        { "rfc822;a+0Ab", false, NULL, NULL },
        { "rfc822;a+00", false, NULL, NULL },
        { "rfc822;a+E4", false, NULL, NULL },
        { "rfc822;", false, NULL, NULL },
        { ";a", false, NULL, NULL },
        { "rfc822", false, NULL, NULL },
        { "rf(c;a", false, NULL, NULL },
        { "rfc822;a b", false, NULL, NULL },
        { "utf-8;\\x{E4}@x.example", false, "utf-8;\\x{E4}@x.example", NULL },
        { "utf-8;\xc3\xa4@x.example", false, NULL, NULL },
        { "utf-8;\xc3\xa4@x.example", true, "utf-8;\\x{E4}@x.example",
          "utf-8;\\x{E4}@x.example" },
        { "utf-8;\xf0\x9f\x98\x80", true, "utf-8;\\x{1F600}", "utf-8;\\x{1F600}" },
        { "utf-8;\xc3", true, NULL, NULL },
        { "rfc822;\xc3\xa4@x.example", true, NULL, NULL },
    };
    struct arena *a = arena_new();
    char value[600] = "rfc822;";
    str_t out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = smtp_dsn_orcpt(a, str_of(cases[i].value), cases[i].utf8, &out);
        struct buf *b = arena_buf(a, 2000);

        if ((rc == RC_OK) != (cases[i].decoded != NULL))
            fail_msg("%s: %s", cases[i].value, rc_name(rc));
        if (rc != RC_OK)
            continue;
        assert_true(str_eq(out, str_of(cases[i].decoded)));
        smtp_dsn_put_rcpt(b, 0, out);
        assert_true(str_eq(buf_str(b),
                           str_of(arena_printf(a, " ORCPT=%s",
                                               cases[i].sent != NULL ? cases[i].sent
                                                                     : cases[i].value))));
    }
    memset(value + 7, 'x', SMTP_DSN_ORCPT_BYTES - 7);
    assert_int_equal(smtp_dsn_orcpt(a, str_of(value), false, &out), RC_OK);
    value[SMTP_DSN_ORCPT_BYTES] = 'x';
    assert_int_equal(smtp_dsn_orcpt(a, str_of(value), false, &out), RC_INVALID);
    arena_free(&a);
}

static void notify(void **state)
{
    static const struct {
        const char *value;
        unsigned bits; /* 0: refused */
        const char *sent;
    } cases[] = {
        { "NEVER", ENVELOPE_NOTIFY_NEVER, " NOTIFY=NEVER" },
        { "never", ENVELOPE_NOTIFY_NEVER, " NOTIFY=NEVER" },
        { "FAILURE", ENVELOPE_NOTIFY_FAILURE, " NOTIFY=FAILURE" },
        { "DELAY,Success", ENVELOPE_NOTIFY_DELAY | ENVELOPE_NOTIFY_SUCCESS,
          " NOTIFY=SUCCESS,DELAY" },
        { "SUCCESS,FAILURE,DELAY",
          ENVELOPE_NOTIFY_DELAY | ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_FAILURE,
          " NOTIFY=SUCCESS,FAILURE,DELAY" },
        { "NEVER,DELAY", 0, NULL },
        { "DELAY,NEVER", 0, NULL },
        { "NEVER,NEVER", 0, NULL },
        { "DELAY,DELAY", 0, NULL },
        { "", 0, NULL },
        { "DELAY,", 0, NULL },
        { ",DELAY", 0, NULL },
        { "DELAY,,SUCCESS", 0, NULL },
        { "ALWAYS", 0, NULL },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *b = arena_buf(a, 2000);
        unsigned bits;
        enum rc rc = smtp_dsn_notify(str_of(cases[i].value), &bits);

        if ((rc == RC_OK) != (cases[i].bits != 0))
            fail_msg("%s: %s", cases[i].value, rc_name(rc));
        if (rc != RC_OK)
            continue;
        assert_int_equal(bits, cases[i].bits);
        smtp_dsn_put_rcpt(b, bits, S(""));
        assert_true(str_eq(buf_str(b), str_of(cases[i].sent)));
    }
    arena_free(&a);
}

static void ret_and_envid(void **state)
{
    struct arena *a = arena_new();
    struct buf *b = arena_buf(a, 2000);
    enum envelope_ret ret;
    char value[120];
    str_t out;

    (void)state;
    assert_int_equal(smtp_dsn_ret(S("full"), &ret), RC_OK);
    assert_int_equal(ret, ENVELOPE_RET_FULL);
    assert_int_equal(smtp_dsn_ret(S("HDRS"), &ret), RC_OK);
    assert_int_equal(smtp_dsn_ret(S("BODY"), &ret), RC_INVALID);
    assert_int_equal(smtp_dsn_ret(S(""), &ret), RC_INVALID);
    assert_int_equal(smtp_dsn_envid(a, S("QQ+2B1"), &out), RC_OK);
    assert_true(str_eq(out, S("QQ+1")));
    smtp_dsn_put_mail(b, ENVELOPE_RET_HDRS, out);
    assert_true(str_eq(buf_str(b), S(" RET=HDRS ENVID=QQ+2B1")));
    assert_int_equal(smtp_dsn_envid(a, S(""), &out), RC_INVALID);
    assert_int_equal(smtp_dsn_envid(a, S("a+0D+0Ab"), &out), RC_INVALID);
    memset(value, 'x', sizeof(value));
    assert_int_equal(smtp_dsn_envid(a, str_n(value, 100), &out), RC_OK);
    assert_int_equal(smtp_dsn_envid(a, str_n(value, 101), &out), RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orcpt),
        cmocka_unit_test(notify),
        cmocka_unit_test(ret_and_envid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
