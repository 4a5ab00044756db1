/* store_db_test.c - parameters and rows, transactions, failures of the connection. */
#include "store/store_test_proxy.h"

#include "store/db_wire.h"

#include <dlfcn.h>
#include <netdb.h>
#include <time.h>

/* The clock of this program; common/base/clock.c stays in its archive. */
static _Atomic int64_t ahead_us;

static int64_t now_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + atomic_load(&ahead_us);
}

int64_t clock_monotonic_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t clock_unix_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_unix(void)
{
    return clock_unix_ms() / 1000;
}

/* The resolver of this program, in which a name can be one that nobody answers for. */
static pthread_mutex_t dead = PTHREAD_MUTEX_INITIALIZER;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until;

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "dead.example") == 0) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 10;
        if (pthread_mutex_timedlock(&dead, &until) == 0)
            pthread_mutex_unlock(&dead);
        return EAI_AGAIN;
    }
    if (strcmp(name, "here.example") == 0)
        name = "127.0.0.1";
    return str_ends_nocase(str_of(name), S(".example")) ? EAI_NONAME
                                                        : real(name, service, hints, out);
}

DB_STATEMENT(stmt_echo, "test_echo",
             "SELECT $1::int2, $2::int4, $3::int8, $4::bool, $5::text, $6::bytea, "
             "$7::int4[], $8::text[], $9::int8[] = ARRAY[1, -2]::int8[]");
DB_STATEMENT(stmt_insert, "test_insert", "INSERT INTO t VALUES ($1)");
DB_STATEMENT(stmt_count, "test_count", "SELECT count(*) FROM t");
DB_STATEMENT(stmt_async, "test_async", "SHOW synchronous_commit");
DB_STATEMENT(stmt_divide, "test_divide", "SELECT 1 / $1::int4");
DB_STATEMENT(stmt_wrong, "test_wrong", "SELECT no_such_column FROM t");
DB_STATEMENT(stmt_pid, "test_pid", "SELECT pg_backend_pid()");
DB_STATEMENT(stmt_suicide, "test_suicide",
             "SELECT pg_terminate_backend(pg_backend_pid())");
DB_STATEMENT(stmt_length, "test_length", "SELECT length($1::bytea)");
DB_STATEMENT(stmt_kill, "test_kill", "SELECT pg_terminate_backend($1, 5000)");

static int setup(void **state)
{
    (void)state;
    atomic_store(&ahead_us, 0);
    db_reset(test_db);
    arena_reset(test_arena);
    return db_script(test_db,
                     "DROP TABLE IF EXISTS t; CREATE TABLE t (i int4 PRIMARY KEY)") ==
                   RC_OK
               ? 0
               : -1;
}

static int64_t count(void)
{
    assert_int_equal(db_run(test_db, &stmt_count, DB_NO_PARAMS), RC_OK);
    return db_get_int(test_db, 0, 0, 0);
}

static void values_come_back_as_they_went(void **state)
{
    const int32_t ints[] = { 7, -8 };
    const int64_t longs[] = { 1, -2 };
    const str_t texts[] = { S("a,\"b}"), S("") };
    size_t n;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            db_run(test_db, &stmt_echo,
                   DB_PARAMS(db_int2(-3), db_int4(INT32_MIN), db_int8(INT64_MIN),
                             db_bool(true), db_text(S("it's")), db_bytes(S("\0\xff'\\")),
                             db_int4s(ints, 2), db_texts(texts, 2), db_int8s(longs, 2))),
            RC_OK);
        assert_int_equal(db_get_int(test_db, 0, 0, 0), -3);
        assert_int_equal(db_get_int(test_db, 0, 0, 1), INT32_MIN);
        assert_true(db_get_int(test_db, 0, 0, 2) == INT64_MIN);
        assert_true(db_get_bool(test_db, 0, 0, 3));
        assert_true(str_eq(db_get_str(test_db, 0, 0, 4), S("it's")));
        assert_true(str_eq(db_get_str(test_db, 0, 0, 5), S("\0\xff'\\")));
        assert_int_equal(db_get_int4s(test_arena, test_db, 0, 0, 6, &n)[1], -8);
        assert_int_equal(n, 2);
        assert_true(
            str_eq(db_get_texts(test_arena, test_db, 0, 0, 7, &n)[0], S("a,\"b}")));
        assert_int_equal(n, 2);
        assert_true(db_get_bool(test_db, 0, 0, 8));
    }
}

