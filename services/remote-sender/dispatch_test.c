/* dispatch_test.c - who gets a thread, and how all of it ends: a real store, and hosts on
 * loopback. */
#include "dispatch.h"

#include "mail/domains.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "dbs.h"
#include "desk.h"
#include "net/destination_guard.h"
#include "scripted_peer.h"
#include "store/store_remote.h"
#include "store/store_test.h"
#include "svc/routes.h"
#include "svc/svc.h"

enum { PATIENCE_MS = 20000, SOON_MS = 5000 };

static const struct domains own = DOMAINS_ONE("own.org");
static struct options options;
static struct svc svc = { .options = &options };
static const struct svc_service service = { .name = "remote-sender" };
static struct desk desk;
static struct routes routes;
static struct dispatch *dispatch;

static const char *const takes_one[] = {
    "S 220 hello", "C EHLO own.org",
    "S 250-mx",    "S 250 STARTTLS",
    "C STARTTLS",  "S 220 go",
    "TLS",         "C EHLO own.org",
    "S 250 mx",    "C MAIL FROM",
    "S 250 ok",    "C RCPT TO",
    "S 250 ok",    "C DATA",
    "S 354 go",    "DATA",
    "S 250 taken", "END",
    NULL,
};

static void set_routes(const char *text)
{
    char why[200];

    assert_int_equal(routes_parse(test_arena, str_of(text), &routes, why, sizeof(why)),
                     RC_OK);
}

/* x.org's mail goes to the peer; NULL: nobody's does. */
static void route_to(const struct addr *peer)
{
    set_routes(peer == NULL ? ""
                            : arena_printf(test_arena, "x.org=127.0.0.1:%u",
                                           (unsigned)peer->port));
}

/* A message for somebody at the domain waits. */
static void add(const char *domain)
{
    str_t to = str_of(arena_printf(test_arena, "a@%s", domain));
    struct store_accept m = { .head = S("Subject: x\r\n\r\n"),
                              .body = S("x\r\n"),
                              .sender = S("me@own.org"),
                              .recipients = &to,
                              .recipient_count = 1 };
    struct store_remote_row row = { .domain = str_of(domain),
                                    .sender = S("me@own.org"),
                                    .recipients = &to,
                                    .recipient_count = 1,
                                    .transport = routes_find(&routes, str_of(domain)),
                                    .envelope = S("{}") };

    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    row.body_id = m.body_id;
    row.size = (int32_t)(m.head.n + m.body.n);
    db_begin(test_db);
    store_remote_add(test_db, &row, 1000);
    assert_int_equal(db_commit(test_db), RC_OK);
}

/* Until the query's number is the wanted one. */
static void wait_for_number(const char *sql, int64_t wanted)
{
    struct db_statement s = { .name = "", .sql = sql };
    struct deadline until = deadline_in_ms(PATIENCE_MS);

    for (;;) {
        assert_int_equal(db_run(test_db, &s, DB_NO_PARAMS), RC_OK);
        if (db_rows(test_db, 0) == 1 && db_get_int(test_db, 0, 0, 0) == wanted)
            return;
        if (deadline_passed(until))
            fail_msg("never %d: %s", (int)wanted, sql);
    }
}

static void begin_dispatch(size_t threads)
{
    options.remote_concurrency = (int64_t)threads;
    dispatch = dispatch_new(&svc, &desk);
}

/* A host that takes connections and says nothing, on all loopback addresses. */
static int mute_host(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    desk.finder.port = ntohs(a.sin_port);
    return fd;
}

/* The host keeps its connection for a while, but not at the end. */
static void test_sends(void **state)
{
    struct peer p;
    struct addr to = begin(&p, takes_one);

    (void)state;
    route_to(&to);
    add("x.org");
    begin_dispatch(4);
    wait_for_number("SELECT count(*) FROM queue_remote", 0);
    assert_true(dispatch_free(&dispatch));
    end(&p);
}

