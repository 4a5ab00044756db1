/* batch_test.c - batches against a real PostgreSQL: everything once, failures included.
 */
#include "batch.h"

#include "mail/domains.h"
#include "bounce.h"
#include "mail/header.h"
#include "store/store_body.h"
#include "store/store_message.h"
#include "store/store_remote.h"
#include "store/store_test.h"

#include <pthread.h>

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

static int64_t send_to(const char *sender, const str_t *to, size_t n)
{
    struct store_accept m = {
        .head = S("Return-Path: <x>\r\nX-Mark: of the failed message\r\n\r\n"),
        .body = S("hello\r\n"),
        .sender = str_of(sender),
        .recipients = to,
        .recipient_count = n
    };

    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    return m.body_id;
}

static int64_t count(const char *table)
{
    char sql[200];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    return test_number(test_db, sql);
}

/* The stored text of the only message in the INBOX of user i. */
static str_t only_message(int i)
{
    char sql[300];
    int64_t body, size;
    str_t text;

    snprintf(
        sql, sizeof(sql),
        "SELECT body_id FROM message WHERE mailbox_id = (SELECT id << 18 FROM account "
        "WHERE addr = 'user%d@example.org')",
        i);
    body = test_number(test_db, sql);
    snprintf(sql, sizeof(sql), "SELECT size::int8 FROM message WHERE body_id = %lld",
             (long long)body);
    size = test_number(test_db, sql);
    assert_int_equal(
        store_body_read(test_arena, test_db, body, (int32_t)size, 0, 100000, &text),
        RC_OK);
    return text;
}

static void expect_in(str_t text, const char *what)
{
    if (str_find(text, str_of(what)) == SIZE_MAX)
        fail_msg("'%s' is not in: %.*s", what, STR_ARG(text));
}

static void test_nothing(void **state)
{
    (void)state;
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 0);
    assert_false(news.more);
}

static void test_local_once(void **state)
{
    const str_t to[] = { STR("user1@example.org"), STR("User2@Example.org"),
                         STR("user1+x@example.org") };
    int64_t one = test_account(1, 100000);
    size_t added = 0;

    (void)state;
    test_account(2, 100000);
    send_to("user1@example.org", to, 3);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 1);
    assert_int_equal(news.box_count, 2);
    for (size_t i = 0; i < news.box_count; i++) {
        added += news.box[i].added;
        if (news.box[i].account == one)
            assert_int_equal(news.box[i].uidnext, 2);
    }
    assert_int_equal(added, 2);
    assert_int_equal(count("message"), 2);
    assert_int_equal(count("queue"), 0);
    assert_int_equal(test_number(test_db, "SELECT count(DISTINCT body_id) FROM message"),
                     1);
}

static void test_unknown_bounces(void **state)
{
    const str_t to[] = { STR("user1@example.org"), STR("nobody1@example.org") };
    str_t text;

    (void)state;
    test_account(1, 100000);
    test_account(3, 100000);
    send_to("user3@example.org", to, 2);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(count("message"), 1);
    assert_int_equal(count("queue"), 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 0);
    assert_int_equal(count("queue"), 0);
    text = only_message(3);
    assert_true(str_starts(text, S("Return-Path: <>\r\n")));
    assert_int_equal(header_count(text, S("Return-Path")), 1);
    expect_in(text, "550 5.1.1 <nobody1@example.org> User doesn't exist");
    expect_in(text, "multipart/report");
    expect_in(text, "rfc822-headers");
    expect_in(text, "X-Mark: of the failed message");
    expect_in(text, "Auto-Submitted: auto-replied");
    expect_in(text, "From: ");
    expect_in(text, "MAILER-DAEMON@example.org");
    if (str_find(text, S("hello\r\n")) != SIZE_MAX)
        fail_msg("the body came back");
}

