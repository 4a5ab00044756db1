/* order_test.c - workers that are held at awkward moments, and the order of what arrives.
 */
#include "batch.h"

#include "mail/domains.h"
#include "store/store_test.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SENT_MAX = 400, WAIT_MS = 30000 };

static const struct domains domains = DOMAINS_ONE("example.org");
static const struct deliver_rules rules = {
    .route = { .domains = &domains, .delimiters = STR("+") },
    .hostname = STR("mx.example.org"),
    .remote_lifetime_s = 1000,
};

static struct batch batch;
static struct batch_news news;
/* A second worker, which the test moves step by step. */
static struct db *other;
static struct store_queue_row *held;
static size_t held_count;
/* What was sent to user 1 by user 2, in order. */
static int64_t sent[SENT_MAX];
static size_t sent_count;
static int64_t one;

static int setup(void **state)
{
    int failed = test_setup(state);

    batch_init(&batch, test_db, &rules, 64, 3);
    other = test_connect();
    sent_count = 0;
    one = test_account(1, 1 << 30);
    test_account(2, 1 << 30);
    test_account(3, 1 << 30);
    return failed;
}

static int teardown(void **state)
{
    (void)state;
    batch_fini(&batch);
    db_free(&other);
    return 0;
}

static int64_t send_from(struct db *db, const char *sender, const str_t *to, size_t n)
{
    struct store_accept m = { .head = S("Subject: x\r\n\r\n"),
                              .body = S("hello\r\n"),
                              .sender = str_of(sender),
                              .recipients = to,
                              .recipient_count = n };

    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    return m.body_id;
}

static void send_next(void)
{
    static const str_t to = STR("user1@example.org");

    sent[sent_count++] = send_from(test_db, "user2@example.org", &to, 1);
}

static void work(void)
{
    assert_int_equal(batch_run(&batch, &news), RC_OK);
}

static void other_claims(size_t limit)
{
    struct store_queue_cursor c = { 0 };

    db_begin(other);
    assert_int_equal(store_queue_claim(test_arena, other, &c, limit, &held, &held_count),
                     RC_OK);
}

static void other_delivers(void)
{
    struct deliver_done done;

    assert_int_equal(deliver(test_arena, other, &rules, NULL, held, held_count, &done),
                     RC_OK);
    assert_int_equal(db_flush(other), RC_OK);
}

DB_STATEMENT(stmt_queued, "test_queued", "SELECT count(*) FROM queue");

static int64_t queued_in(struct db *db)
{
    return db_run(db, &stmt_queued, DB_NO_PARAMS) == RC_OK ? db_get_int(db, 0, 0, 0) : -1;
}

static int64_t queued(void)
{
    return queued_in(test_db);
}

static int64_t arrived(void)
{
    return test_number(test_db, arena_printf(test_arena,
                                             "SELECT count(*) FROM message WHERE "
                                             "mailbox_id = %lld",
                                             (long long)test_inbox(one)));
}

/* All that was sent to user 1 arrives, in order. */
static void expect_all_in_order(void)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    size_t n;

    while (queued() > 0 && !deadline_passed(until)) {
        assert_int_equal(store_queue_mark_overdue(test_db, &n), RC_OK);
        work();
    }
    assert_int_equal(arrived(), sent_count);
    for (size_t i = 0; i < sent_count; i++)
        assert_int_equal(
            test_number(test_db, arena_printf(test_arena,
                                              "SELECT body_id FROM message WHERE "
                                              "mailbox_id = %lld AND uid = %zu",
                                              (long long)test_inbox(one), i + 1)),
            sent[i]);
}

static void what_another_worker_has_is_waited_for(void **state)
{
    (void)state;
    send_next();
    other_claims(1);
    send_next();
    work();
    assert_int_equal(news.rows, 0);
    assert_true(news.retry_ms > 0 && news.retry_ms < 100);
    other_delivers();
    send_next();
    work();
    assert_int_equal(arrived(), 0);
    assert_int_equal(db_commit(other), RC_OK);
    expect_all_in_order();
}

static void what_a_dead_worker_had_comes_first(void **state)
{
    (void)state;
    send_next();
    other_claims(1);
    send_next();
    work();
    db_rollback(other);
    expect_all_in_order();
}

/* The order of one pair is nobody else's business. */
static void other_pairs_do_not_wait(void **state)
{
    static const str_t to[] = { STR("user1@example.org"), STR("user3@example.org") };

    (void)state;
    send_next();
    other_claims(1);
    send_from(test_db, "user2@example.org", to, 2);
    send_from(test_db, "user3@example.org", &to[1], 1);
    send_from(test_db, "user2@example.org", &to[1], 1);
    work();
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 3);
    assert_int_equal(arrived(), 0);
    assert_int_equal(queued(), 2); /* what the other has, and the rest of the first */
    db_rollback(other);
    while (queued() > 0)
        work();
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 5);
}