/* Beyond the rate nothing is tried, nobody is held up, and nothing is claimed again. */
static void test_rate_of_a_destination(void **state)
{
    enum { ROWS = 25, CLAIMED = 10 };
    int mute = mute_host();
    struct peer p;
    struct addr to = begin(&p, takes_one);

    (void)state;
    route_to(&to);
    for (int i = 0; i < ROWS; i++)
        add("x.org");
    options.remote_per_destination_per_minute = 1;
    begin_dispatch(20);
    wait_for_number("SELECT count(*) FROM queue_remote", ROWS - 1);
    wait_for_number("SELECT count(*) FROM queue_remote WHERE lease = 2 AND attempts = 0 "
                    "AND last_error = '' AND due > now_us() AND due <= now_us() + "
                    "60000000",
                    CLAIMED - 1);
    add("[127.0.0.2]"); /* another, which is claimed behind them */
    wait_for_number("SELECT count(*) FROM queue_remote WHERE lease = 1", 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote WHERE "
                                          "lease = 0 AND attempts = 0 AND due <= "
                                          "now_us()"),
                     ROWS - CLAIMED);
    assert_true(dispatch_free(&dispatch));
    options.remote_per_destination_per_minute = 0;
    end(&p);
    close(mute);
}

/* The end of the wait brings it back: the poll is far, and no thread has been left. */
static void test_comes_back_when_the_rate_lets_it_go(void **state)
{
    enum { PER_MINUTE = 60, AT_ONCE = 6 };
    int64_t poll_ms = options.queue_poll_ms;

    (void)state;
    close(mute_host()); /* a port where nobody listens */
    for (int i = 0; i < AT_ONCE + 1; i++)
        add("[127.0.0.2]");
    options.queue_poll_ms = 60000;
    options.remote_per_destination_per_minute = PER_MINUTE;
    begin_dispatch(4);
    wait_for_number("SELECT count(*) FROM queue_remote WHERE attempts = 1 AND "
                    "lease % 2 = 0 AND last_error <> ''",
                    AT_ONCE + 1);
    assert_int_equal(test_number(test_db, "SELECT max(lease) FROM queue_remote"), 4);
    assert_true(dispatch_free(&dispatch));
    options.queue_poll_ms = poll_ms;
    options.remote_per_destination_per_minute = 0;
}

/* From now on the database refuses to remove rows, and counts how often it was asked. */
static void refuse_removal(const char *sqlstate, int times)
{
    test_sql(
        "CREATE SEQUENCE tries; "
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('tries') <= %d THEN RAISE EXCEPTION USING ERRCODE = '%s'; END IF; "
        "RETURN OLD; END $$; "
        "CREATE TRIGGER refuse BEFORE DELETE ON queue_remote FOR EACH ROW "
        "EXECUTE FUNCTION refuse()",
        times, sqlstate);
}

/* A message that the host has taken while the database did not take the outcome. */
static void send_while_refused(const char *sqlstate, int times)
{
    struct peer p;
    struct addr to = begin(&p, takes_one);
    int64_t began = clock_monotonic_ms();

    refuse_removal(sqlstate, times);
    route_to(&to);
    add("x.org");
    begin_dispatch(4);
    wait_for_number("SELECT count(*) FROM queue_remote", 0);
    assert_int_equal(test_number(test_db, "SELECT last_value FROM tries"), times + 1);
    /* Twice as long each time, from 50 ms on, and each by at most a quarter less. */
    assert_true(clock_monotonic_ms() - began >= 50 * ((1 << times) - 1) * 3 / 4);
    assert_true(dispatch_free(&dispatch));
    end(&p); /* nobody has come a second time */
    test_sql("DROP FUNCTION refuse CASCADE; DROP SEQUENCE tries");
}

/* What the host has taken is not sent again because a statement took too long, */
static void test_outcome_after_a_timeout(void **state)
{
    (void)state;
    send_while_refused("57014", 2);
}

/* and a database without room is not asked a thousand times a second. */
static void test_outcome_without_room(void **state)
{
    (void)state;
    send_while_refused("53100", 4);
}

/* Names cost nothing, and all of these lead to hosts that hold us up: half of the threads
 * are not theirs.  The route's domain comes last, in the queue and by name. */
