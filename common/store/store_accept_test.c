/* store_accept_test.c - 250 means durable, whatever happens to the connection. */
#include "store/store_test_proxy.h"

#include "store/store_body.h"
#include "store/store_clock.h"
#include "store/store_expire.h"

DB_STATEMENT(stmt_waiting, "test_waiting",
             "SELECT coalesce(min(pid), 0) FROM pg_stat_activity"
             " WHERE wait_event_type = 'Lock' AND datname = current_database()");
DB_STATEMENT(stmt_kill, "test_kill", "SELECT pg_terminate_backend($1, 5000)");

static str_t one_recipient = STR("user1@example.org");

static struct store_accept message(str_t body)
{
    return (struct store_accept){ .head = S("A: b\r\n\r\n"),
                                  .body = body,
                                  .sender = S("s@example.org"),
                                  .recipients = &one_recipient,
                                  .recipient_count = 1,
                                  .envelope = S("{\"smtputf8\": true}") };
}

static int64_t queued(void)
{
    return test_number(test_db, "SELECT count(*) FROM queue");
}

static str_t pattern(size_t n)
{
    char *p = arena_alloc(test_arena, n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251);
    return str_n(p, n);
}

static void what_was_accepted_is_in_the_queue(void **state)
{
    struct store_accept m = message(S("hello\r\n"));
    struct store_queue_cursor c = { 0 };
    struct store_queue_row *rows;
    size_t n;

    (void)state;
    assert_int_equal(store_accept(test_db, &m, 1, 1000), RC_OK);
    assert_int_equal(m.rc, RC_OK);
    db_begin(test_db);
    assert_int_equal(store_queue_claim(test_arena, test_db, &c, 10, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].body_id, m.body_id);
    assert_int_equal(rows[0].size, m.head.n + m.body.n);
    assert_int_equal(rows[0].attempts, 0);
    assert_true(str_eq(rows[0].sender, S("s@example.org")));
    assert_int_equal(rows[0].recipient_count, 1);
    assert_true(str_eq(rows[0].recipients[0], one_recipient));
    assert_true(str_eq(rows[0].envelope, S("{\"smtputf8\": true}")));
    db_rollback(test_db);
}

/* The time in a body's id is its age, and PostgreSQL's clock says when it is too old. */
static void a_time_that_postgresql_does_not_confirm_is_refused(void **state)
{
    static const struct {
        const char *shift;
        enum rc expected;
    } cases[] = { { "21 days", RC_RETRY },
                  { "-21 days", RC_RETRY },
                  { "10 minutes", RC_RETRY },
                  { "-4 minutes", RC_OK },
                  { "0", RC_OK } };
    struct store_accept m = message(S("hello\r\n"));
    int64_t before;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_move_clock(cases[i].shift);
        before = queued();
        assert_int_equal(store_accept(test_db, &m, 1, 1000), cases[i].expected);
        assert_false(m.unknown);
        assert_int_equal(queued() - before, cases[i].expected == RC_OK);
    }
}

/* As it was at the janitor's last run: a machine that starts weeks behind has two clocks
 * that agree, and mail that comes then would be old as soon as they are right. */
static void a_clock_that_is_behind_itself_takes_nothing(void **state)
{
    struct store_accept m = message(S("hello\r\n"));

    (void)state;
    test_sql("UPDATE trusted_time SET us = now_us() + 25 * 3600000000");
    assert_int_equal(store_accept(test_db, &m, 1, 1000), RC_RETRY);
    assert_int_equal(queued(), 0);
    test_sql("UPDATE trusted_time SET us = now_us() + 23 * 3600000000");
    assert_int_equal(store_accept(test_db, &m, 1, 1000), RC_OK);
    test_sql("UPDATE trusted_time SET us = now_us()");
}

static void a_service_whose_clock_is_behind_takes_mail_that_stays(void **state)
{
    const struct store_expire_rule rule = { .older_than_s = 20 * 86400 };
    int64_t *boxes, offset_ms;
    size_t n;

    (void)state;
    test_account(1, 100000);
    test_move_clock("21 days");
    assert_int_equal(db_clock_offset_ms(test_db, &offset_ms), RC_OK);
    store_clock_measured(offset_ms, false);
    test_fill(1, 1, 100);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 1);
    assert_int_equal(store_expire_find(test_arena, test_db, &rule, 0, 10, &boxes, &n),
                     RC_OK);
    assert_int_equal(n, 0);
    store_clock_measured(0, true);
    test_move_clock("0");
}

