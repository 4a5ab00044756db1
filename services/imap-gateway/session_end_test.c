/* session_end_test.c - what a session does when something ends or is not there: the
 * client, the database, the workers, memory, the service.
 */
#include "session_private.h"
#include "session_test.h"

#include <sys/socket.h>

enum { LARGE_BYTES = 100000, LARGE_COUNT = 30, LARGE_ITEMS = 8 };

#define EVERYTHING                                                                       \
    "FETCH 1:* (BODY.PEEK[] BODY.PEEK[]<1.99999> BODY.PEEK[]<2.99999> "                  \
    "BODY.PEEK[]<3.99999> BODY.PEEK[]<4.99999> BODY.PEEK[]<5.99999> "                    \
    "BODY.PEEK[]<6.99999> BODY.PEEK[]<7.99999>)"

DB_STATEMENT(stmt_lock, "test_lock", "SELECT id FROM mailbox WHERE id = $1 FOR UPDATE");
DB_STATEMENT(stmt_waiting, "test_waiting",
             "SELECT count(*) FROM pg_locks WHERE NOT granted");
DB_STATEMENT(stmt_terminate, "test_terminate",
             "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
             "WHERE usename = 'postbus_imap_gateway'");

/* Every command that writes to the mailbox waits until the transaction ends. */
static struct db *hold(const char *name)
{
    int64_t inbox = inbox_of(name);
    struct db *db = test_database_connect("postgres", test_name);

    db_begin(db);
    assert_int_equal(db_run(db, &stmt_lock, DB_PARAMS(db_int8(inbox))), RC_OK);
    return db;
}

static void let_go(struct db *db)
{
    db_rollback(db);
    db_free(&db);
}

static bool is_waiting(void)
{
    return count(&stmt_waiting) > 0;
}

static bool is_alone(void)
{
    return atomic_load(&test_gateway.sessions) == 0;
}

static bool has_stalled_messages(void)
{
    return limit_total(test_gateway.spool.chunks) >= TEST_CHUNKS_OF_ONE;
}

static void begin_append(struct client *c, size_t n)
{
    char *text = arena_alloc(test_arena, n);

    memset(text, 'a', n);
    say(c, "large APPEND INBOX {%zu+}", n);
    say_bytes(c, str_n(text, n));
}

static void a_client_that_sends_no_more_is_answered(void **state)
{
    struct client c = dial(0);

    (void)state;
    say_bytes(&c, S("a CAPABILITY\r\nb ID NIL\r\n"));
    assert_int_equal(shutdown(stream_fd(c.stream), SHUT_WR), 0);
    until(&c, "a OK ");
    until(&c, "b OK ");
    expect_end(&c);
    hang_up(&c);
}

static void also_when_the_answer_is_held_back(void **state)
{
    struct client c = dial(1);

    (void)state;
    say(&c, "a LOGIN nobody@elsewhere.example \"" TEST_PASSWORD "\"");
    assert_int_equal(shutdown(stream_fd(c.stream), SHUT_WR), 0);
    expect(&c, "a NO [AUTHENTICATIONFAILED] ");
    expect_end(&c);
    hang_up(&c);
}

/* Its command comes back to a session without a connection. */
static void a_client_that_goes_while_its_command_runs(void **state)
{
    struct client c = log_in("alice0001"), other;
    struct db *db;

    (void)state;
    append(&c, "INBOX");
    hang_up(&c);
    c = with_inbox("alice0001");
    db = hold("alice0001");
    say(&c, "a STORE 1 +FLAGS (\\Flagged)");
    wait_for(is_waiting, true);
    hang_up(&c);
    let_go(db);
    wait_for(is_alone, true);
    other = with_inbox("alice0001");
    say(&other, "b FETCH 1 FLAGS");
    expect(&other, "* 1 FETCH (FLAGS (\\Flagged))");
    expect(&other, "b OK ");
    hang_up(&other);
}

static void what_is_sent_meanwhile_is_answered_in_order(void **state)
{
    struct client c = with_inbox("alice0001");
    struct db *db = hold("alice0001");

    (void)state;
    say(&c, "a STORE 1 -FLAGS (\\Flagged)");
    wait_for(is_waiting, true);
    say_bytes(&c, S("b CAPABILITY\r\nc FETCH 1 FLAGS\r\nd IDLE\r\nDONE\r\ne LOGOUT\r\n"));
    let_go(db);
    expect(&c, "* 1 FETCH (UID 1 FLAGS ())");
    expect(&c, "a OK ");
    expect(&c, "* CAPABILITY ");
    expect(&c, "b OK ");
    expect(&c, "* 1 FETCH (FLAGS ())");
    expect(&c, "c OK ");
    expect(&c, "+ idling");
    expect(&c, "d OK ");
    expect(&c, "* BYE ");
    expect(&c, "e OK ");
    expect_end(&c);
    hang_up(&c);
}

static void nonsense_ends_after_a_while(void **state)
{
    struct client c = log_in("alice0001");

    (void)state;
    for (int i = 0; i < 19; i++) {
        say(&c, "a XYZZY");
        expect(&c, "a BAD unknown command");
    }
    say(&c, "b CAPABILITY"); /* what makes sense forgives it */
    until(&c, "b OK ");
    for (int i = 0; i < 20; i++) {
        say(&c, "a FETCH");
        expect(&c, "a BAD select a mailbox first");
    }
    expect(&c, "* BYE Too many invalid commands");
    expect_end(&c);
    hang_up(&c);
}