static void nothing_and_null_differ(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(
        db_run(test_db, &stmt_echo,
               DB_PARAMS(db_null(DB_INT2), db_int4(0), db_int8(0), db_bool(false),
                         db_text(str_n(NULL, 0)), db_null(DB_BYTES), db_int4s(NULL, 0),
                         db_null(DB_TEXTS), db_null(DB_INT8S))),
        RC_OK);
    assert_true(db_is_null(test_db, 0, 0, 0));
    assert_false(db_is_null(test_db, 0, 0, 4));
    assert_int_equal(db_get_str(test_db, 0, 0, 4).n, 0);
    assert_true(db_is_null(test_db, 0, 0, 5));
    (void)db_get_int4s(test_arena, test_db, 0, 0, 6, &n);
    assert_int_equal(n, 0);
    (void)db_get_texts(test_arena, test_db, 0, 0, 7, &n);
    assert_int_equal(n, 0);
}

static void a_flush_is_all_or_nothing(void **state)
{
    (void)state;
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(1)));
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(2)));
    assert_int_equal(db_flush(test_db), RC_OK);
    assert_int_equal(db_affected(test_db, 1), 1);
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(3)));
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(1)));
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(4)));
    assert_int_equal(db_flush(test_db), RC_EXISTS);
    assert_string_equal(db_sqlstate(test_db), "23505");
    assert_int_equal(count(), 2);
}

static void a_transaction_is_committed_or_rolled_back(void **state)
{
    (void)state;
    db_begin(test_db);
    assert_int_equal(db_run(test_db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(2)));
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(count(), 2);
    db_begin(test_db);
    assert_int_equal(db_run(test_db, &stmt_insert, DB_PARAMS(db_int4(3))), RC_OK);
    db_reset(test_db);
    assert_false(db_in_transaction(test_db));
    assert_int_equal(count(), 2);
    db_begin(test_db);
    assert_int_equal(db_commit(test_db), RC_OK);
}

static void a_failed_transaction_stays_failed(void **state)
{
    (void)state;
    db_begin(test_db);
    assert_int_equal(db_run(test_db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    assert_int_equal(db_run(test_db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_EXISTS);
    assert_int_equal(db_run(test_db, &stmt_insert, DB_PARAMS(db_int4(2))), RC_EXISTS);
    assert_int_equal(db_commit(test_db), RC_EXISTS);
    assert_false(db_in_transaction(test_db));
    assert_int_equal(count(), 0);
}

static void what_was_queued_and_not_flushed_never_happens(void **state)
{
    (void)state;
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(1)));
    db_reset(test_db);
    assert_int_equal(count(), 0);
    db_begin(test_db);
    db_queue(test_db, &stmt_insert, DB_PARAMS(db_int4(1)));
    db_rollback(test_db);
    assert_int_equal(count(), 0);
}

static void relaxing_is_for_one_transaction(void **state)
{
    (void)state;
    db_relax(test_db);
    assert_int_equal(db_run(test_db, &stmt_async, DB_NO_PARAMS), RC_OK);
    assert_true(str_eq(db_get_str(test_db, 0, 0, 0), S("off")));
    assert_int_equal(db_run(test_db, &stmt_async, DB_NO_PARAMS), RC_OK);
    assert_true(str_eq(db_get_str(test_db, 0, 0, 0), S("on")));
    db_begin(test_db);
    db_relax(test_db);
    assert_int_equal(db_run(test_db, &stmt_async, DB_NO_PARAMS), RC_OK);
    assert_true(str_eq(db_get_str(test_db, 0, 0, 0), S("on")));
    db_rollback(test_db);
}

static void failures_have_meanings(void **state)
{
    (void)state;
    assert_int_equal(db_run(test_db, &stmt_divide, DB_PARAMS(db_int4(0))), RC_INVALID);
    assert_int_equal(db_run(test_db, &stmt_divide, DB_PARAMS(db_int4(1))), RC_OK);
    /* Preparing failed: it is tried again, not taken for prepared. */
    assert_int_equal(db_run(test_db, &stmt_wrong, DB_NO_PARAMS), RC_RETRY);
    test_sql("ALTER TABLE t ADD no_such_column int4");
    assert_int_equal(db_run(test_db, &stmt_wrong, DB_NO_PARAMS), RC_OK);
}

static void kill_backend(struct db *victim)
{
    int64_t pid;

    assert_int_equal(db_run(victim, &stmt_pid, DB_NO_PARAMS), RC_OK);
    pid = db_get_int(victim, 0, 0, 0);
    assert_int_equal(db_run(test_db, &stmt_kill, DB_PARAMS(db_int4(pid))), RC_OK);
}

static void a_dead_idle_connection_is_replaced_unnoticed(void **state)
{
    struct db *db = test_connect();

    (void)state;
    kill_backend(db);
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_OK);
    kill_backend(db);
    db_begin(db);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    assert_int_equal(db_commit(db), RC_OK);
    db_free(&db);
}

