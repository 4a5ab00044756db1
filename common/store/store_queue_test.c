/* store_queue_test.c - claiming and delivering: exactly once, in order, within quota. */
#include "store/store_test.h"

#include "store/store_mailbox.h"
#include "store/store_message.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MESSAGES = 300, PEOPLE = 7, WORKERS = 3 };

DB_STATEMENT(stmt_queued, "test_queued", "SELECT count(*) FROM queue");

static int64_t queued(struct db *db)
{
    assert_int_equal(db_run(db, &stmt_queued, DB_NO_PARAMS), RC_OK);
    return db_get_int(db, 0, 0, 0);
}

static void a_message_arrives_with_uid_and_counters(void **state)
{
    int64_t account = test_account(1, 100000);
    str_t to = test_address(1);
    int64_t body = test_mail(test_db, &to, 1, S("hi"));
    struct store_message_news news;
    struct store_mailbox_quota quota;

    (void)state;
    test_deliver_all();
    assert_int_equal(store_message_view(test_arena, test_db,
                                        test_look(test_inbox(account), 1, 0), &news),
                     RC_OK);
    assert_int_equal(news.added.n, 1);
    assert_int_equal(news.added.m[0].uid, 1);
    assert_int_equal(news.added.m[0].body_id, body);
    assert_int_equal(news.added.m[0].modseq, news.modseq);
    assert_int_equal(news.added.m[0].flags, 0);
    assert_int_equal(news.uidnext, 2);
    assert_int_equal(news.messages, 1);
    assert_int_equal(store_mailbox_quota(test_db, account, &quota), RC_OK);
    assert_int_equal(quota.used_bytes, news.added.m[0].size);
    assert_int_equal(queued(test_db), 0);
}

static void a_rolled_back_claim_gives_the_rows_back(void **state)
{
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows;
    str_t to = test_address(1);
    size_t n;

    (void)state;
    test_mail(test_db, &to, 1, S("hi"));
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    db_reset(test_db);
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    db_rollback(test_db);
}

static void quota_is_judged_message_by_message(void **state)
{
    int64_t account = test_account(1, 1000);
    static const size_t sizes[] = { 500, 600, 300, 200, 50 }; /* + 18 of header each */
    struct store_queue_cursor c = { 0 };
    struct store_mailbox_quota quota;
    size_t n, refused = 0;
    str_t to = test_address(1);
    char body[1000];

    (void)state;
    memset(body, 'x', sizeof(body));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        test_mail(test_db, &to, 1, str_n(body, sizes[i]));
    assert_int_equal(test_deliver(test_db, &c, 64, &n, &refused), RC_OK);
    assert_int_equal(n, 5);
    /* 518 fits, 618 does not, 318 fits, 218 does not, 68 fits: 904 */
    assert_int_equal(refused, 2);
    assert_int_equal(store_mailbox_quota(test_db, account, &quota), RC_OK);
    assert_int_equal(quota.used_bytes, 904);
    assert_int_equal(quota.messages, 3);
}

static void disabled_and_unknown_people_have_no_box(void **state)
{
    int64_t account = test_account(1, 1000);
    str_t list[2] = { test_address(1), S("nobody@example.org") };
    struct store_deliver *d;
    size_t n;

    (void)state;
    assert_int_equal(store_account_set_state(test_db, account, STORE_ACCOUNT_DISABLED),
                     RC_OK);
    db_begin(test_db);
    assert_int_equal(store_deliver_lock(test_arena, test_db, 0, list, 2, &d), RC_OK);
    assert_null(store_deliver_find(d, list[0]));
    assert_null(store_deliver_find(d, list[1]));
    (void)store_deliver_boxes(d, &n);
    assert_int_equal(n, 0);
    db_rollback(test_db);
}

static atomic_bool feeding;

static bool waits(struct db *db)
{
    return db_run(db, &stmt_queued, DB_NO_PARAMS) != RC_OK || db_get_int(db, 0, 0, 0) > 0;
}

static void *work(void *failed)
{
    struct db *db = test_connect();
    struct store_queue_cursor c = { 0 };
    struct deadline until = deadline_in_ms(60000);
    size_t n, refused = 0;

    while ((atomic_load(&feeding) || waits(db)) && !deadline_passed(until))
        if (test_deliver(db, &c, 16, &n, &refused) != RC_OK)
            atomic_fetch_add((atomic_int *)failed, 1);
    atomic_fetch_add((atomic_int *)failed, (int)refused);
    db_free(&db);
    return NULL;
}

