/* scrub_test.c - what is stored of a header, and what is not. */
#include "mail/scrub.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const str_t message = STR("Received: from laptop (1.2.3.4)\r\n\tby x; now\r\n"
                                 "Return-Path: <old@x>\r\n"
                                 "From: a@b\r\n"
                                 "SUBJECT: secret\r\n plan\r\n"
                                 "X-Originating-IP: 1.2.3.4\r\n"
                                 "x-mailer: M\r\n"
                                 "User-Agent: U\r\n"
                                 "DKIM-Signature: v=1;\r\n b=x\r\n"
                                 "Authentication-Results: x\r\n"
                                 "Autocrypt: addr=a@b\r\n"
                                 "BCC: c@d,\r\n e@f\r\n"
                                 "Resent-Bcc: c@d\r\n"
                                 "Content-Length: 5\r\n"
                                 "Chat-Version: 1.0\r\n"
                                 "\r\n"
                                 "Received: in the body\r\nSubject: stays\r\n");

static void submission(void **state)
{
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_SUBMISSION, S("a@b"), S(""), message, &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <a@b>\r\n"
                                     "From: a@b\r\n"
                                     "Subject: [...]\r\n"
                                     "Autocrypt: addr=a@b\r\n"
                                     "Chat-Version: 1.0\r\n\r\n")));
    assert_true(str_eq(out.body, S("Received: in the body\r\nSubject: stays\r\n")));
    arena_free(&a);
}

static void incoming(void **state)
{
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_INCOMING, S(""), S(""), message, &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <>\r\n"
                                     "From: a@b\r\n"
                                     "SUBJECT: secret\r\n plan\r\n"
                                     "X-Originating-IP: 1.2.3.4\r\n"
                                     "x-mailer: M\r\n"
                                     "User-Agent: U\r\n"
                                     "Autocrypt: addr=a@b\r\n"
                                     "Chat-Version: 1.0\r\n\r\n")));
    arena_free(&a);
}

static void fields_of_our_own(void **state)
{
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_INCOMING, S("a@b"),
                                   S("Authentication-Results: us; none\r\n"),
                                   S("Authentication-Results: them\r\nA: b\r\n\r\n"),
                                   &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <a@b>\r\n"
                                     "Authentication-Results: us; none\r\n"
                                     "A: b\r\n\r\n")));
    arena_free(&a);
}

static void edges(void **state)
{
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_SUBMISSION, S(""), S(""), S("A: b"), &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <>\r\nA: b\r\n\r\n")));
    assert_int_equal(out.body.n, 0);
    assert_int_equal(scrub_compose(a, SCRUB_SUBMISSION, S(""), S(""), S("\r\nx"), &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <>\r\n\r\n")));
    assert_int_equal(
        scrub_compose(a, SCRUB_SUBMISSION, S(""), S(""), S("x\r\n\r\n"), &out),
        RC_INVALID);
    assert_true(str_eq(scrub_without_return_path(S("Return-Path: <a@b>\r\nA: b\r\n")),
                       S("A: b\r\n")));
    assert_true(str_eq(scrub_without_return_path(S("A: b\r\nReturn-Path: <>\r\n")),
                       S("A: b\r\nReturn-Path: <>\r\n")));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submission),
        cmocka_unit_test(incoming),
        cmocka_unit_test(fields_of_our_own),
        cmocka_unit_test(edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