static void hold_inbox(struct db *db)
{
    assert_int_equal(db_script(db, arena_printf(test_arena,
                                                "SELECT 1 FROM mailbox WHERE id = %lld "
                                                "FOR NO KEY UPDATE",
                                                (long long)test_inbox(one))),
                     RC_OK);
}

/* The other worker met a locked mailbox, which is free again when we come. */
static void what_was_put_off_is_waited_for(void **state)
{
    struct db *gateway = test_connect();

    (void)state;
    send_next();
    db_begin(gateway);
    hold_inbox(gateway);
    other_claims(1);
    other_delivers(); /* puts it off */
    db_rollback(gateway);
    send_next();
    work();
    assert_int_equal(news.rows, 0);
    assert_int_equal(db_commit(other), RC_OK);
    test_sql("UPDATE queue SET due = now_us() + 60 * 1000000 WHERE body_id = %lld",
             (long long)sent[0]);
    test_sql("UPDATE queue SET due = now_us() WHERE body_id = %lld", (long long)sent[1]);
    work();
    assert_int_equal(news.rows, 0);
    assert_in_range(news.retry_ms, 50000, 60000); /* it goes where the older one is */
    send_next();
    work();
    assert_int_equal(arrived(), 0);
    test_sql("UPDATE queue SET due = now_us()");
    expect_all_in_order();
    db_free(&gateway);
}

/* However long it is: the place of a row is not its due time. */
static void a_mailbox_that_is_busy_for_long_gets_its_mail_in_order(void **state)
{
    struct db *gateway = test_connect();

    (void)state;
    db_begin(gateway);
    hold_inbox(gateway);
    for (int i = 0; i < 10; i++) {
        send_next();
        test_sql("UPDATE queue SET due = now_us()");
        work();
        assert_int_equal(news.rows, 0);
        assert_true(news.retry_ms > 0);
    }
    assert_int_equal(test_number(test_db, "SELECT max(puts)::int8 FROM queue"), 10);
    db_rollback(gateway);
    /* The youngest one comes first. */
    test_sql("UPDATE queue SET due = 2 * now_us() - since");
    test_sql("UPDATE queue SET due = now_us() - 1 WHERE body_id = %lld",
             (long long)sent[9]);
    expect_all_in_order();
    db_free(&gateway);
}

/* After an outage of all workers there are rows that wait to be marked. */
static void new_mail_goes_behind_what_is_overdue(void **state)
{
    (void)state;
    for (int i = 0; i < 150; i++)
        send_next();
    test_sql("UPDATE queue SET due = due - (%d + 1) * 1000000::int8",
             STORE_QUEUE_OVERDUE_S);
    for (int i = 0; i < 150; i++)
        send_next();
    for (int i = 0; i < 4; i++)
        work();
    assert_int_equal(arrived(), 0);
    assert_int_equal(test_number(test_db, "SELECT max(puts)::int8 FROM queue"), 0);
    expect_all_in_order();
}

/* There are more older ones than are looked at, and none of those is his. */
static void what_is_far_behind_waits_as_well(void **state)
{
    static const str_t to = STR("user3@example.org");

    (void)state;
    send_next();
    for (int i = 0; i < STORE_QUEUE_ELDERS_MAX + 20; i++)
        send_from(test_db, "user2@example.org", &to, 1);
    test_sql("UPDATE queue SET due = due - (%d + 1) * 1000000::int8",
             STORE_QUEUE_OVERDUE_S);
    send_next();
    work();
    assert_int_equal(arrived(), 0);
    send_next();
    send_from(test_db, "user2@example.org", &to, 1);
    send_next();
    work();
    assert_int_equal(arrived(), 0);
    expect_all_in_order();
}

/* Those that were marked together are due together. */
static void what_is_due_at_once_comes_in_order(void **state)
{
    int64_t second;

    (void)state;
    send_next();
    send_next();
    test_sql("UPDATE queue SET since = due, due = now_us()");
    test_sql("UPDATE queue SET since = since - 1000000 WHERE body_id = %lld",
             (long long)sent[1]);
    second = sent[0];
    sent[0] = sent[1];
    sent[1] = second;
    expect_all_in_order();
}

/* A commit that took longer than a worker looks back. */
static void what_came_late_is_waited_for(void **state)
{
    (void)state;
    send_next();
    work();
    assert_int_equal(arrived(), 1);
    send_next();
    test_sql("UPDATE queue SET due = due - 10 * 1000000");
    send_next();
    work();
    assert_int_equal(arrived(), 1);
    expect_all_in_order();
}

