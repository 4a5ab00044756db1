/* quarantine_test.c - what a check put into quarantine, on its way through a batch. */
#include "batch.h"

#include "mail/domains.h"
#include "mail/envelope.h"
#include "store/store_mailbox.h"
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

static void send_as(bool submission, const char *sender, const str_t *to, size_t n)
{
    struct envelope e = { .quarantine = true, .submission = submission };
    struct store_accept m = { .head = S("Return-Path: <x>\r\n\r\n"),
                              .body = S("hello\r\n"),
                              .sender = str_of(sender),
                              .recipients = to,
                              .recipient_count = n,
                              .envelope = envelope_format(test_arena, &e) };

    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
}

static int64_t count(const char *what)
{
    char sql[300];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", what);
    return test_number(test_db, sql);
}

static int64_t in_junk(int64_t account)
{
    char what[200];

    snprintf(what, sizeof(what), "message WHERE mailbox_id = %lld",
             (long long)store_ids_mailbox(account, 1));
    return count(what);
}

/* Beside mail for INBOX, and the gateways are told of the right mailbox. */
static void goes_to_junk(void **state)
{
    const str_t to[] = { STR("user1@example.org"), STR("user2@example.org") };
    int64_t one = test_account(1, 100000), two = test_account(2, 100000);
    size_t told = 0;

    (void)state;
    send_as(false, "a@b.example", to, 2);
    send_as(false, "a@b.example", to, 1);
    test_mail(test_db, to, 1, S("for INBOX"));
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.rows, 3);
    assert_int_equal(count("queue"), 0);
    assert_int_equal(in_junk(one), 2);
    assert_int_equal(in_junk(two), 1);
    assert_int_equal(count("message"), 4);
    for (size_t i = 0; i < news.box_count; i++) {
        const struct store_deliver_box *box = &news.box[i];

        if (box->added == 0)
            continue;
        told++;
        if (box->mailbox == store_ids_mailbox(one, 1))
            assert_int_equal(box->uidnext, 3);
        else
            assert_int_equal(box->uidnext, 2);
        assert_true(box->account == one || box->mailbox == store_ids_mailbox(two, 1));
    }
    assert_int_equal(told, 3);
}

/* Died before the commit: nothing is there, not even the mailbox; then once. */
static void a_crash_leaves_nothing(void **state)
{
    const str_t to[] = { STR("user1@example.org") };
    struct store_queue_cursor cursor = { 0 };
    struct store_queue_row *rows;
    struct deliver_done done;
    size_t n;
    int64_t one = test_account(1, 100000);

    (void)state;
    send_as(false, "a@b.example", to, 1);
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &cursor, 64, &rows, &n),
                     RC_OK);
    assert_int_equal(deliver(test_arena, test_db, &rules, NULL, rows, n, &done), RC_OK);
    assert_int_equal(db_flush(test_db), RC_OK);
    assert_int_equal(done.copies, 1);
    db_rollback(test_db);
    assert_int_equal(count("queue"), 1);
    assert_int_equal(count("mailbox"), 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(in_junk(one), 1);
    assert_int_equal(count("message"), 1);
}

/* A client works there: the message waits its turn, those of others do not. */
static void waits_for_a_busy_junk(void **state)
{
    const str_t to[] = { STR("user1@example.org"), STR("user2@example.org") };
    int64_t one = test_account(1, 100000), two = test_account(2, 100000);
    struct deadline until = deadline_in_ms(10000);
    struct db *holder = test_connect();

    (void)state;
    send_as(false, "a@b.example", to, 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    db_begin(holder);
    assert_int_equal(db_script(holder, "SELECT 1 FROM mailbox WHERE name = 'Junk'"
                                       " FOR NO KEY UPDATE"),
                     RC_OK);
    send_as(false, "c@b.example", to, 2);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(in_junk(two), 1);
    assert_int_equal(in_junk(one), 1);
    assert_true(news.retry_ms > 0);
    db_rollback(holder);
    db_free(&holder);
    while (count("queue") > 0 && !deadline_passed(until))
        assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(in_junk(one), 2);
}

/* To nobody elsewhere; the account that sent it is told, another server's sender not. */
static void does_not_leave(void **state)
{
    const str_t to[] = { STR("a@one.net"), STR("nobody1@example.org"),
                         STR("user1@example.org") };
    int64_t one = test_account(1, 100000);

    (void)state;
    test_account(3, 100000);
    send_as(false, "someone@b.example", to, 3);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.remote_rows, 0);
    assert_int_equal(news.bounces, 0);
    assert_int_equal(count("queue_remote"), 0);
    assert_int_equal(count("queue"), 0);
    assert_int_equal(in_junk(one), 1);
    send_as(true, "user3@example.org", to, 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(count("queue_remote"), 0);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(count("message x JOIN account a ON x.mailbox_id = a.id << 18"
                           " WHERE a.addr = 'user3@example.org'"),
                     1);
}

/* Full is full, wherever it lies. */
static void counts_as_mail(void **state)
{
    const str_t to[] = { STR("user1@example.org") };
    int64_t one = test_account(1, 30);

    (void)state;
    test_account(3, 100000);
    send_as(true, "user3@example.org", to, 1);
    send_as(true, "user3@example.org", to, 1);
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(in_junk(one), 1);
    assert_int_equal(news.bounces, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(goes_to_junk),   CASE(a_crash_leaves_nothing), CASE(waits_for_a_busy_junk),
        CASE(does_not_leave), CASE(counts_as_mail),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