/* What a gateway does: look again and again, and believe UIDNEXT. */
static void *watch(void *wrong)
{
    struct db *db = test_connect();
    struct arena *a = arena_new();
    struct store_account account;
    uint32_t known = 1;
    int64_t modseq = 0;

    if (store_account_find(a, db, S("user0@example.org"), &account) != RC_OK)
        atomic_fetch_add((atomic_int *)wrong, 1);
    while (atomic_load(&feeding)) {
        struct store_message_news news;

        if (store_message_news(a, db, test_look(test_inbox(account.id), known, modseq),
                               &news) != RC_OK)
            break;
        for (size_t i = 0; i < news.added.n; i++)
            if (news.added.m[i].uid != known + i ||
                (news.added.m[i].uid < news.uidnext &&
                 news.added.m[i].modseq > news.modseq))
                atomic_fetch_add((atomic_int *)wrong, 1);
        if (news.uidnext > known + news.added.n || news.modseq < modseq)
            atomic_fetch_add((atomic_int *)wrong, 1);
        known += (uint32_t)news.added.n;
        modseq = news.modseq;
        arena_reset(a);
    }
    arena_free(&a);
    db_free(&db);
    return NULL;
}

/* Feeds while workers deliver; on_each is called after each message. */
static int feed_and_deliver(void (*on_each)(int i))
{
    pthread_t workers[WORKERS];
    atomic_int failed = 0;
    struct db *feeder = test_connect();

    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, work, &failed), 0);
    for (int i = 0; i < MESSAGES; i++) {
        str_t to[PEOPLE];

        for (int k = 0; k < PEOPLE; k++)
            to[k] = test_address((i + k) % PEOPLE);
        test_mail(feeder, to, PEOPLE, S("one of many"));
        on_each(i);
    }
    atomic_store(&feeding, false);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    db_free(&feeder);
    return atomic_load(&failed);
}

static void check_each_once(void)
{
    assert_int_equal(queued(test_db), 0);
    assert_int_equal(
        test_number(test_db, "SELECT count(*) FROM (SELECT mailbox_id FROM message GROUP "
                             "BY mailbox_id HAVING count(DISTINCT body_id) = 300 AND "
                             "count(*) = 300 AND min(uid) = 1 AND max(uid) = 300) x"),
        PEOPLE);
    assert_int_equal(test_number(test_db,
                                 "SELECT count(*) FROM mailbox WHERE uidnext = 301 AND "
                                 "nmsg = 300 AND bytes = (SELECT sum(size) FROM message "
                                 "WHERE mailbox_id = mailbox.id)"),
                     PEOPLE);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM (SELECT modseq < lag("
                                          "modseq) OVER (PARTITION BY mailbox_id ORDER "
                                          "BY uid) AS back FROM message) x WHERE back"),
                     0);
}

static void no_harm(int i)
{
    (void)i;
}

static void several_workers_deliver_exactly_once(void **state)
{
    atomic_int wrong = 0;
    pthread_t watcher;

    (void)state;
    for (int i = 0; i < PEOPLE; i++)
        test_account(i, 1 << 30);
    atomic_store(&feeding, true);
    assert_int_equal(pthread_create(&watcher, NULL, watch, &wrong), 0);
    assert_int_equal(feed_and_deliver(no_harm), 0);
    pthread_join(watcher, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    check_each_once();
}

DB_STATEMENT(stmt_kill_all, "test_kill_all",
             "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
             "WHERE datname = current_database() AND pid <> pg_backend_pid()");

static int killed;

static void kill_now_and_then(int i)
{
    if (i % 10 != 9)
        return;
    assert_int_equal(db_run(test_db, &stmt_kill_all, DB_NO_PARAMS), RC_OK);
    killed += (int)db_get_int(test_db, 0, 0, 0);
}

static void killed_backends_lose_and_double_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < PEOPLE; i++)
        test_account(i, 1 << 30);
    atomic_store(&feeding, true);
    killed = 0;
    (void)feed_and_deliver(kill_now_and_then);
    assert_true(killed > 30);
    check_each_once();
}