/* A batch that cannot lock the mailboxes of all its rows leaves the rest where it is. */
static void what_does_not_fit_keeps_its_place(void **state)
{
    enum { EACH = 9000 };
    str_t *to = arena_array(test_arena, EACH, sizeof(*to));

    (void)state;
    for (size_t i = 0; i < EACH; i++)
        to[i] = str_of(arena_printf(test_arena, "nobody%zu@example.org", i));
    to[7] = S("user1@example.org");
    for (int i = 0; i < 3; i++) {
        sent[sent_count++] = send_from(test_db, "", to, EACH);
        test_sql("UPDATE queue SET due = now_us() - %d * 1000000 WHERE body_id = %lld",
                 12 - 5 * i, (long long)sent[i]);
        test_sql("UPDATE queue SET since = due");
    }
    work();
    assert_int_equal(news.rows, 1);
    assert_true(news.more);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue WHERE since = due "
                                          "AND attempts = 0"),
                     2);
    expect_all_in_order();
}

/* Mail that kills workers must not keep back what comes after it. */
static void suspects_are_not_waited_for(void **state)
{
    (void)state;
    send_next();
    test_sql("UPDATE queue SET attempts = 2, since = due, due = now_us() + 20000000");
    send_next();
    work();
    assert_int_equal(arrived(), 1);
    test_sql("UPDATE queue SET due = now_us()");
    assert_int_equal(batch_run_suspect(&batch, &news), RC_OK);
    assert_int_equal(arrived(), 2);
}

/* ---- several workers, disturbed mailboxes ---- */

enum { WORKERS = 3, SENDERS = 3, EACH = 100 };

static atomic_bool sending;

static void *worker_main(void *wrong)
{
    struct batch b;
    struct batch_news got;
    struct db *db = test_connect();
    struct deadline until = deadline_in_ms(WAIT_MS);

    batch_init(&b, db, &rules, 7, 3);
    while ((atomic_load(&sending) || queued_in(db) != 0) && !deadline_passed(until))
        if (batch_run(&b, &got) != RC_OK)
            atomic_fetch_add((atomic_int *)wrong, 1);
    batch_fini(&b);
    db_free(&db);
    return NULL;
}

/* As gateways do it, again and again for a moment. */
static void *gateway_main(void *wrong)
{
    struct db *db = test_connect();

    while (atomic_load(&sending)) {
        db_begin(db);
        if (db_script(db, "SELECT 1 FROM mailbox ORDER BY id FOR NO KEY UPDATE; "
                          "SELECT pg_sleep(0.002)") != RC_OK)
            atomic_fetch_add((atomic_int *)wrong, 1);
        db_rollback(db);
    }
    db_free(&db);
    return NULL;
}

struct account_at_work {
    int number;
    pthread_t thread;
    atomic_int *wrong;
};

/* To both mailboxes in turn; each after the commit of the one before. */
static void *sender_main(void *arg)
{
    static const str_t to[] = { STR("user1@example.org"), STR("user2@example.org") };
    const struct account_at_work *me = arg;
    struct db *db = test_connect();
    char name[40];

    snprintf(name, sizeof(name), "sender%d@example.org", me->number);
    for (int i = 0; i < EACH; i++) {
        struct store_accept m = { .head = S("Subject: x\r\n\r\n"),
                                  .sender = str_of(name),
                                  .recipients = &to[i % 2],
                                  .recipient_count = i % 3 == 0 ? 1 : 2 - (size_t)i % 2,
                                  .idate_unix = 1000 * me->number + i + 1 };

        if (store_accept(db, &m, 1, 5000) != RC_OK)
            atomic_fetch_add(me->wrong, 1);
    }
    db_free(&db);
    return NULL;
}

static void several_workers_and_busy_mailboxes_keep_the_order(void **state)
{
    pthread_t workers[WORKERS], gateway;
    struct account_at_work senders[SENDERS];
    atomic_int wrong = 0;

    (void)state;
    atomic_store(&sending, true);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, worker_main, &wrong), 0);
    assert_int_equal(pthread_create(&gateway, NULL, gateway_main, &wrong), 0);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct account_at_work){ .number = i + 1, .wrong = &wrong };
        assert_int_equal(
            pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    atomic_store(&sending, false);
    pthread_join(gateway, NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(queued(), 0);
    /* INTERNALDATE says who sent it and as which of his. */
    assert_int_equal(test_number(test_db, "SELECT count(DISTINCT idate) FROM message"),
                     SENDERS * EACH);
    assert_int_equal(
        test_number(test_db, "SELECT count(*) FROM (SELECT idate < lag(idate) OVER "
                             "(PARTITION BY mailbox_id, idate / 1000 ORDER BY uid) AS "
                             "behind FROM message) x WHERE behind"),
        0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_another_worker_has_is_waited_for),
        CASE(what_a_dead_worker_had_comes_first),
        CASE(other_pairs_do_not_wait),
        CASE(what_was_put_off_is_waited_for),
        CASE(a_mailbox_that_is_busy_for_long_gets_its_mail_in_order),
        CASE(new_mail_goes_behind_what_is_overdue),
        CASE(what_is_far_behind_waits_as_well),
        CASE(what_is_due_at_once_comes_in_order),
        CASE(what_came_late_is_waited_for),
        CASE(what_does_not_fit_keeps_its_place),
        CASE(suspects_are_not_waited_for),
        CASE(several_workers_and_busy_mailboxes_keep_the_order),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