/* What submission takes and nobody can be given; the others are served. */
static void test_unsendable_bounces(void **state)
{
    const str_t to[] = { STR("\"no body\"@x.org"), STR("x@[x400:c=de]"),
                         STR("\"user1\"@example.org"), STR("a%x.org@example.org"),
                         STR("\"a,b\"@x.org") };
    str_t text;

    (void)state;
    test_account(1, 100000);
    test_account(3, 100000);
    send_to("user3@example.org", to, ARRAY_LEN(to));
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(count("message"), 1);
    assert_int_equal(test_number(test_db,
                                 "SELECT count(*) FROM queue_remote WHERE domain "
                                 "= 'x.org' AND rcpt = ARRAY['\"a,b\"@x.org']"),
                     1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    text = only_message(3);
    expect_in(text, "Final-Recipient: rfc822; \"no body\"@x.org\r\n"
                    "Action: failed\r\nStatus: 5.1.3\r\n");
    expect_in(text, "Final-Recipient: rfc822; x@[x400:c=de]\r\n"
                    "Action: failed\r\nStatus: 5.1.3\r\n");
    expect_in(text, "Final-Recipient: rfc822; a%x.org@example.org\r\n"
                    "Action: failed\r\nStatus: 5.1.1\r\n");
    if (str_find(text, S("a,b")) != SIZE_MAX || str_find(text, S("user1")) != SIZE_MAX)
        fail_msg("somebody who can be reached is in: %.*s", STR_ARG(text));
}

static void test_null_sender_drops(void **state)
{
    const str_t to[] = { STR("nobody1@example.org"), STR("not an address") };

    (void)state;
    send_to("", to, 2);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 1);
    assert_int_equal(news.bounces, 0);
    assert_int_equal(count("queue"), 0);
}

/* The second of two does not fit, the third one is small enough again. */
static void test_quota_message_by_message(void **state)
{
    const str_t to[] = { STR("user1@example.org") };
    char big[600];
    struct store_accept m[3];

    (void)state;
    test_account(1, 1000);
    test_account(3, 100000);
    memset(big, 'x', sizeof(big));
    for (size_t i = 0; i < 3; i++) {
        m[i] = (struct store_accept){ .head = S("Subject: x\r\n\r\n"),
                                      .body = str_n(big, i == 2 ? 10 : sizeof(big)),
                                      .sender = S("user3@example.org"),
                                      .recipients = to,
                                      .recipient_count = 1 };
        assert_int_equal(store_accept(test_db, &m[i], 1, 5000), RC_OK);
    }
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 3);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(count("message"), 2);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    expect_in(only_message(3),
              "552 5.2.2 <user1@example.org> Quota exceeded (mailbox for user is full)");
}

static void test_remote_rows(void **state)
{
    const str_t to[] = { STR("a@one.net"), STR("b@TWO.net"), STR("c@one.net"),
                         STR("user1@example.org") };
    struct store_remote_row *rows;
    size_t n;

    (void)state;
    test_account(1, 100000);
    send_to("user1@example.org", to, 4);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.remote_rows, 2);
    assert_int_equal(store_remote_list(test_arena, test_db, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        bool one = str_eq(rows[i].domain, S("one.net"));

        assert_int_equal(rows[i].recipient_count, one ? 2 : 1);
        assert_true(one || str_eq(rows[i].recipients[0], S("b@two.net")));
    }
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote WHERE "
                                          "convert_from(prefix, 'UTF8') LIKE "
                                          "'Received: by mx.example.org %' AND "
                                          "expires - created = 1000"),
                     2);
}

/* Nothing of a batch is seen without all of it. */
static void test_one_commit(void **state)
{
    const str_t to[] = { STR("user1@example.org"), STR("nobody1@example.org"),
                         STR("a@one.net") };
    struct bounce_office office = { &rules.route, S("mx.example.org") };
    struct store_queue_cursor cursor = { 0 };
    struct store_queue_row *rows;
    struct deliver_done done;
    size_t n, bounces;

    (void)state;
    test_account(1, 100000);
    send_to("user1@example.org", to, 3);
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &cursor, 64, &rows, &n),
                     RC_OK);
    assert_int_equal(deliver(test_arena, test_db, &rules, NULL, rows, n, &done), RC_OK);
    assert_int_equal(bounce_queue(test_arena, test_db, &office, done.failed,
                                  done.failed_count, &bounces),
                     RC_OK);
    assert_int_equal(bounces, 1);
    assert_int_equal(db_flush(test_db), RC_OK);
    db_rollback(test_db);
    assert_int_equal(count("queue"), 1);
    assert_int_equal(count("message"), 0);
    assert_int_equal(count("queue_remote"), 0);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(count("queue"), 1); /* the bounce */
    assert_int_equal(count("message"), 1);
    assert_int_equal(count("queue_remote"), 1);
}

