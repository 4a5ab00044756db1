/* scrub_test.c - what is stored of a header, and what is not. */
#include "mail/scrub.h"

#include "base/arena.h"
#include "mail/header_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct scrub_wishes nothing;
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
    assert_int_equal(
        scrub_compose(a, SCRUB_SUBMISSION, &nothing, S("a@b"), message, &out), RC_OK);
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
    assert_int_equal(scrub_compose(a, SCRUB_INCOMING, &nothing, S(""), message, &out),
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
    struct scrub_wishes wishes = { .trace = S("Authentication-Results: us; none\r\n") };
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_INCOMING, &wishes, S("a@b"),
                                   S("Authentication-Results: them\r\nA: b\r\n\r\n"),
                                   &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <a@b>\r\n"
                                     "Authentication-Results: us; none\r\n"
                                     "A: b\r\n\r\n")));
    arena_free(&a);
}

static void only_some_fields(void **state)
{
    static const struct {
        const char *only;
        enum scrub_kind kind;
        str_t want;
    } cases[] = {
        /* What goes in any case cannot be listed back. */
        { "autocrypt, Received, X-*, Bcc", SCRUB_INCOMING,
          STR("Return-Path: <a@b>\r\nFrom: a@b\r\nX-Originating-IP: 1.2.3.4\r\n"
              "x-mailer: M\r\nAutocrypt: addr=a@b\r\n\r\n") },
        { "Chat-*, Subject", SCRUB_SUBMISSION,
          STR("Return-Path: <a@b>\r\nFrom: a@b\r\nSubject: [...]\r\n"
              "Chat-Version: 1.0\r\n\r\n") },
        { "Chat-V", SCRUB_SUBMISSION, STR("Return-Path: <a@b>\r\nFrom: a@b\r\n\r\n") },
    };
    str_t needed = S("content-type: x\r\nMIME-VERSION: 1.0\r\nTo: c@d\r\n"
                     "Content-Transfer-Encoding: 8bit\r\nDate: today\r\n"
                     "Message-Id: <x>\r\nFrom: a\r\n\r\nbody");
    struct arena *a = arena_new();
    struct scrub_result out;
    struct header_names only;
    struct scrub_wishes wishes = { .only = &only };
    char why[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            header_names_parse(a, str_of(cases[i].only), &only, why, sizeof(why)), RC_OK);
        assert_int_equal(
            scrub_compose(a, cases[i].kind, &wishes, S("a@b"), message, &out), RC_OK);
        if (!str_eq(out.header, cases[i].want))
            fail_msg("%s: %.*s", cases[i].only, STR_ARG(out.header));
        assert_true(str_eq(out.body, S("Received: in the body\r\nSubject: stays\r\n")));
    }
    assert_int_equal(scrub_compose(a, SCRUB_INCOMING, &wishes, S(""), needed, &out),
                     RC_OK);
    assert_true(
        str_eq(out.header, S("Return-Path: <>\r\ncontent-type: x\r\nMIME-VERSION: 1.0\r\n"
                             "Content-Transfer-Encoding: 8bit\r\nDate: today\r\n"
                             "Message-Id: <x>\r\nFrom: a\r\n\r\n")));
    arena_free(&a);
}

static void names_of_fields(void **state)
{
    static const struct {
        const char *text;
        size_t count; /* 0: refused */
    } cases[] = {
        { "a", 1 },
        { "Chat-*,\n X-Foo  To", 3 },
        { "!#$%&'+-^_`|~", 1 },
        { "From:", 0 },
        { "*", 0 },
        { "a*b", 0 },
        { "a**", 0 },
        { "\xc3\xa4", 0 },
    };
    struct arena *a = arena_new();
    struct header_names n;
    char why[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = header_names_parse(a, str_of(cases[i].text), &n, why, sizeof(why));

        assert_int_equal(rc, cases[i].count > 0 ? RC_OK : RC_INVALID);
        if (rc == RC_OK)
            assert_int_equal(n.count, cases[i].count);
    }
    assert_int_equal(header_names_parse(a, S(" "), &n, why, sizeof(why)), RC_OK);
    assert_int_equal(n.count, 0);
    arena_free(&a);
}

/* Where they are missing, and nothing else changes. */
static void what_is_missing(void **state)
{
    struct scrub_wishes wishes = { .date = S("now"), .message_id = S("<new@h>") };
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_SUBMISSION, &wishes, S("a@b"),
                                   S("From: a@b\r\n\r\nbody \r\n"), &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <a@b>\r\nDate: now\r\n"
                                     "Message-ID: <new@h>\r\nFrom: a@b\r\n\r\n")));
    assert_true(str_eq(out.body, S("body \r\n")));
    assert_int_equal(scrub_compose(a, SCRUB_SUBMISSION, &wishes, S("a@b"),
                                   S("message-id: <x>\r\ndate: y\r\n\r\n"), &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <a@b>\r\nmessage-id: <x>\r\n"
                                     "date: y\r\n\r\n")));
    arena_free(&a);
}

static void edges(void **state)
{
    struct arena *a = arena_new();
    struct scrub_result out;

    (void)state;
    assert_int_equal(scrub_compose(a, SCRUB_SUBMISSION, &nothing, S(""), S("A: b"), &out),
                     RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <>\r\nA: b\r\n\r\n")));
    assert_int_equal(out.body.n, 0);
    assert_int_equal(
        scrub_compose(a, SCRUB_SUBMISSION, &nothing, S(""), S("\r\nx"), &out), RC_OK);
    assert_true(str_eq(out.header, S("Return-Path: <>\r\n\r\n")));
    assert_int_equal(
        scrub_compose(a, SCRUB_SUBMISSION, &nothing, S(""), S("x\r\n\r\n"), &out),
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
        cmocka_unit_test(only_some_fields),
        cmocka_unit_test(names_of_fields),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(fields_of_our_own),
        cmocka_unit_test(edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
