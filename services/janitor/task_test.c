/* task_test.c - each task against a real PostgreSQL: what goes, what stays, what is told.
 */
#include "task.h"

#include "bus/bus.h"
#include "clocks.h"
#include "store/store_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { INTERVAL_MS = 10000 };

static struct options options;
static struct task_tools tools;

struct row {
    const char *name;
    enum rc (*run)(struct task_tools *t, int64_t *removed);
    int64_t interval;
};

static int64_t run(task_fn task)
{
    int64_t removed = 0;

    assert_int_equal(task(&tools, &removed), RC_OK);
    return removed;
}

/* As if the mail of user i had come `days` ago. */
static void age(int i, int days, int limit)
{
    test_sql(
        "UPDATE message SET body_id = body_id - (%d::int8 * 86400000 << 22) WHERE "
        "(mailbox_id, uid) IN (SELECT mailbox_id, uid FROM message WHERE mailbox_id = "
        "(SELECT id << 18 FROM account WHERE addr = 'user%d@example.org') ORDER BY "
        "uid LIMIT %d)",
        days, i, limit);
}

static int64_t messages(void)
{
    return test_number(test_db, "SELECT count(*) FROM message");
}

static int64_t quota_is_right(void)
{
    return test_number(test_db,
                       "SELECT count(*) FROM mailbox b WHERE b.bytes <> (SELECT "
                       "coalesce(sum(size), 0) FROM message WHERE mailbox_id = b.id)") ==
           0;
}

static void test_expire_messages(void **state)
{
    (void)state;
    test_account(1, 1000000);
    test_fill(1, 5, 100);
    age(1, 21, 2);
    assert_int_equal(run(task_expire_messages), 2);
    assert_int_equal(messages(), 3);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM expunged"), 1);
    assert_true(quota_is_right());
    assert_int_equal(run(task_expire_messages), 0);
}

/* Small ones stay, and a large one that no client can have fetched. */
static void test_expire_large(void **state)
{
    (void)state;
    test_account(1, 10000000);
    test_account(2, 10000000);
    test_fill(1, 1, 300000);
    test_fill(1, 1, 100);
    test_fill(2, 1, 300000);
    age(1, 8, 2);
    age(2, 8, 1);
    test_sql("UPDATE account SET seen_day = today() - 30");
    test_sql(
        "UPDATE message SET flags = 1 WHERE mailbox_id = (SELECT id << 18 FROM account "
        "WHERE addr = 'user1@example.org')");
    assert_int_equal(run(task_expire_large), 1);
    assert_int_equal(messages(), 2);
    assert_true(quota_is_right());
}

static void test_inactive_accounts(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++)
        test_account(i, 1000000);
    test_fill(1, 2, 100);
    test_sql("UPDATE account SET seen_day = today() - 91 WHERE addr = "
             "'user1@example.org'");
    test_sql("UPDATE account SET seen_day = today() - 90 WHERE addr = "
             "'user2@example.org'");
    assert_int_equal(run(task_inactive_accounts), 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account"), 2);
    assert_int_equal(messages(), 0);
    assert_int_equal(run(task_inactive_accounts), 0);
}

DB_STATEMENT(stmt_xid, "test_xid", "SELECT pg_current_xact_id()::text::int8");

static int64_t transaction_now(void)
{
    assert_int_equal(db_run(test_db, &stmt_xid, DB_NO_PARAMS), RC_OK);
    return db_get_int(test_db, 0, 0, 0);
}

/* Very many at once: some in each transaction, and a rest between two of those. */
static void test_many_inactive_accounts(void **state)
{
    enum { ACCOUNTS = 500, TRANSACTIONS = 10 };
    int64_t before;

    (void)state;
    test_sql(
        "INSERT INTO account (id, created_day, seen_day, addr, pwhash) SELECT "
        "(bucket_of(addr) << 35) + i, 1, today() - 91, addr, '' FROM "
        "(SELECT i, 'old' || i || '@example.org' addr FROM generate_series(1, %d) i) s",
        ACCOUNTS);
    test_sql("INSERT INTO mailbox (id, uidvalidity) SELECT id << 18, 1 FROM account");
    test_account(1, 1000);
    tools.rests = 0;
    before = transaction_now();
    assert_int_equal(run(task_inactive_accounts), ACCOUNTS);
    assert_in_range(transaction_now() - before, 1, TRANSACTIONS + 1);
    assert_int_equal(tools.rests, TRANSACTIONS);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account"), 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM mailbox"), 1);
}

/* Oldest first down to 70 %, but never what came within a day. */
static void test_trim_quota(void **state)
{
    (void)state;
    test_account(1, 10000);
    test_account(2, 10000);
    test_fill(1, 8, 980);
    test_fill(2, 8, 980);
    age(1, 2, 8);
    assert_in_range(run(task_trim_quota), 1, 2);
    assert_true(quota_is_right());
    assert_int_equal(test_number(test_db,
                                 "SELECT count(*) FROM message WHERE mailbox_id = "
                                 "(SELECT id << 18 FROM account WHERE addr = "
                                 "'user2@example.org')"),
                     8);
    assert_int_equal(test_number(test_db,
                                 "SELECT count(*) FROM mailbox WHERE bytes > 7000 "
                                 "AND id = (SELECT id << 18 FROM account WHERE "
                                 "addr = 'user1@example.org')"),
                     0);
}

/* Asked to stop, a task stops between two transactions. */
static void test_stop(void **state)
{
    (void)state;
    test_account(1, 1000000);
    test_fill(1, 2, 100);
    age(1, 21, 2);
    tools.stop = true;
    assert_int_equal(run(task_expire_messages), 0);
    tools.stop = false;
    assert_int_equal(run(task_expire_messages), 2);
}

