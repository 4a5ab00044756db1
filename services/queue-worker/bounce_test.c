/* bounce_test.c - what the parameters of RFC 3461 make of a report. */
#include "batch.h"

#include "mail/domains.h"
#include "mail/envelope.h"
#include "store/store_body.h"
#include "store/store_remote.h"
#include "store/store_test.h"

static const struct domains domains = DOMAINS_ONE("example.org");
static const struct deliver_rules rules = {
    .route = { .domains = &domains, .delimiters = STR("+") },
    .hostname = STR("mx.example.org"),
    .remote_lifetime_s = 1000,
};

static struct batch batch;
static struct batch_news news;

static int setup(void **state)
{
    batch_init(&batch, test_db, &rules, 64, 3);
    return test_setup(state);
}

static int teardown(void **state)
{
    (void)state;
    batch_fini(&batch);
    return 0;
}

/* From user3 to accounts that do not exist. */
static void send_with(const struct envelope *e, const str_t *to, size_t n)
{
    struct store_accept m = { .head = S("Return-Path: <x>\r\nSubject: [...]\r\n\r\n"),
                              .body = S("the whole body\r\n"),
                              .sender = S("user3@example.org"),
                              .recipients = to,
                              .recipient_count = n,
                              .envelope = envelope_format(test_arena, e) };

    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
}

static int64_t count(const char *what)
{
    char sql[300];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", what);
    return test_number(test_db, sql);
}

/* The report, when it is in the INBOX of its only reader. */
static str_t report(void)
{
    int64_t body, size;
    char sql[300];
    str_t text;

    assert_int_equal(news.bounces, 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    body = test_number(test_db, "SELECT body_id FROM message");
    snprintf(sql, sizeof(sql), "SELECT size::int8 FROM message WHERE body_id = %lld",
             (long long)body);
    size = test_number(test_db, sql);
    assert_int_equal(
        store_body_read(test_arena, test_db, body, (int32_t)size, 0, 1000000, &text),
        RC_OK);
    return text;
}

static bool has(str_t text, const char *what)
{
    return str_find(text, str_of(what)) != SIZE_MAX;
}

static void it_repeats_what_the_sender_said(void **state)
{
    static const struct envelope_recipient said[] = {
        { STR("nobody1@example.org"), ENVELOPE_NOTIFY_FAILURE | ENVELOPE_NOTIFY_DELAY,
          STR("rfc822;list@elsewhere.example") },
        { STR("nobody2@example.org"), ENVELOPE_NOTIFY_NEVER, STR("") },
        { STR("nobody3@example.org"), ENVELOPE_NOTIFY_SUCCESS, STR("") },
    };
    const str_t to[] = { STR("nobody1@example.org"), STR("nobody2@example.org"),
                         STR("nobody3@example.org"), STR("nobody4@example.org") };
    struct envelope e = { .envid = S("QQ+1 x"),
                          .recipients = said,
                          .recipient_count = ARRAY_LEN(said) };
    str_t text;

    (void)state;
    test_account(3, 100000);
    send_with(&e, to, ARRAY_LEN(to));
    text = report();
    assert_true(has(text, "Original-Envelope-Id: QQ+1 x\r\nReporting-MTA: dns; "));
    assert_true(has(text, "\r\nOriginal-Recipient: rfc822;list@elsewhere.example\r\n"
                          "Final-Recipient: rfc822; nobody1@example.org\r\n"));
    assert_false(has(text, "nobody2") || has(text, "nobody3"));
    assert_true(has(text, "\r\n\r\nFinal-Recipient: rfc822; nobody4@example.org\r\n"));
    assert_true(has(text, "text/rfc822-headers") && !has(text, "the whole body"));
}

static void nobody_hears_of_what_is_not_wanted(void **state)
{
    static const struct envelope_recipient said = { STR("Nobody1@example.org"),
                                                    ENVELOPE_NOTIFY_NEVER, STR("") };
    const str_t to[] = { STR("nobody1@example.org") };
    struct envelope e = { .recipients = &said, .recipient_count = 1 };

    (void)state;
    test_account(3, 100000);
    send_with(&e, to, 1);
    assert_int_equal(news.bounces, 0);
    assert_int_equal(count("queue"), 0);
}

static void the_message_returns_whole_if_that_is_wanted(void **state)
{
    const str_t to[] = { STR("nobody1@example.org") };
    struct envelope e = { .ret = ENVELOPE_RET_FULL };
    str_t text;

    (void)state;
    test_account(3, 100000);
    send_with(&e, to, 1);
    text = report();
    assert_true(has(text, "Content-Type: message/rfc822\r\n"));
    assert_true(
        has(text, "\r\n\r\nSubject: [...]\r\n\r\nthe whole body\r\n\r\n--=_dsn_"));
}

/* RFC 8689 5 */
static void what_is_secret_returns_without_its_body(void **state)
{
    const str_t to[] = { STR("nobody1@example.org") };
    struct envelope e = { .ret = ENVELOPE_RET_FULL, .requiretls = true };

    (void)state;
    test_account(3, 100000);
    send_with(&e, to, 1);
    assert_int_equal(count("queue WHERE envelope @> '{\"requiretls\": true}'"), 1);
    assert_false(has(report(), "the whole body"));
}

/* The row for another host has what was said of its recipients only, and so has what
 * remote-sender gives back. */
static void other_hosts_hear_of_their_own(void **state)
{
    static const struct envelope_recipient said[] = {
        { STR("a@one.net"), ENVELOPE_NOTIFY_NEVER, STR("") },
        { STR("b@two.net"), ENVELOPE_NOTIFY_FAILURE, STR("rfc822;b@two.net") },
    };
    const str_t to[] = { STR("a@one.net"), STR("b@two.net") };
    struct envelope e = { .recipients = said,
                          .recipient_count = 2,
                          .ret = ENVELOPE_RET_HDRS };
    struct store_remote_claim how = { .limit = 10, .per_destination = 10, .lease_s = 60 };
    struct store_remote_cursor cursor = { { 0 } };
    struct store_remote_row *rows;
    size_t n;

    (void)state;
    test_account(3, 100000);
    send_with(&e, to, 2);
    assert_int_equal(store_remote_claim(test_arena, test_db, &cursor, &how, &rows, &n),
                     RC_OK);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        struct store_remote_failure failure = { rows[i].recipients[0], S("5.7.1"),
                                                S("554 5.7.1 go away"), S("mx.net") };
        struct store_remote_outcome outcome = { .failures = &failure,
                                                .failure_count = 1 };
        bool one = str_eq(rows[i].recipients[0], to[0]);
        struct envelope_recipient r;
        struct envelope got;

        assert_true(envelope_parse(rows[i].envelope, &got) &&
                    got.ret == ENVELOPE_RET_HDRS);
        assert_true(envelope_find(test_arena, &got, to[one ? 0 : 1], &r));
        assert_false(envelope_find(test_arena, &got, to[one ? 1 : 0], &r));
        assert_int_equal(store_remote_settle(test_db, &rows[i], &outcome), RC_OK);
    }
    assert_int_equal(batch_run_failed(&batch, &news), RC_OK);
    assert_true(has(report(), "Original-Recipient: rfc822;b@two.net\r\n"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_repeats_what_the_sender_said),
        CASE(nobody_hears_of_what_is_not_wanted),
        CASE(the_message_returns_whole_if_that_is_wanted),
        CASE(what_is_secret_returns_without_its_body),
        CASE(other_hosts_hear_of_their_own),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