static void a_locked_row_is_skipped_not_waited_for(void **state)
{
    struct store_queue_cursor c = { 0 }, other = { 0 };
    struct db *second = test_connect();
    struct store_queue_row *rows;
    str_t to = test_address(1);
    size_t n;

    (void)state;
    test_mail(test_db, &to, 1, S("1"));
    test_mail(test_db, &to, 1, S("2"));
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 1, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    db_begin(second);
    assert_int_equal(store_queue_claim(test_arena, second, &other, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(db_commit(second), RC_OK);
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(queued(test_db), 0);
    db_free(&second);
}

static size_t claimable(void)
{
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows;
    size_t n;

    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    db_rollback(test_db);
    return n;
}

static void pass_time(int seconds)
{
    test_sql("UPDATE queue SET due = due - %d * 1000000::int8", seconds);
}

/* A long backlog comes through batches: its next part is marked when the last is gone, so
 * that no row becomes a suspect by waiting behind others. */
static void a_backlog_is_marked_in_parts(void **state)
{
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows, row;
    str_t to = test_address(1);
    size_t n;

    (void)state;
    for (int i = 0; i < 3; i++)
        test_mail(test_db, &to, 1, S("late"));
    pass_time(STORE_QUEUE_OVERDUE_S + 1);
    assert_int_equal(store_queue_mark_overdue(test_db, &n), RC_OK);
    assert_int_equal(n, 3);
    test_mail(test_db, &to, 1, S("late too"));
    test_sql("UPDATE queue SET due = due - %d * 1000000::int8 WHERE attempts = 0",
             STORE_QUEUE_OVERDUE_S + 1);
    assert_int_equal(store_queue_mark_overdue(test_db, &n), RC_OK);
    assert_int_equal(n, 0);
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 3);
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(store_queue_mark_overdue(test_db, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_NOT_FOUND);
}

/* Each time it stays due for too long it is suspected a little more. */
static void what_kills_workers_is_set_aside(void **state)
{
    enum { ATTEMPTS_MAX = 4 };
    struct store_queue_row row;
    struct store_queue_aside *aside;
    str_t to = test_address(1);
    size_t n;

    (void)state;
    test_mail(test_db, &to, 1, S("poison"));
    pass_time(STORE_QUEUE_OVERDUE_S + 1);
    assert_int_equal(claimable(), 0);
    assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_NOT_FOUND);
    assert_int_equal(store_queue_mark_overdue(test_db, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(claimable(), 1); /* innocent until it happens again */
    for (int attempt = 2; attempt <= ATTEMPTS_MAX + 1; attempt++) {
        pass_time(STORE_QUEUE_OVERDUE_S + 1);
        assert_int_equal(claimable(), 0);
        assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_OK);
        assert_int_equal(row.attempts, attempt);
        /* Committed, and out of reach until this turn is over. */
        assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_NOT_FOUND);
        row.attempts = attempt;
    }
    pass_time(STORE_QUEUE_OVERDUE_S + 1);
    assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_OK);
    assert_true(row.attempts > ATTEMPTS_MAX);
    assert_int_equal(store_queue_set_aside(test_db, &row, S("kills workers")), RC_OK);
    assert_int_equal(queued(test_db), 0);
    assert_int_equal(store_queue_list_aside(test_arena, test_db, 10, &aside, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_true(str_eq(aside[0].reason, S("kills workers")));
    assert_int_equal(store_queue_release(test_db, row.body_id), RC_OK);
    assert_int_equal(store_queue_release(test_db, row.body_id), RC_NOT_FOUND);
    assert_int_equal(claimable(), 0); /* alone only */
    assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_OK);
    db_begin(test_db);
    assert_int_equal(store_queue_take(test_db, &row), RC_OK);
    assert_int_equal(store_queue_take(test_db, &row), RC_NOT_FOUND);
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(queued(test_db), 0);
}

/* Between the refusal and the setting aside another worker may have delivered it. */
static void only_what_is_still_queued_is_set_aside(void **state)
{
    struct store_queue_row *rows;
    struct store_queue_cursor c = { 0 };
    str_t to = test_address(1);
    size_t n;

    (void)state;
    test_mail(test_db, &to, 1, S("contested"));
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    db_rollback(test_db);
    test_deliver_all();
    assert_int_equal(store_queue_set_aside(test_db, &rows[0], S("late")), RC_NOT_FOUND);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_aside"), 0);
}

static void an_outage_makes_nobody_a_suspect(void **state)
{
    struct store_queue_row row;
    str_t to = test_address(1);
    size_t n;

    (void)state;
    for (int i = 0; i < 5; i++)
        test_mail(test_db, &to, 1, S("patient"));
    pass_time(3600);
    assert_int_equal(store_queue_mark_overdue(test_db, &n), RC_OK);
    assert_int_equal(n, 5);
    assert_int_equal(store_queue_suspect(test_arena, test_db, &row), RC_NOT_FOUND);
    assert_int_equal(claimable(), 5);
}

/* PostgreSQL's clock was an hour ahead while mail came, and then it was set right. */
static void what_is_due_further_ahead_than_can_be_is_due_now(void **state)
{
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows;
    str_t to = test_address(1);
    int64_t body[3];
    size_t n;

    (void)state;
    for (int i = 0; i < 3; i++) {
        body[i] = test_mail(test_db, &to, 1, S("from the future"));
        test_sql("UPDATE queue SET due = due + (3600 - %d) * 1000000::int8 "
                 "WHERE body_id = %lld",
                 i, (long long)body[i]);
        test_sql("UPDATE queue SET since = due");
    }
    test_mail(test_db, &to, 1, S("put off"));
    test_sql("UPDATE queue SET due = due + 30 * 1000000 WHERE due <= now_us()");
    assert_int_equal(claimable(), 0);
    assert_int_equal(store_queue_call_back(test_db, &n), RC_OK);
    assert_int_equal(n, 3);
    assert_int_equal(store_queue_call_back(test_db, &n), RC_OK);
    assert_int_equal(n, 0);
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rows[i].body_id, body[2 - i]); /* in order of due time */
    db_rollback(test_db);
}