static void bodies_of_all_sizes_come_back(void **state)
{
    static const size_t sizes[] = { 0,     1,     7991,   7992,   7993,   16000,  65527,
                                    65528, 65529, 262135, 262136, 262137, 1000000 };
    struct store_accept m;
    str_t back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        str_t body = pattern(sizes[i]);
        int32_t size = (int32_t)(body.n + 8);

        m = message(body);
        assert_int_equal(store_accept(test_db, &m, 1, 1000), RC_OK);
        assert_int_equal(store_body_read(test_arena, test_db, m.body_id, size, 0,
                                         (size_t)size + 5, &back),
                         RC_OK);
        assert_int_equal(back.n, size);
        assert_true(str_eq(str_head(back, 8), m.head));
        assert_true(str_eq(str_skip(back, 8), body));
    }
}

static void slices_are_exact(void **state)
{
    static const struct {
        size_t size, offset, length;
    } cases[] = { { 20000, 7990, 20 },    { 20000, 0, 1 },       { 20000, 7999, 1 },
                  { 20000, 8000, 8000 },  { 20000, 19999, 100 }, { 20000, 20000, 5 },
                  { 600000, 262143, 2 },  { 600000, 5, 599000 }, { 600000, 599999, 1 },
                  { 600000, 262144, 10 }, { 600000, 300000, 0 } };
    str_t back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t body = pattern(cases[i].size), want;
        struct store_accept m = message(body);

        m.head = S("");
        assert_int_equal(store_accept(test_db, &m, 1, 1000), RC_OK);
        assert_int_equal(store_body_read(test_arena, test_db, m.body_id, (int32_t)body.n,
                                         (int64_t)cases[i].offset, cases[i].length,
                                         &back),
                         RC_OK);
        want = str_head(str_skip(body, cases[i].offset), cases[i].length);
        assert_true(str_eq(back, want));
    }
    assert_int_equal(
        store_body_read(test_arena, test_db, store_ids_new_body(), 5, 0, 5, &back),
        RC_NOT_FOUND);
}

static void heads_come_in_one_round_trip(void **state)
{
    struct store_body_want want[3] = { { 0 } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct store_accept m = message(pattern(i == 0 ? 10 : 100000));

        assert_int_equal(store_accept(test_db, &m, 1, 1000), RC_OK);
        want[i * 2].body_id = m.body_id;
        want[i * 2].size = (int32_t)(m.head.n + m.body.n);
    }
    want[1].body_id = store_ids_new_body();
    want[1].size = 10;
    assert_int_equal(store_body_heads(test_arena, test_db, want, 3, 9000), RC_OK);
    assert_int_equal(want[0].head.n, 18);
    assert_null(want[1].head.p);
    assert_int_equal(want[2].head.n, 9000);
    assert_true(str_starts(want[2].head, S("A: b\r\n\r\n")));
}

static int32_t put_body(int64_t id, size_t bytes)
{
    str_t body = pattern(bytes);

    store_body_put(test_arena, test_db, id, 1, S(""), body);
    assert_int_equal(db_flush(test_db), RC_OK);
    return (int32_t)body.n;
}

/* Two days, cut both ways, copies, one that has lost a chunk and one that never was. */
static void sets_of_bodies_come_whole(void **state)
{
    static const size_t sizes[] = { 1, 7999, 8000, 8001, 65536, 65537, 262145, 0, 16000 };
    enum { SIZES = ARRAY_LEN(sizes), N = 2 * SIZES + 2 };
    int64_t today = store_ids_new_body(), yesterday = today - (INT64_C(86400000) << 22);
    struct store_body_want want[STORE_BODY_HEADS_MAX + 1] = { { 0 } };
    static const size_t heads[] = { 300000, 65536, 16000, 9000, 8000, 1 };

    (void)state;
    for (size_t i = 0; i < 2 * SIZES; i++) {
        want[i].body_id = (i % 2 == 0 ? today : yesterday) + 1000 - (int64_t)i;
        want[i].size = put_body(want[i].body_id, sizes[i / 2]);
    }
    want[N - 2] = want[7]; /* 8,001 bytes, whose second chunk is asked for twice */
    want[N - 1] = (struct store_body_want){ .body_id = today - 1, .size = 16000 };
    (void)put_body(today - 1, 8000);
    for (size_t k = 0; k < ARRAY_LEN(heads); k++) {
        assert_int_equal(store_body_heads(test_arena, test_db, want, N, heads[k]), RC_OK);
        for (size_t i = 0; i < N - 1; i++)
            assert_true(
                str_eq(want[i].head, str_head(pattern((size_t)want[i].size), heads[k])));
        assert_int_equal(want[N - 1].head.p == NULL, heads[k] > 8000);
    }
    assert_int_equal(store_body_heads(test_arena, test_db, want, 0, 10), RC_OK);
    assert_int_equal(
        store_body_heads(test_arena, test_db, want, STORE_BODY_HEADS_MAX + 1, 10),
        RC_LIMIT);
}