static void look_for_blocked(void *arg)
{
    bool *blocked = arg;

    for (struct session *s = test_gateway.ios[0]->sessions; s != NULL; s = s->links.next)
        *blocked |= s->waits && s->conn != NULL && conn_out_room(s->conn) == 0;
}

/* A command waits for its client to read. */
static bool is_blocked(void)
{
    bool blocked = false;

    loop_call(test_gateway.ios[0]->loop, look_for_blocked, &blocked);
    return blocked;
}

/* More than the connection takes at once: the command goes on when it has drained. */
static void a_slow_reader_gets_everything(void **state)
{
    struct client c = log_in("bob000001");
    int small = 64 * 1024;
    size_t bytes = 0;
    str_t line;

    (void)state;
    for (int i = 0; i < LARGE_COUNT; i++) {
        begin_append(&c, LARGE_BYTES);
        say(&c, "%s", "");
        until(&c, "large OK ");
    }
    assert_int_equal(
        setsockopt(stream_fd(c.stream), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    say(&c, "a SELECT INBOX");
    until(&c, "a OK ");
    say_bytes(&c, S("b " EVERYTHING "\r\nc CAPABILITY\r\n"));
    wait_for(is_blocked, true);
    do {
        line = next_line(&c);
        assert_false(c.closed);
        bytes += line.n;
    } while (!str_starts(line, S("b OK ")));
    assert_true(bytes > (size_t)LARGE_ITEMS * LARGE_COUNT * (LARGE_BYTES - 10));
    until(&c, "c OK ");
    /* And one who goes amidst it leaves nothing behind. */
    say(&c, "d " EVERYTHING);
    wait_for(is_blocked, true);
    hang_up(&c);
    wait_for(is_alone, true);
}

static void an_account_has_a_part_of_the_memory(void **state)
{
    struct client stalled[2], c;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stalled); i++) {
        stalled[i] = log_in("carol0001");
        begin_append(&stalled[i], TEST_MESSAGE_BYTES - 1);
    }
    wait_for(has_stalled_messages, true);
    c = log_in("carol0001");
    begin_append(&c, TEST_MESSAGE_BYTES);
    say(&c, "%s", "");
    expect(&c, "large NO [UNAVAILABLE] ");
    append(&c, "INBOX"); /* a small one has its place */
    hang_up(&c);
    for (size_t i = 0; i < ARRAY_LEN(stalled); i++) {
        say(&stalled[i], "%s", "");
        until(&stalled[i], "large OK ");
        hang_up(&stalled[i]);
    }
}

static void the_database_goes_away_and_comes_back(void **state)
{
    struct client c = with_inbox("alice0001");

    (void)state;
    count(&stmt_terminate);
    say(&c, "a SELECT INBOX");
    until(&c, "a OK ");
    count(&stmt_terminate);
    say(&c, "b UID STORE 1 +FLAGS (\\Seen)");
    expect(&c, "* 1 FETCH (UID 1 FLAGS (\\Seen))");
    expect(&c, "b OK ");
    hang_up(&c);
}

/* Who idles or says nothing hears it at once, who has a command running behind it. */
static void a_drain_says_goodbye(void **state)
{
    struct client idler = with_inbox("alice0001"), busy = with_inbox("alice0001");
    struct client sender = log_in("alice0001");
    struct db *db = hold("alice0001");

    (void)state;
    idle(&idler);
    begin_append(&sender, 1000);
    say(&busy, "a STORE 1 +FLAGS (\\Answered)");
    wait_for(is_waiting, true);
    io_post_drain(test_gateway.ios[0]);
    expect(&idler, "* BYE Server is going away");
    expect_end(&idler);
    expect(&sender, "* BYE Server is going away");
    expect_end(&sender);
    let_go(db);
    until(&busy, "a OK ");
    expect(&busy, "* BYE Server is going away");
    expect_end(&busy);
    hang_up(&idler);
    hang_up(&sender);
    hang_up(&busy);
}

/* The last test: a drain of the pools cannot be taken back. */
static void pools_that_are_drained_still_answer(void **state)
{
    struct client c = with_inbox("alice0001"), newcomer = dial(1);

    (void)state;
    assert_int_equal(
        worker_pool_drain(test_gateway.commands, deadline_in_ms(TEST_WAIT_MS)), RC_OK);
    assert_int_equal(worker_pool_drain(test_gateway.logins, deadline_in_ms(TEST_WAIT_MS)),
                     RC_OK);
    say(&c, "a NOOP");
    expect(&c, "a NO [UNAVAILABLE] ");
    say(&newcomer, "b LOGIN alice0001@" TEST_DOMAIN " \"" TEST_PASSWORD "\"");
    expect(&newcomer, "b NO [UNAVAILABLE] ");
    atomic_store(&test_gateway.draining, true);
    hang_up(&c);
    hang_up(&newcomer);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_sends_no_more_is_answered),
        cmocka_unit_test(also_when_the_answer_is_held_back),
        cmocka_unit_test(a_client_that_goes_while_its_command_runs),
        cmocka_unit_test(what_is_sent_meanwhile_is_answered_in_order),
        cmocka_unit_test(nonsense_ends_after_a_while),
        cmocka_unit_test(a_slow_reader_gets_everything),
        cmocka_unit_test(an_account_has_a_part_of_the_memory),
        cmocka_unit_test(the_database_goes_away_and_comes_back),
        cmocka_unit_test(a_drain_says_goodbye),
        cmocka_unit_test(pools_that_are_drained_still_answer),
    };

    (void)argc;
    test_database_enter(argv);
    test_name = test_database_new();
    return cmocka_run_group_tests(tests, test_start, test_stop);
}