static void test_strangers_share_half_of_the_threads(void **state)
{
    enum { THREADS = 4, STRANGERS = 20 };
    int mute = mute_host(), held[STRANGERS + 1], connected = 0;
    struct peer p;
    struct addr to = begin(&p, takes_one);
    int64_t began = clock_monotonic_ms();

    (void)state;
    route_to(&to);
    for (int i = 0; i < STRANGERS; i++)
        add(arena_printf(test_arena, "[127.0.1.%d]", i + 1));
    begin_dispatch(THREADS);
    wait_for_number("SELECT 1 WHERE (SELECT count(*) FROM queue_remote "
                    "WHERE lease % 2 = 1) >= 4",
                    1);
    add("x.org");
    dispatch_wake(dispatch);
    wait_for_number("SELECT count(*) FROM queue_remote WHERE domain = 'x.org'", 0);
    assert_true(clock_monotonic_ms() - began < PATIENCE_MS / 2);
    while ((held[connected] = accept(mute, NULL, NULL)) >= 0)
        connected++;
    assert_int_equal(connected, THREADS / 2);
    /* Who had no thread is handed back as well. */
    assert_true(dispatch_free(&dispatch));
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote "
                                          "WHERE lease % 2 = 0 AND due <= now_us()"),
                     STRANGERS);
    end(&p);
    while (connected > 0)
        close(held[--connected]);
    close(mute);
}

/* Takes connections and says nothing, on one address and the peer's port. */
static int mute_at(uint32_t address, uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(address) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 100), 0);
    return fd;
}

/* More strangers hold us up than may have a thread.  Another one, who lives, comes behind
 * them, and does not wait for the time that each of them may take. */
static void test_strangers_make_room_for_strangers(void **state)
{
    enum { THREADS = 4, STRANGERS = 6 };
    int mute[STRANGERS];
    struct peer p;
    struct addr to = begin(&p, takes_one);

    (void)state;
    route_to(NULL);
    desk.finder.port = to.port;
    for (int i = 0; i < STRANGERS; i++) {
        mute[i] = mute_at(INADDR_LOOPBACK + 1 + (uint32_t)i, to.port);
        add(arena_printf(test_arena, "[127.0.0.%d]", i + 2));
    }
    begin_dispatch(THREADS);
    wait_for_number("SELECT 1 WHERE (SELECT count(*) FROM queue_remote "
                    "WHERE lease % 2 = 1) >= 4",
                    1);
    add("[127.0.0.1]");
    dispatch_wake(dispatch);
    wait_for_number("SELECT count(*) FROM queue_remote WHERE domain = '[127.0.0.1]'", 0);
    assert_true(dispatch_free(&dispatch));
    end(&p);
    for (int i = 0; i < STRANGERS; i++)
        close(mute[i]);
}

/* Rows whose maker knew nothing of ways are claimed by their domains, but the smarthost
 * holds them up: no more of them are claimed than its connections can have to do. */
static void test_no_more_than_a_smarthost_takes(void **state)
{
    enum { THREADS = 50, DOMAINS = 3, EACH = 100, LOOKS = 10, MOST = 4 * 2 * 10 };
    int mute = mute_host();

    (void)state;
    for (int i = 0; i < DOMAINS * EACH; i++)
        add(arena_printf(test_arena, "%c.org", 'a' + i % DOMAINS));
    test_sql("UPDATE queue_remote SET transport = NULL");
    set_routes(arena_printf(test_arena,
                            "a.org=127.0.0.1:%u b.org=127.0.0.1:%u c.org=127.0.0.1:%u",
                            desk.finder.port, desk.finder.port, desk.finder.port));
    begin_dispatch(THREADS);
    for (int i = 0; i < LOOKS; i++) { /* each is seen by a further claim */
        add(arena_printf(test_arena, "[127.0.0.%d]", i + 2));
        dispatch_wake(dispatch);
        wait_for_number("SELECT count(*) FROM queue_remote "
                        "WHERE domain LIKE '[%' AND lease % 2 = 0",
                        0);
    }
    assert_in_range(test_number(test_db, "SELECT count(*) FROM queue_remote "
                                         "WHERE domain LIKE '%.org' AND lease % 2 = 1"),
                    1, MOST);
    assert_true(dispatch_free(&dispatch));
    close(mute);
}