static void a_connection_lost_in_a_transaction_fails_it(void **state)
{
    struct db *db = test_connect();

    (void)state;
    db_begin(db);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    kill_backend(db);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(2))), RC_RETRY);
    assert_true(db_lost(db));
    assert_false(db_unsure(db));
    assert_int_equal(db_commit(db), RC_RETRY);
    assert_false(db_unsure(db));
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_OK);
    assert_int_equal(db_get_int(db, 0, 0, 0), 0);
    db_free(&db);
}

/* It says so before it ends the connection: not even with everything in one flush is
 * there a doubt. */
static void what_the_server_refuses_is_no_doubt(void **state)
{
    struct db *db = test_connect();

    (void)state;
    assert_int_equal(db_script(db, "SET default_transaction_read_only = on"), RC_OK);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_RETRY);
    assert_string_equal(db_sqlstate(db), "25006");
    assert_true(db_lost(db));
    assert_false(db_unsure(db));
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    db_queue(db, &stmt_insert, DB_PARAMS(db_int4(2)));
    db_queue(db, &stmt_suicide, DB_NO_PARAMS);
    assert_int_equal(db_flush(db), RC_RETRY);
    assert_string_equal(db_sqlstate(db), "57P01");
    assert_true(db_lost(db));
    assert_false(db_unsure(db));
    assert_int_equal(count(), 1);
    db_free(&db);
}

static void a_lost_answer_is_a_doubt(void **state)
{
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    test_proxy_arm(TEST_FAULT_AFTER, NULL);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_RETRY);
    assert_true(db_unsure(db));
    db_begin(db);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(2))), RC_OK);
    assert_false(db_unsure(db));
    test_proxy_arm(TEST_FAULT_AFTER, NULL);
    assert_int_equal(db_commit(db), RC_RETRY);
    assert_true(db_unsure(db));
    assert_int_equal(db_connect(db, deadline_in_ms(5000)), RC_OK);
    db_begin(db);
    test_proxy_arm(TEST_FAULT_BEFORE, NULL);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(3))), RC_RETRY);
    assert_true(db_lost(db));
    assert_false(db_unsure(db));
    db_rollback(db);
    assert_int_equal(count(), 2);
    db_free(&db);
    test_proxy_stop();
}

static void a_commit_that_became_a_rollback_is_none(void **state)
{
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    db_begin(db);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    test_proxy_arm(TEST_FAULT_UNDONE, NULL);
    assert_int_equal(db_commit(db), RC_RETRY);
    assert_false(db_unsure(db));
    assert_false(db_in_transaction(db));
    test_proxy_arm(TEST_FAULT_NONE, NULL);
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_OK);
    db_free(&db);
    test_proxy_stop();
}

static void a_silent_server_is_given_up(void **state)
{
    int64_t start;
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(300);
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_OK);
    test_proxy_arm(TEST_FAULT_SILENT, NULL);
    start = clock_monotonic_ms();
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_RETRY);
    assert_in_range(clock_monotonic_ms() - start, 290, 3000);
    assert_true(db_unsure(db));
    test_proxy_arm(TEST_FAULT_NONE, NULL);
    assert_int_equal(db_connect(db, deadline_in_ms(5000)), RC_OK);
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_OK);
    db_free(&db);
    test_proxy_stop();
}

static void an_absent_server_is_refused_at_once_after_the_first_try(void **state)
{
    const struct db_options o = { .host = "/nonexistent", .name = "x", .user = "x" };
    struct db *db = db_new(&o);
    int64_t start;

    (void)state;
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_RETRY);
    assert_false(db_lost(db));
    start = clock_monotonic_ms();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_RETRY);
    assert_true(clock_monotonic_ms() - start < 1000);
    assert_int_equal(db_connect(db, deadline_in_ms(100)), RC_RETRY);
    db_free(&db);
}