static void one_bad_message_does_not_spoil_the_batch(void **state)
{
    struct store_accept m[3] = { message(S("1")), message(S("2")), message(S("3")) };

    (void)state;
    m[1].sender = S("not utf-8: \xff");
    assert_int_equal(store_accept(test_db, m, 3, 1000), RC_INVALID);
    assert_int_equal(m[0].rc, RC_OK);
    assert_int_equal(m[1].rc, RC_INVALID);
    assert_int_equal(m[2].rc, RC_OK);
    assert_int_equal(queued(), 2);
    m[1].sender = S("");
    assert_int_equal(store_accept(test_db, m, 3, 1000), RC_OK);
    assert_int_equal(queued(), 5);
    m[0].recipient_count = 0;
    assert_int_equal(store_accept(test_db, m, 1, 1000), RC_LIMIT);
}

static void a_commit_whose_answer_is_lost_counts_once(void **state)
{
    struct store_accept m = message(S("lost answer"));
    int64_t first;
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    test_proxy_arm(TEST_FAULT_AFTER, NULL);
    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    first = m.body_id;
    assert_int_equal(atomic_load(&test_proxy.fault), TEST_FAULT_NONE);
    assert_int_equal(queued(), 1);
    assert_int_equal(test_number(test_db, "SELECT body_id FROM queue"), first);
    db_free(&db);
    test_proxy_stop();
}

static void close_the_way_back(void)
{
    unlink(test_proxy.path);
}

/* It did commit, and nobody could find out in time: neither 250 nor "not stored". */
static void what_cannot_be_found_out_is_said(void **state)
{
    struct store_accept m = message(S("lost for good"));
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    test_proxy_arm(TEST_FAULT_AFTER, close_the_way_back);
    assert_int_equal(store_accept(db, &m, 1, 300), RC_RETRY);
    assert_true(m.unknown);
    assert_int_equal(queued(), 1);
    db_free(&db);
    test_proxy_stop();
}

static void an_outage_before_the_first_try_is_certain(void **state)
{
    const struct db_options o = { .host = "/nonexistent", .connect_timeout_ms = 100 };
    struct store_accept m = message(S("lost for good"));
    struct db *db = db_new(&o);

    (void)state;
    assert_int_equal(store_accept(db, &m, 1, 100), RC_RETRY);
    assert_false(m.unknown);
    db_free(&db);
}

/* The server said no before it came to a commit, and then no more. */
static void a_read_only_server_is_certain(void **state)
{
    struct store_accept m = message(S("not now"));
    struct db *db = test_connect();

    (void)state;
    assert_int_equal(db_script(db, "SET default_transaction_read_only = on"), RC_OK);
    test_sql("ALTER DATABASE %s SET default_transaction_read_only = on", test_name);
    assert_int_equal(store_accept(db, &m, 1, 300), RC_RETRY);
    assert_false(m.unknown);
    test_sql("ALTER DATABASE %s RESET default_transaction_read_only", test_name);
    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    assert_int_equal(queued(), 1);
    db_free(&db);
}

static void deliver_meanwhile(void)
{
    struct db *db = test_connect();

    assert_int_equal(db_script(db, "DELETE FROM queue"), RC_OK);
    db_free(&db);
}

/* The queue row may be gone before we ask: the token stands beside the body. */
static void it_counts_although_it_was_delivered_meanwhile(void **state)
{
    struct store_accept m = message(S("lost answer, quick worker"));
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    test_proxy_arm(TEST_FAULT_AFTER, deliver_meanwhile);
    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    assert_int_equal(queued(), 0);
    db_free(&db);
    test_proxy_stop();
}

static void what_never_arrived_is_sent_again(void **state)
{
    struct store_accept m = message(S("lost request"));
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    test_proxy_arm(TEST_FAULT_BEFORE, NULL);
    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    assert_int_equal(queued(), 1);
    db_free(&db);
    test_proxy_stop();
}

static struct store_accept *victim;