/* PostgreSQL's clock is days ahead of ours, or behind. */
static void test_clocks_that_differ(void **state)
{
    static const struct {
        const char *shift;
        enum clocks_verdict expected;
    } cases[] = { { "1 second", CLOCKS_RIGHT },
                  { "-1 second", CLOCKS_RIGHT },
                  { "21 days", CLOCKS_DIFFER },
                  { "-2 minutes", CLOCKS_DIFFER } };
    struct clocks c = { .interval_ms = INTERVAL_MS };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_move_clock(cases[i].shift);
        assert_int_equal(clocks_look(&c, test_db, 0), cases[i].expected);
    }
    test_move_clock("0");
    assert_int_equal(clocks_look(&c, test_db, 0), CLOCKS_RIGHT);
}

/* As if all clocks had been moved since the last run. */
static void move_clocks(int64_t seconds)
{
    test_sql("UPDATE trusted_time SET us = now_us() - (%lld)::int8 * 1000000",
             (long long)seconds);
}

/* Within a day and an interval, nothing is strange about the time. */
static void test_a_rest_is_no_jump(void **state)
{
    static const int64_t cases[] = { 0, 3600, TASK_DAY_S, -TASK_DAY_S };
    struct clocks c = { .interval_ms = INTERVAL_MS };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        move_clocks(cases[i]);
        assert_int_equal(clocks_look(&c, test_db, 0), CLOCKS_RIGHT);
        assert_in_range(test_number(test_db, "SELECT now_us() - us FROM trusted_time"), 0,
                        INT64_C(60) * 1000000);
    }
}

static void test_a_jump_is_believed_when_it_holds(void **state)
{
    static const int64_t cases[] = { 366 * TASK_DAY_S, -366 * TASK_DAY_S,
                                     2 * TASK_DAY_S };
    int64_t old;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct clocks c = { .interval_ms = INTERVAL_MS };

        move_clocks(cases[i]);
        old = test_number(test_db, "SELECT us FROM trusted_time");
        assert_int_equal(clocks_look(&c, test_db, 500), CLOCKS_JUMPED);
        assert_int_equal(clocks_look(&c, test_db, 500 + INTERVAL_MS - 1), CLOCKS_JUMPED);
        assert_int_equal(test_number(test_db, "SELECT us FROM trusted_time"), old);
        assert_int_equal(clocks_look(&c, test_db, 500 + INTERVAL_MS), CLOCKS_RIGHT);
        assert_int_equal(clocks_look(&c, test_db, 500 + INTERVAL_MS + 1), CLOCKS_RIGHT);
    }
}

/* A clock that jumps again, or is set right, begins anew. */
static void test_a_jump_that_does_not_hold(void **state)
{
    struct clocks c = { .interval_ms = INTERVAL_MS };
    int64_t later = 3600 * 1000; /* by the monotonic clock; PostgreSQL's stood still */

    (void)state;
    move_clocks(366 * TASK_DAY_S);
    assert_int_equal(clocks_look(&c, test_db, 0), CLOCKS_JUMPED);
    assert_int_equal(clocks_look(&c, test_db, later), CLOCKS_JUMPED);
    assert_int_equal(clocks_look(&c, test_db, later + INTERVAL_MS - 1), CLOCKS_JUMPED);
    move_clocks(60);
    assert_int_equal(clocks_look(&c, test_db, later + INTERVAL_MS), CLOCKS_RIGHT);
    move_clocks(366 * TASK_DAY_S);
    assert_int_equal(clocks_look(&c, test_db, later + INTERVAL_MS), CLOCKS_JUMPED);
}

/* Every row can run on an empty store, and no two have one name. */
static void test_table(void **state)
{
    const struct row rows[] = {
#define TASK(name, interval, counts) { #name, task_##name, options.interval },
#include "tasks.def"
#undef TASK
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(run(rows[i].run), 0);
        assert_true(rows[i].interval > 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rows[i].name, rows[k].name);
    }
}

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static int setup(void **state)
{
    struct bus_options bus = { .address = "127.0.0.1",
                               .event_port = free_port(),
                               .secret = "a secret of the cluster for this test" };
    char error[BUS_ERROR_BYTES];

    if (test_group_setup(state) != 0 || bus_start(&bus, &tools.bus, error) != RC_OK)
        return -1;
    options = (struct options){ .mail_domain = "_task.localhost",
                                .delete_mails_after = 20,
                                .delete_large_after = 7,
                                .delete_inactive_users_after = 90,
                                .expiry_interval_seconds = 3600 };
    tools.db = test_db;
    tools.arena = arena_new();
    tools.options = &options;
    return 0;
}

static int teardown(void **state)
{
    arena_free(&tools.arena);
    bus_stop(&tools.bus);
    return test_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_expire_messages, test_setup),
        cmocka_unit_test_setup(test_expire_large, test_setup),
        cmocka_unit_test_setup(test_inactive_accounts, test_setup),
        cmocka_unit_test_setup(test_many_inactive_accounts, test_setup),
        cmocka_unit_test_setup(test_trim_quota, test_setup),
        cmocka_unit_test_setup(test_stop, test_setup),
        cmocka_unit_test_setup(test_clocks_that_differ, test_setup),
        cmocka_unit_test_setup(test_a_rest_is_no_jump, test_setup),
        cmocka_unit_test_setup(test_a_jump_is_believed_when_it_holds, test_setup),
        cmocka_unit_test_setup(test_a_jump_that_does_not_hold, test_setup),
        cmocka_unit_test_setup(test_table, test_setup),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