static void large_values_do_not_deadlock(void **state)
{
    size_t n = 8 * 1024 * 1024;
    char *big = arena_alloc(test_arena, n);

    (void)state;
    memset(big, 'y', n);
    for (int i = 0; i < 4; i++)
        db_queue(test_db, &stmt_echo,
                 DB_PARAMS(db_int2(0), db_int4(0), db_int8(0), db_bool(false),
                           db_text(S("")), db_bytes(str_n(big, n)), db_int4s(NULL, 0),
                           db_texts(NULL, 0), db_int8s(NULL, 0)));
    assert_int_equal(db_flush(test_db), RC_OK);
    assert_int_equal(db_get_str(test_db, 3, 0, 5).n, n);
}

enum { SLOW_US = 7000000 };

static void time_passes(void)
{
    atomic_fetch_add(&ahead_us, SLOW_US);
}

/* Megabytes on a slow line are part of what a statement takes. */
static void the_time_of_a_statement_begins_with_its_sending(void **state)
{
    size_t n = 8 * 1024 * 1024;
    char *big = arena_alloc(test_arena, n);
    struct db *db;

    (void)state;
    memset(big, 'y', n);
    test_proxy_start();
    db = test_proxy_connect(0);
    assert_int_equal(db_run(db, &stmt_length, DB_PARAMS(db_bytes(S("")))), RC_OK);
    assert_true(stmt_length_timer.sum_us < SLOW_US);
    test_proxy_arm(TEST_FAULT_SLOW, time_passes);
    assert_int_equal(db_run(db, &stmt_length, DB_PARAMS(db_bytes(str_n(big, n)))), RC_OK);
    assert_true(stmt_length_timer.sum_us >= SLOW_US);
    db_free(&db);
    test_proxy_stop();
}

/* ---- the way to the server ---- */

static void expect_why(const struct db_options *o, const char *state, const char *why)
{
    struct db *db = db_new(o);

    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_RETRY);
    if (strstr(db_why(db), why) == NULL)
        fail_msg("not \"%s\": %s", why, db_why(db));
    assert_string_equal(db_sqlstate(db), state);
    db_free(&db);
}

static void a_failure_names_its_cause(void **state)
{
    const char *host = test_host();
    char place[200];

    (void)state;
    snprintf(place, sizeof(place), "%s port 5432: ", host);
    expect_why(&(struct db_options){ .host = host, .name = "nope", .user = "postgres" },
               "3D000", "port 5432: database \"nope\" does not exist (database_name)");
    expect_why(&(struct db_options){ .host = host, .name = "nope", .user = "postgres" },
               "3D000", place);
    expect_why(&(struct db_options){ .host = host, .name = test_name, .user = "nobody" },
               "28000", "role \"nobody\" does not exist (database_user");
    expect_why(&(struct db_options){ .host = host, .port = 1, .user = "postgres" },
               "08001",
               "port 1: No such file or directory (database_host, database_port)");
    expect_why(&(struct db_options){ .host = "127.0.0.1", .port = 1, .user = "postgres" },
               "08001",
               "127.0.0.1 port 1: Connection refused (database_host, database_port)");
    expect_why(&(struct db_options){ .host = "here.example", .port = 1 }, "08001",
               "here.example (127.0.0.1) port 1: Connection refused");
    expect_why(&(struct db_options){ .host = "not.example" }, "08001",
               "no address for not.example: Name or service not known (database_host)");
    expect_why(&(struct db_options){ .host = "127.0.0.1",
                                     .port = 1,
                                     .sslmode = "verify-full",
                                     .ca_file = "/nonexistent/ca.pem" },
               "08001", "Connection refused");
}

static void the_host_that_can_be_written_to_is_found(void **state)
{
    char hosts[300];
    struct db_options o = { .host = hosts, .name = test_name, .user = "postgres" };
    struct db *db;

    (void)state;
    snprintf(hosts, sizeof(hosts), "/nonexistent, not.example,%s", test_host());
    db = db_new(&o);
    assert_int_equal(db_connect(db, deadline_in_ms(5000)), RC_OK);
    assert_int_equal(db_run(db, &stmt_insert, DB_PARAMS(db_int4(1))), RC_OK);
    db_free(&db);
    test_sql("ALTER DATABASE %s SET default_transaction_read_only = on", test_name);
    expect_why(&o, "08001", "session is read-only (a standby, or it takes no writes)");
    expect_why(&o, "08001", "/nonexistent port 5432: No such file or directory");
    expect_why(&o, "08001", "no address for not.example");
    test_sql("ALTER DATABASE %s RESET default_transaction_read_only", test_name);
}

