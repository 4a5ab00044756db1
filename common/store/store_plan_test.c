/* store_plan_test.c - a plan made while a table was empty costs what a new one costs.
 *
 * Plans are made once per connection, often when the queue is empty and PostgreSQL knows
 * it.  Then 200,000 rows come.  What a statement reads is compared: buffers, not time.
 */
#include "store/store_test.h"
#include "store/store_test_plan.h"

#include "store/store_expire.h"
#include "store/store_remote.h"

enum { ROWS = 200000, ACCOUNTS = 20000, SLACK = 20 };

/* Each statement once, by the function that uses it, so that it is prepared and planned
 * on this connection. */
static void plan_all(struct db *db)
{
    const struct store_expire_rule rule = { .older_than_s = 20 * 86400 };
    const struct store_remote_claim how = { .limit = 1,
                                            .per_destination = 1,
                                            .lease_s = 60 };
    struct store_remote_outcome done = { .retry = NULL };
    struct store_remote_pause pause = { .id = 1, .wait_ms = 1 };
    struct store_remote_cursor turn = { { 0 } };
    struct store_queue_cursor cursor = { 0 };
    struct store_remote_failed *failed;
    struct store_remote_row *remote;
    struct store_remote_way *ways;
    struct store_expire_hint *hints;
    struct store_queue_stats stats;
    struct store_queue_row *rows, suspect;
    int64_t inbox = 1 << 18, age_s;
    size_t n;

    db_begin(db);
    assert_int_equal(store_queue_claim(test_arena, db, &cursor, 1, &rows, &n), RC_OK);
    store_queue_ask_elders(test_arena, db, rows, n);
    assert_int_equal(store_remote_claim_failed(test_arena, db, 1, &failed, &n), RC_OK);
    db_rollback(db);
    assert_int_equal(store_queue_mark_overdue(db, &n), RC_OK);
    assert_int_equal(store_queue_call_back(db, &n), RC_OK);
    assert_int_equal(store_remote_call_back(db, 3600, 60, &n), RC_OK);
    assert_int_equal(store_queue_suspect(test_arena, db, &suspect), RC_NOT_FOUND);
    assert_int_equal(store_queue_stats(db, &stats), RC_OK);
    assert_int_equal(store_remote_claim(test_arena, db, &turn, &how, &remote, &n), RC_OK);
    assert_int_equal(store_remote_oldest_s(db, &age_s), RC_OK);
    assert_int_equal(store_remote_ways(test_arena, db, 0, &ways, &n), RC_OK);
    assert_int_equal(store_remote_reroute(db, &inbox, 1, S(""), &n), RC_OK);
    assert_int_equal(
        store_remote_settle(db, &(struct store_remote_row){ .id = 1 }, &done),
        RC_CONFLICT);
    assert_int_equal(store_remote_put_off(db, &pause, 1), RC_OK);
    assert_int_equal(store_expire_messages(test_arena, db, &rule, &inbox, 1, &hints, &n),
                     RC_OK);
    assert_int_equal(store_expire_trim(test_arena, db, 1, 70, 0, &hints, &n), RC_OK);
}

/* What delivering needs somebody to deliver to. */
static void plan_delivery(struct db *db)
{
    struct store_queue_cursor cursor = { 0 };
    str_t to = test_address(0);
    struct store_deliver *d;
    size_t n, refused = 0;

    test_account(0, 1 << 30);
    test_mail(db, &to, 1, S("hi"));
    assert_int_equal(test_deliver(db, &cursor, 1, &n, &refused), RC_OK);
    assert_int_equal(n, 1);
    db_begin(db);
    assert_int_equal(store_deliver_lock(test_arena, db, 0, &to, 1, &d), RC_OK);
    assert_int_equal(store_deliver_lock_junk(d, db, &to, 1), RC_OK);
    assert_int_equal(store_deliver_add(d, store_deliver_find(d, to)->junk, 1, 1, 1),
                     RC_OK);
    store_deliver_put(d, db);
    assert_int_equal(db_commit(db), RC_OK);
}

/* Empty, and PostgreSQL knows it, as VACUUM would leave it. */
static void empty_all(void)
{
    static const char *const tables[] = { "account",      "mailbox",     "message",
                                          "expunged",     "queue",       "queue_aside",
                                          "queue_remote", "queue_failed" };

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        test_sql("ALTER TABLE %s SET (autovacuum_enabled = off)", tables[i]);
        test_sql("TRUNCATE %s; ANALYZE %s", tables[i], tables[i]);
    }
}

/* Half of the queue is overdue, and one row in a thousand a suspect.  Account i has the
 * number i, whatever its bucket. */