/* A message at the end of its lifetime does not wait for its turn, nor for a host. */
static void test_expires(void **state)
{
    (void)state;
    add("[127.0.0.2]");
    test_sql("UPDATE queue_remote SET expires = now_unix(), due = now_us() + 60000000");
    begin_dispatch(4);
    wait_for_number("SELECT count(*) FROM queue_failed", 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote"), 0);
    assert_true(dispatch_free(&dispatch));
}

/* Stopping hangs up on a host that says nothing; its message waits for the next sender.
 */
static void test_drain(void **state)
{
    int mute = mute_host();
    int64_t began;

    (void)state;
    add("[127.0.0.2]");
    begin_dispatch(4);
    wait_for_number("SELECT count(*) FROM queue_remote WHERE lease % 2 = 1", 1);
    began = clock_monotonic_ms();
    dispatch_drain(dispatch);
    assert_true(dispatch_free(&dispatch));
    assert_true(clock_monotonic_ms() - began < SOON_MS);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote "
                                          "WHERE lease % 2 = 0 AND due <= now_us()"),
                     1);
    close(mute);
}

/* A database that does not answer holds nobody up: the end is refused, in time. */
static void test_drain_without_database(void **state)
{
    struct db *other = test_connect();
    int64_t began;

    (void)state;
    add("[127.0.0.2]");
    db_begin(other);
    assert_int_equal(db_script(other, "LOCK TABLE queue_remote IN SHARE MODE"), RC_OK);
    begin_dispatch(4);
    wait_for_number("SELECT count(*) FROM pg_locks WHERE NOT granted", 1);
    began = clock_monotonic_ms();
    assert_false(dispatch_free(&dispatch));
    assert_true(clock_monotonic_ms() - began < 2 * SOON_MS);
    db_free(&other);
    while (!dispatch_free(&dispatch))
        ;
}

static int setup(void **state)
{
    if (test_setup(state) != 0)
        return -1;
    route_to(NULL);
    return 0;
}

static int setup_group(void **state)
{
    if (make_contexts(state) != 0 || test_group_setup(state) != 0)
        return -1;
    svc.service = &service;
    options.database_host = test_host();
    options.database_name = test_name;
    options.database_user = "postgres";
    options.database_password = "";
    options.database_statement_seconds = 30;
    options.queue_poll_ms = 100;
    options.retry_min_seconds = options.retry_max_seconds = 60;
    options.remote_per_destination = 4;
    desk = (struct desk){
        .finder = { .domains = &own, .hostname = S("own.org") },
        .routes = &routes,
        .tls = strict_ctx,
        .guard = destination_guard_new(true),
        .dbs = dbs_new(),
        .helo = "own.org",
        .connect_ms = PATIENCE_MS,
        .command_ms = PATIENCE_MS,
    };
    dbs_add(desk.dbs, test_connect());
    dbs_add(desk.dbs, test_connect());
    return 0;
}

static int teardown_group(void **state)
{
    dbs_free(&desk.dbs);
    destination_guard_free(&desk.guard);
    drop_contexts(state);
    return test_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sends, setup),
        cmocka_unit_test_setup(test_rate_of_a_destination, setup),
        cmocka_unit_test_setup(test_comes_back_when_the_rate_lets_it_go, setup),
        cmocka_unit_test_setup(test_strangers_share_half_of_the_threads, setup),
        cmocka_unit_test_setup(test_strangers_make_room_for_strangers, setup),
        cmocka_unit_test_setup(test_no_more_than_a_smarthost_takes, setup),
        cmocka_unit_test_setup(test_expires, setup),
        cmocka_unit_test_setup(test_outcome_after_a_timeout, setup),
        cmocka_unit_test_setup(test_outcome_without_room, setup),
        cmocka_unit_test_setup(test_drain, setup),
        cmocka_unit_test_setup(test_drain_without_database, setup),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