/* More recipients than one transaction locks: the rest is next, nothing is lost. */
static void test_many_recipients(void **state)
{
    enum { ROWS = 5, EACH = 5000 };
    str_t *to = arena_array(test_arena, EACH, sizeof(*to));
    size_t done = 0;

    (void)state;
    test_account(1, 10000000);
    for (size_t i = 0; i < EACH; i++)
        to[i] = str_of(arena_printf(test_arena, "nobody%zu@example.org", i));
    to[7] = S("user1@example.org");
    for (int i = 0; i < ROWS; i++)
        send_to("", to, EACH);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 3);
    assert_true(news.more);
    done = news.rows;
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(done + news.rows, ROWS);
    assert_int_equal(count("message"), ROWS);
}

/* A row for each of very many destinations, in one transaction. */
static void test_many_destinations(void **state)
{
    enum { ROWS = 4, EACH = 4000 };
    str_t *to = arena_array(test_arena, EACH, sizeof(*to));

    (void)state;
    for (size_t i = 0; i < EACH; i++)
        to[i] = str_of(arena_printf(test_arena, "a@host%zu.net", i));
    for (int i = 0; i < ROWS; i++)
        send_to("", to, EACH);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, ROWS);
    assert_int_equal(news.remote_rows, ROWS * EACH);
    assert_int_equal(count("queue_remote"), ROWS * EACH);
    assert_int_equal(count("queue"), 0);
}

static void *work_until_empty(void *arg)
{
    struct batch b;
    struct batch_news got;
    size_t *rows = arg;
    struct db *db = test_connect();

    batch_init(&b, db, &rules, 7, 3);
    do {
        if (batch_run(&b, &got) != RC_OK)
            break;
        *rows += got.rows;
    } while (got.rows > 0);
    batch_fini(&b);
    db_free(&db);
    return NULL;
}