/* The next mail comes at once, not with the next sweep. */
static void a_clock_that_is_set_back_does_not_hide_new_mail(void **state)
{
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows;
    str_t to = test_address(1);
    size_t n;

    (void)state;
    test_move_clock("10 seconds");
    test_mail(test_db, &to, 1, S("ahead"));
    for (int i = 0; i < 2; i++) {
        db_begin(test_db);
        assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n),
                         RC_OK);
        assert_int_equal(n, 1);
        assert_int_equal(db_commit(test_db), RC_OK);
        test_move_clock("0");
        if (i == 0)
            test_mail(test_db, &to, 1, S("right"));
    }
}

static void bounces_and_requeued_rows_join_the_transaction(void **state)
{
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows;
    struct store_queue_stats stats;
    str_t to[2] = { test_address(1), S("later@example.org") };
    struct store_queue_new bounce = { .message = S("Subject: no\r\n\r\nno"),
                                      .recipients = to,
                                      .recipient_count = 1 };
    size_t n;

    (void)state;
    test_mail(test_db, to, 2, S("x"));
    for (int i = 0; i < 2; i++) {
        db_begin(test_db);
        c = (struct store_queue_cursor){ 0 };
        assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n),
                         RC_OK);
        assert_int_equal(n, 1);
        assert_int_equal(store_queue_add(test_db, &bounce), RC_OK);
        rows[0].recipients++;
        rows[0].recipient_count = 1;
        rows[0].due_us += 60000000;
        store_queue_requeue(test_db, &rows[0]);
        if (i == 0)
            db_rollback(test_db);
        else
            assert_int_equal(db_commit(test_db), RC_OK);
    }
    assert_int_equal(queued(test_db), 2);
    c = (struct store_queue_cursor){ 0 };
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].sender.n, 0);
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(store_queue_list(test_arena, test_db, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_true(str_eq(rows[0].recipients[0], to[1]));
    assert_int_equal(store_queue_stats(test_db, &stats), RC_OK);
    assert_int_equal(stats.local, 1);
    assert_int_equal(stats.local_oldest_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_message_arrives_with_uid_and_counters, test_setup),
        cmocka_unit_test_setup(a_rolled_back_claim_gives_the_rows_back, test_setup),
        cmocka_unit_test_setup(quota_is_judged_message_by_message, test_setup),
        cmocka_unit_test_setup(disabled_and_unknown_people_have_no_box, test_setup),
        cmocka_unit_test_setup(several_workers_deliver_exactly_once, test_setup),
        cmocka_unit_test_setup(killed_backends_lose_and_double_nothing, test_setup),
        cmocka_unit_test_setup(a_locked_row_is_skipped_not_waited_for, test_setup),
        cmocka_unit_test_setup(a_backlog_is_marked_in_parts, test_setup),
        cmocka_unit_test_setup(what_kills_workers_is_set_aside, test_setup),
        cmocka_unit_test_setup(only_what_is_still_queued_is_set_aside, test_setup),
        cmocka_unit_test_setup(an_outage_makes_nobody_a_suspect, test_setup),
        cmocka_unit_test_setup(what_is_due_further_ahead_than_can_be_is_due_now,
                               test_setup),
        cmocka_unit_test_setup(a_clock_that_is_set_back_does_not_hide_new_mail,
                               test_setup),
        cmocka_unit_test_setup(bounces_and_requeued_rows_join_the_transaction,
                               test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