static void fill_all(void)
{
    test_sql("ALTER TABLE account DROP CONSTRAINT IF EXISTS account_bucket");
    test_sql("INSERT INTO account (id, created_day, seen_day, addr, pwhash) "
             "SELECT i, 1, 1, 'user' || i || '@example.org', '' "
             "FROM generate_series(1, %d) i",
             ACCOUNTS);
    test_sql("INSERT INTO mailbox (id, uidvalidity, own_quota, uidnext, nmsg, bytes) "
             "SELECT i::int8 << 18, 1, 1000000, 11, 10, 1000 "
             "FROM generate_series(1, %d) i",
             ACCOUNTS);
    test_sql("INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size) "
             "SELECT (i / 10 + 1)::int8 << 18, i, 1, 1, i %% 10 + 1, 100 "
             "FROM generate_series(0, %d - 1) i",
             ROWS);
    test_sql(
        "INSERT INTO queue (due, since, body_id, idate, size, sender, rcpt, attempts) "
        "SELECT now_us() - i * 300::int8, now_us() - i * 300::int8, i, 1, 100, 's' || i "
        "%% 1000, "
        "ARRAY['user' || i || '@example.org'], CASE WHEN i %% 1000 = 0 THEN 2 "
        "ELSE 0 END FROM generate_series(1, %d) i",
        ROWS);
    test_sql(
        "INSERT INTO queue_remote (id, due, body_id, created, expires, size, domain, "
        "sender, rcpt, prefix) SELECT i, now_us() - i, i, 1, 1, 100, "
        "'d' || i %% 10, 's', ARRAY['a'], '' FROM generate_series(1, %d) i",
        ROWS);
    test_sql(
        "INSERT INTO queue_failed (id, lease, body_id, created, failed, size, domain,"
        " sender, envelope, rcpt, status, diagnostic, remote_mta) SELECT i, 1, i, 1, "
        "1, 100, 'd', 's', '{}', ARRAY['a'], ARRAY['5'], ARRAY['x'], ARRAY[''] "
        "FROM generate_series(1, %d) i",
        ROWS);
}

/* With how many rows each has to do; the tables hold far more. */
static const struct {
    const char *execute;
    int64_t rows;
} executions[] = {
    { "queue_claim(0, 256)", 256 },
    { "queue_elders('{s7,s8}', '{4000000000000000,4000000000000000}', 100)", 200 },
    { "queue_mark_overdue(2000)", 2000 },
    { "queue_suspect", 1 },
    { "queue_stats", 30000 },
    { "queue_ahead(2000)", 1 },
    { "remote_ahead(3600, 60, 1000)", 10 },
    { "remote_claim('', '', '{}', 10, 100, 60)", 100 },
    { "remote_finish(1, 0, '{a}', '{5}', '{x}', '{y}')", 1 },
    { "remote_put_off('{1,2,3,4,5}', '{0,0,0,0,0}', '{9,9,9,9,9}')", 5 },
    { "remote_claim_failed(64)", 64 },
    { "remote_oldest", 10 },
    { "remote_ways(100, 1000)", 1000 },
    { "remote_reroute('{1,2,3,4,5}', 'smtp://x:25')", 5 },
    { "deliver_lock('{user7@example.org,user19000@example.org}', 1000)", 2 },
    { "deliver_insert('{262144}', '{1}', '{1}', '{1}', '{100}', '{1}')", 1 },
    { "deliver_update('{262144,262144000}', '{12,12}', '{2,2}', '{1,1}', '{9,9}')", 2 },
    { "deliver_make_junk('{262144,262144000}', 262143)", 2 },
    { "deliver_lock_junk('{262144,262144000}', 262143)", 2 },
    { "deliver_bytes('{262144,262144000}', '{9,9}')", 2 },
    { "expire_lock_mailboxes('{262144,262144000}')", 2 },
    { "expire_messages(1, -1, false, '{262144,262144000}')", 20 },
    { "expire_lock_account(262144, 524287)", 1 },
    { "expire_trim(1, 262144, 524287, 0, 1000)", 10 },
};

enum { COST_PER_ROW = 20, COST_OF_ANY = 200 };

static void a_plan_for_an_empty_table_serves_a_full_one(void **state)
{
    struct db *db = test_connect();
    int64_t before[ARRAY_LEN(executions)], after;

    (void)state;
    empty_all();
    plan_delivery(db);
    empty_all();
    plan_all(db);
    fill_all();
    for (size_t i = 0; i < ARRAY_LEN(executions); i++)
        before[i] = test_plan_cost(db, executions[i].execute);
    test_sql("ANALYZE");
    assert_int_equal(db_script(db, "DISCARD PLANS"), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(executions); i++) {
        after = test_plan_cost(db, executions[i].execute);
        if (before[i] > after + after / 20 + SLACK)
            fail_msg("%s: %lld, with a new plan %lld", executions[i].execute,
                     (long long)before[i], (long long)after);
        if (after > executions[i].rows * COST_PER_ROW + COST_OF_ANY)
            fail_msg("%s: %lld for %lld rows", executions[i].execute, (long long)after,
                     (long long)executions[i].rows);
    }
    db_free(&db);
}

static void many_are_counted_about(void **state)
{
    struct store_queue_stats stats;

    (void)state;
    empty_all();
    fill_all();
    assert_int_equal(store_queue_stats(test_db, &stats), RC_OK);
    assert_int_equal(stats.local, 10001);
    test_sql("ANALYZE queue");
    assert_int_equal(store_queue_stats(test_db, &stats), RC_OK);
    assert_in_range(stats.local, ROWS - ROWS / 10, ROWS + ROWS / 10);
    assert_in_range(stats.local_oldest_s, 59, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_for_an_empty_table_serves_a_full_one),
        cmocka_unit_test(many_are_counted_about),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