static void test_two_workers(void **state)
{
    enum { MESSAGES = 200 };
    const str_t to[] = { STR("user1@example.org"), STR("user2@example.org") };
    struct deadline until = deadline_in_ms(10000);
    pthread_t thread[2];
    size_t rows[2] = { 0, 0 }, left = 0;

    (void)state;
    test_account(1, 10000000);
    test_account(2, 10000000);
    for (int i = 0; i < MESSAGES; i++)
        send_to("user1@example.org", to, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work_until_empty, &rows[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    /* What both skipped at the end, or put back because the other had locked a mailbox.
     */
    while (count("queue") > 0 && !deadline_passed(until)) {
        assert_int_equal(batch_run(&batch, &news), RC_OK);
        left += news.rows;
    }
    assert_int_equal(rows[0] + rows[1] + left, MESSAGES);
    assert_int_equal(count("message"), 2 * MESSAGES);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM (SELECT mailbox_id, "
                                          "body_id FROM message GROUP BY 1, 2) x"),
                     2 * MESSAGES);
    assert_int_equal(test_number(test_db, "SELECT max(uid)::int8 FROM message"),
                     MESSAGES);
    assert_int_equal(count("queue"), 0);
}

static void test_failed_become_bounces(void **state)
{
    const str_t to[] = { STR("a@one.net"), STR("b@one.net") };
    struct store_remote_failure failure = { S("a@one.net"), S("5.7.1"),
                                            S("554 5.7.1 go away"), S("mx.one.net") };
    struct store_remote_claim how = { .limit = 10, .per_destination = 10, .lease_s = 60 };
    struct store_remote_outcome outcome = { .failures = &failure, .failure_count = 1 };
    struct store_remote_cursor cursor = { { 0 } };
    struct store_remote_row *rows;
    size_t n;

    (void)state;
    test_account(3, 100000);
    send_to("user3@example.org", to, 2);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(store_remote_claim(test_arena, test_db, &cursor, &how, &rows, &n),
                     RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_remote_settle(test_db, &rows[0], &outcome), RC_OK);
    assert_int_equal(batch_run_failed(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(count("queue_failed"), 0);
    assert_int_equal(batch_run_failed(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 0);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    expect_in(only_message(3), "554 5.7.1 go away");
    expect_in(only_message(3), "mx.one.net");
}

/* What may have killed its worker gets its turns alone, then a place aside. */
static void test_suspects(void **state)
{
    const str_t to[] = { STR("user1@example.org") };

    (void)state;
    test_account(1, 100000);
    send_to("user1@example.org", to, 1);
    send_to("user1@example.org", to, 1);
    assert_int_equal(batch_run_suspect(&batch, &news), RC_NOT_FOUND);
    test_sql("UPDATE queue SET attempts = 2 WHERE body_id = (SELECT min(body_id) FROM "
             "queue)");
    test_sql("UPDATE queue SET attempts = 3 WHERE attempts = 0");
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(batch_run_suspect(&batch, &news), RC_OK);
    assert_int_equal(batch_run_suspect(&batch, &news), RC_NOT_FOUND);
    assert_int_equal(count("message"), 1);
    assert_int_equal(count("queue_aside"), 1);
    /* Its sender is told, without a word of the message itself. */
    assert_int_equal(count("queue"), 1);
    test_sql("DELETE FROM message");
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    expect_in(only_message(1), "Status: 5.3.0");
    assert_int_equal(str_find(only_message(1), S("X-Mark")), SIZE_MAX);
}

/* What kills also whoever tells of it is set aside without a word, at its next turn. */
static void test_set_aside_is_told_once(void **state)
{
    const str_t to[] = { STR("user1@example.org") };
    static const struct {
        int attempts, bounces;
    } cases[] = { { 3, 1 }, { 4, 0 }, { 5, 0 } }; /* before this turn; 3 are allowed */

    (void)state;
    test_account(1, 100000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        send_to("user1@example.org", to, 1);
        test_sql("UPDATE queue SET attempts = %d", cases[i].attempts);
        assert_int_equal(batch_run_suspect(&batch, &news), RC_OK);
        assert_int_equal(count("queue_aside"), i + 1);
        assert_int_equal(news.bounces, cases[i].bounces);
        assert_int_equal(count("queue"), cases[i].bounces);
        test_sql("DELETE FROM queue");
    }
}

/* As if it were unknown: no box, a report for the sender. */
static void test_a_disabled_account_gets_no_mail(void **state)
{
    const str_t to[] = { STR("user1@example.org") };
    int64_t one = test_account(1, 100000);

    (void)state;
    test_account(3, 100000);
    assert_int_equal(store_account_set_state(test_db, one, STORE_ACCOUNT_DISABLED),
                     RC_OK);
    send_to("user3@example.org", to, 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(count("message"), 0);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    expect_in(only_message(3), "550 5.1.1 <user1@example.org>");
}

/* So many tries as fill its lifetime of 1,000 s, whatever the clocks say meanwhile. */
static void test_a_mailbox_that_stays_busy_is_given_up(void **state)
{
    const str_t to[] = { STR("user1@example.org") };
    struct db *holder = test_connect();

    (void)state;
    test_account(1, 100000);
    test_account(3, 100000);
    db_begin(holder);
    assert_int_equal(db_script(holder, "SELECT 1 FROM mailbox WHERE id IN (SELECT id << "
                                       "18 FROM account WHERE addr LIKE 'user1@%') "
                                       "FOR NO KEY UPDATE"),
                     RC_OK);
    send_to("user3@example.org", to, 1);
    test_sql("UPDATE queue SET since = due - 10 * 86400 * 1000000::int8, puts = 200");
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 0);
    assert_int_equal(test_number(test_db, "SELECT puts::int8 FROM queue"), 201);
    assert_in_range(news.retry_ms, 4000, 5000);
    test_sql("UPDATE queue SET due = now_us()");
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    expect_in(only_message(3), "450 4.2.1 Mailbox is busy");
    db_rollback(holder);
    db_free(&holder);
}

/* Somebody works on an INBOX for long: his mail waits, nobody else's, and nothing is
 * delivered twice. */
static void test_busy_mailbox(void **state)
{
    const str_t to[] = { STR("user1@example.org"), STR("user2@example.org"),
                         STR("user3@example.org") };
    struct store_message_uids none = { 0 };
    struct store_message_change seen = { .flags = 1, .unchanged_since = -1 };
    struct store_message_flagged flagged;
    struct db *holder = test_connect();
    struct deadline until = deadline_in_ms(10000);
    int64_t one = test_account(1, 100000);

    (void)state;
    test_account(2, 100000);
    test_account(3, 100000);
    db_begin(holder);
    assert_int_equal(store_message_flag(test_arena, holder, test_inbox(one), &none, &seen,
                                        &flagged, NULL),
                     RC_OK);
    send_to("user1@example.org", to, 3);
    send_to("user1@example.org", &to[0], 1);
    send_to("user1@example.org", &to[1], 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(count("message"), 3);
    assert_int_equal(count("queue"), 2);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue WHERE rcpt = "
                                          "ARRAY['user1@example.org']"),
                     2);
    assert_true(news.retry_ms > 0 && news.retry_ms <= 5000);
    db_rollback(holder);
    while (count("queue") > 0 && !deadline_passed(until))
        assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(count("message"), 5);
    assert_int_equal(test_number(test_db, "SELECT nmsg::int8 FROM mailbox WHERE id = "
                                          "(SELECT id << 18 FROM account WHERE addr = "
                                          "'user1@example.org')"),
                     2);
    db_free(&holder);
}

/* Only what ends a worker makes a message suspect, not a database in trouble. */
static void test_survived(void **state)
{
    const str_t to[] = { STR("user1@example.org") };

    (void)state;
    test_account(1, 100000);
    send_to("user1@example.org", to, 1);
    test_sql("UPDATE queue SET attempts = 2");
    test_sql("ALTER TABLE message RENAME TO message_away");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(batch_run_suspect(&batch, &news), RC_RETRY);
        test_sql("UPDATE queue SET due = now_us()");
    }
    test_sql("ALTER TABLE message_away RENAME TO message");
    assert_int_equal(batch_run_suspect(&batch, &news), RC_OK);
    assert_int_equal(count("queue_aside"), 0);
    assert_int_equal(count("message"), 1);
}

static void test_wanted(void **state)
{
    (void)state;
    assert_true(bounce_is_wanted(S("user1@example.org")));
    assert_true(bounce_is_wanted(S("x@[192.0.2.1]")));
    assert_true(bounce_is_wanted(S("\"x y\"@example.net")));
    assert_true(bounce_is_wanted(S("a%b!c@example.net")));
    assert_false(bounce_is_wanted(S("")));
    assert_false(bounce_is_wanted(S("nobody")));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nothing),
        CASE(test_local_once),
        CASE(test_unknown_bounces),
        CASE(test_unsendable_bounces),
        CASE(test_null_sender_drops),
        CASE(test_quota_message_by_message),
        CASE(test_remote_rows),
        CASE(test_one_commit),
        CASE(test_many_recipients),
        CASE(test_many_destinations),
        CASE(test_two_workers),
        CASE(test_failed_become_bounces),
        CASE(test_suspects),
        CASE(test_busy_mailbox),
        CASE(test_survived),
        CASE(test_set_aside_is_told_once),
        CASE(test_a_disabled_account_gets_no_mail),
        CASE(test_a_mailbox_that_stays_busy_is_given_up),
        cmocka_unit_test(test_wanted),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
