/* dsn_test.c - a report is what other servers and Delta Chat take for one. */
#include "mail/dsn.h"

#include "base/arena.h"
#include "mail/encrypted.h"
#include "mail/header.h"
#include "mail/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct dsn_recipient failed[] = {
    { STR("bob@there.example"), STR("5.1.1"),
      STR("550 5.1.1 no such user\r\nX: injected"), STR("mx.there.example"), STR("") },
    { STR("carol@here.example"), STR("nonsense"), STR("mailbox is full"), STR(""),
      STR("rfc822;list@here.example") },
};

static struct dsn sample(void)
{
    return (struct dsn){
        .domain = S("here.example"),
        .hostname = S("mail.here.example"),
        .to = S("alice@here.example"),
        .token = S("abc123"),
        .queue_id = S("42"),
        .arrival_unix = 1795259551,
        .now_unix = 1795263151,
        .recipients = failed,
        .recipient_count = ARRAY_LEN(failed),
        .original = S("Return-Path: <alice@here.example>\r\nFrom: alice@here.example\r\n"
                      "Subject: [...]\r\n--=_dsn_abc123--\r\nMessage-ID: <1@x>\r\n\r\n"
                      "the body\r\n"),
    };
}

static bool contains(str_t s, const char *text)
{
    return str_find(s, str_of(text)) != SIZE_MAX;
}

static void has_the_three_parts(void **state)
{
    struct arena *a = arena_new();
    struct dsn d = sample();
    str_t report = dsn_compose(a, &d);
    struct mime_tree t;

    (void)state;
    assert_int_equal(header_check(report), RC_OK);
    assert_true(str_starts(report, S("Return-Path: <>\r\n")));
    assert_true(str_eq(header_value(a, report, S("Subject")),
                       S("Undelivered Mail Returned to Sender")));
    assert_true(str_eq(header_value(a, report, S("Auto-Submitted")), S("auto-replied")));
    assert_true(str_eq(header_value(a, report, S("To")), S("<alice@here.example>")));
    mime_tree_parse(a, report, &t);
    assert_int_equal(t.count, 4);
    assert_true(t.parts[0].closed && t.parts[0].children == 3);
    assert_true(contains(t.parts[1].body, "bob@there.example"));
    assert_true(mime_type_is(&t.parts[2].type, "message", "delivery-status"));
    assert_true(
        contains(t.parts[2].body,
                 "Final-Recipient: rfc822; bob@there.example\r\nAction: failed\r\n"
                 "Status: 5.1.1\r\nRemote-MTA: dns; mx.there.example\r\n"
                 "Diagnostic-Code: smtp; 550 5.1.1 no such user  X: injected\r\n"));
    assert_true(
        contains(t.parts[2].body,
                 "Original-Recipient: rfc822;list@here.example\r\n"
                 "Final-Recipient: rfc822; carol@here.example\r\nAction: failed\r\n"
                 "Status: 5.0.0\r\n"));
    assert_true(
        contains(t.parts[2].body, "Arrival-Date: Sat, 21 Nov 2026 11:12:31 +0000\r\n"));
    assert_true(mime_type_is(&t.parts[3].type, "text", "rfc822-headers"));
    assert_true(str_eq(t.parts[3].body, S("From: alice@here.example\r\nSubject: [...]\r\n"
                                          "Message-ID: <1@x>\r\n")));
    arena_free(&a);
}

/* Our own reports must pass another server of the same kind. */
static void passes_as_a_bounce(void **state)
{
    struct arena *a = arena_new();
    struct dsn d = sample();
    struct encrypted_query q = { ENCRYPTED_INCOMING, dsn_compose(a, &d), NULL, 0 };
    struct encrypted_result r;

    (void)state;
    encrypted_judge(a, &q, &r);
    assert_int_equal(r.verdict, ENCRYPTED_BOUNCE);
    arena_free(&a);
}

static void international_addresses_get_their_types(void **state)
{
    static const struct dsn_recipient one = { STR("j\xc3\xb6rg@x.example"), STR("5.1.1"),
                                              STR("no"), STR(""), STR("") };
    struct arena *a = arena_new();
    struct dsn d = sample();
    str_t report;

    (void)state;
    d.recipients = &one;
    d.recipient_count = 1;
    report = dsn_compose(a, &d);
    assert_true(contains(report, "message/global-delivery-status"));
    assert_true(contains(report, "Final-Recipient: utf-8; j\xc3\xb6rg@x.example\r\n"));
    arena_free(&a);
}

static void is_bounded(void **state)
{
    static struct dsn_recipient many[DSN_MAX_RECIPIENTS + 5];
    static char text[5000], header[64 * 1024];
    struct arena *a = arena_new();
    struct dsn d = sample();
    str_t report;

    (void)state;
    memset(text, 'x', sizeof(text));
    memset(header, 'y', sizeof(header));
    memcpy(header, "A: b\r\nB: ", 9);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct dsn_recipient){ S("a@b"), S("5.0.0"), str_n(text, sizeof(text)),
                                          S(""), S("") };
    d.recipients = many;
    d.recipient_count = ARRAY_LEN(many);
    d.original = str_n(header, sizeof(header));
    report = dsn_compose(a, &d);
    assert_true(report.n < 2 * 1024 * 1024);
    assert_true(str_ends_nocase(report, S("A: b\r\n\r\n--=_dsn_abc123--\r\n")));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_three_parts),
        cmocka_unit_test(passes_as_a_bounce),
        cmocka_unit_test(international_addresses_get_their_types),
        cmocka_unit_test(is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