/* As if the machine were not there any more: nobody even refuses. */
static void a_silent_host_has_its_share_of_the_time(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char folder[] = "/tmp/silent-XXXXXX", hosts[300];
    struct db_options o = { .host = hosts, .name = test_name, .user = "postgres" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct db *db;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.5432", folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    snprintf(hosts, sizeof(hosts), "%s,%s", folder, test_host());
    db = db_new(&o);
    if (db_run(db, &stmt_count, DB_NO_PARAMS) != RC_OK)
        fail_msg("%s", db_why(db));
    db_free(&db);
    close(fd);
    unlink(a.sun_path);
    rmdir(folder);
}

/* One name of which nobody knows anything must not hold us, nor the other hosts. */
static void a_dead_resolver_holds_nobody(void **state)
{
    char hosts[300];
    struct db_options o = { .host = "dead.example",
                            .name = test_name,
                            .user = "postgres",
                            .connect_timeout_ms = 200 };
    struct db *db = db_new(&o);

    (void)state;
    pthread_mutex_lock(&dead);
    assert_int_equal(db_connect(db, deadline_in_ms(300)), RC_RETRY);
    assert_non_null(strstr(db_why(db),
                           "no address for dead.example: the resolver has not "
                           "answered yet (database_host)"));
    db_free(&db);
    snprintf(hosts, sizeof(hosts), "dead.example,%s", test_host());
    o.host = hosts;
    o.connect_timeout_ms = 0;
    db = db_new(&o);
    if (db_connect(db, deadline_in_ms(5000)) != RC_OK)
        fail_msg("%s", db_why(db));
    db_free(&db);
    pthread_mutex_unlock(&dead);
}

static void the_servers_clock_is_ours_here(void **state)
{
    int64_t offset = 1 << 30;

    (void)state;
    assert_int_equal(db_clock_offset_ms(test_db, &offset), RC_OK);
    assert_true(offset > -1000 && offset < 1000);
}

static void broken_arrays_are_refused(void **state)
{
    static const str_t cases[] = {
        STR(""),
        STR("\0\0\0\1\0\0\0\0\0\0\0\x19"),
        STR("\0\0\0\2\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\0"),
        STR("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\0"),
        STR("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\5ab"),
        STR("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\0\0\0\0"),
        STR("\0\0\0\1\0\0\0\0\0\0\0\x19\x7f\xff\xff\xff\0\0\0\1\0\0\0\0"),
        STR("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\1\0\0\0\1\xff\xff\xff\xff"),
    };
    str_t *texts;
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_false(db_wire_texts(test_arena, cases[i], &texts, &n));
    assert_true(db_wire_texts(test_arena, S("\0\0\0\0\0\0\0\0\0\0\0\x19"), &texts, &n));
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_come_back_as_they_went, setup),
        cmocka_unit_test_setup(nothing_and_null_differ, setup),
        cmocka_unit_test_setup(a_flush_is_all_or_nothing, setup),
        cmocka_unit_test_setup(a_transaction_is_committed_or_rolled_back, setup),
        cmocka_unit_test_setup(a_failed_transaction_stays_failed, setup),
        cmocka_unit_test_setup(what_was_queued_and_not_flushed_never_happens, setup),
        cmocka_unit_test_setup(relaxing_is_for_one_transaction, setup),
        cmocka_unit_test_setup(failures_have_meanings, setup),
        cmocka_unit_test_setup(a_dead_idle_connection_is_replaced_unnoticed, setup),
        cmocka_unit_test_setup(a_connection_lost_in_a_transaction_fails_it, setup),
        cmocka_unit_test_setup(what_the_server_refuses_is_no_doubt, setup),
        cmocka_unit_test_setup(a_lost_answer_is_a_doubt, setup),
        cmocka_unit_test_setup(a_commit_that_became_a_rollback_is_none, setup),
        cmocka_unit_test_setup(a_silent_server_is_given_up, setup),
        cmocka_unit_test_setup(an_absent_server_is_refused_at_once_after_the_first_try,
                               setup),
        cmocka_unit_test_setup(large_values_do_not_deadlock, setup),
        cmocka_unit_test_setup(the_time_of_a_statement_begins_with_its_sending, setup),
        cmocka_unit_test_setup(a_failure_names_its_cause, setup),
        cmocka_unit_test_setup(the_host_that_can_be_written_to_is_found, setup),
        cmocka_unit_test_setup(a_silent_host_has_its_share_of_the_time, setup),
        cmocka_unit_test_setup(a_dead_resolver_holds_nobody, setup),
        cmocka_unit_test_setup(the_servers_clock_is_ours_here, setup),
        cmocka_unit_test_setup(broken_arrays_are_refused, setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