/* The socket orders this after the other thread drew its id; ThreadSanitizer does not see
 * through sockets. */
__attribute__((no_sanitize("thread"))) static void steal_the_id(void)
{
    struct db *db = test_connect();
    char sql[200];

    snprintf(sql, sizeof(sql),
             "INSERT INTO body_%02d (id, token, seq, data) VALUES (%lld, 42, 0, '')",
             store_ids_body_slot(victim->body_id), (long long)victim->body_id);
    assert_int_equal(db_script(db, sql), RC_OK);
    db_free(&db);
}

/* Somebody else's row under our id must not become our 250. */
static void a_foreign_row_with_our_id_is_not_ours(void **state)
{
    struct store_accept m = message(S("stolen id"));
    struct db *db;
    str_t back;

    (void)state;
    victim = &m;
    test_proxy_start();
    db = test_proxy_connect(0);
    test_proxy_arm(TEST_FAULT_BEFORE, steal_the_id);
    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    assert_int_equal(queued(), 1);
    assert_int_equal(store_body_read(test_arena, test_db, m.body_id, 17, 8, 9, &back),
                     RC_OK);
    assert_true(str_eq(back, S("stolen id")));
    db_free(&db);
    test_proxy_stop();
}

static void *accept_thread(void *arg)
{
    struct db *db = test_connect();
    struct store_accept *m = arg;

    m->rc = store_accept(db, m, 1, 10000);
    db_free(&db);
    return NULL;
}

static int64_t wait_for_waiter(int64_t other_than)
{
    struct deadline until = deadline_in_ms(10000);
    int64_t pid = 0;

    while ((pid == 0 || pid == other_than) && !deadline_passed(until)) {
        assert_int_equal(db_run(test_db, &stmt_waiting, DB_NO_PARAMS), RC_OK);
        pid = db_get_int(test_db, 0, 0, 0);
        poll(NULL, 0, 5);
    }
    assert_true(pid != 0 && pid != other_than);
    return pid;
}

static void a_backend_killed_before_the_commit_costs_nothing(void **state)
{
    struct store_accept m = message(S("killed"));
    struct db *locker = test_connect();
    pthread_t thread;
    int64_t pid;

    (void)state;
    db_begin(locker);
    assert_int_equal(db_script(locker, "LOCK TABLE queue IN EXCLUSIVE MODE"), RC_OK);
    assert_int_equal(pthread_create(&thread, NULL, accept_thread, &m), 0);
    pid = wait_for_waiter(0);
    assert_int_equal(db_run(test_db, &stmt_kill, DB_PARAMS(db_int4(pid))), RC_OK);
    (void)wait_for_waiter(pid); /* it came back by itself */
    db_rollback(locker);
    pthread_join(thread, NULL);
    assert_int_equal(m.rc, RC_OK);
    assert_int_equal(queued(), 1);
    db_free(&locker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_accepted_is_in_the_queue, test_setup),
        cmocka_unit_test_setup(a_time_that_postgresql_does_not_confirm_is_refused,
                               test_setup),
        cmocka_unit_test_setup(a_clock_that_is_behind_itself_takes_nothing, test_setup),
        cmocka_unit_test_setup(a_service_whose_clock_is_behind_takes_mail_that_stays,
                               test_setup),
        cmocka_unit_test_setup(bodies_of_all_sizes_come_back, test_setup),
        cmocka_unit_test_setup(slices_are_exact, test_setup),
        cmocka_unit_test_setup(heads_come_in_one_round_trip, test_setup),
        cmocka_unit_test_setup(sets_of_bodies_come_whole, test_setup),
        cmocka_unit_test_setup(one_bad_message_does_not_spoil_the_batch, test_setup),
        cmocka_unit_test_setup(a_commit_whose_answer_is_lost_counts_once, test_setup),
        cmocka_unit_test_setup(what_cannot_be_found_out_is_said, test_setup),
        cmocka_unit_test_setup(an_outage_before_the_first_try_is_certain, test_setup),
        cmocka_unit_test_setup(a_read_only_server_is_certain, test_setup),
        cmocka_unit_test_setup(it_counts_although_it_was_delivered_meanwhile, test_setup),
        cmocka_unit_test_setup(what_never_arrived_is_sent_again, test_setup),
        cmocka_unit_test_setup(a_foreign_row_with_our_id_is_not_ours, test_setup),
        cmocka_unit_test_setup(a_backend_killed_before_the_commit_costs_nothing,
                               test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
