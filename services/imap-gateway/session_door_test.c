/* session_door_test.c - who stays and who goes when the port is full. */
#include "session_test.h"

#include "net/door.h"

enum { PLACES = 6 };

#define BUSY "* BYE [UNAVAILABLE] Too many connections"

DB_STATEMENT(stmt_waiting, "test_waiting",
             "SELECT count(*) FROM pg_locks WHERE NOT granted");

static bool is_empty(void)
{
    return door_count(test_door) == 0;
}

static bool waits_for_a_lock(void)
{
    return count(&stmt_waiting) > 0;
}

static void goes(struct client *c)
{
    expect(c, BUSY);
    expect_end(c);
    hang_up(c);
}

/* The newcomer is refused, before TLS. */
static void nobody_else_comes_in(void)
{
    struct client c = { .until = deadline_in_ms(TEST_WAIT_MS) };
    struct addr to;

    assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
    to.port = listener_port(test_gateway.ios[0]->listeners[1]);
    assert_int_equal(stream_connect(&to, c.until, &c.stream), RC_OK);
    assert_int_not_equal(stream_start_tls(c.stream, test_client_tls, "mail.example",
                                          TLS_VERIFY_NAME, c.until),
                         RC_OK);
    hang_up(&c);
}

/* However long it is silent, a client that waits for mail is not dropped for strangers;
 * these make room for each other, on both ports. */
static void who_is_logged_in_is_kept(void **state)
{
    enum { STRANGERS = PLACES - 2 };
    struct client idler, quiet, strangers[STRANGERS], more[STRANGERS];

    (void)state;
    wait_for(is_empty, true);
    idler = with_inbox("alice0001");
    quiet = log_in("bob000001");
    idle(&idler);
    for (int i = 0; i < STRANGERS; i++)
        strangers[i] = dial(1);
    for (int i = 0; i < STRANGERS; i++) {
        say(&strangers[i], "a CAPABILITY"); /* gets nobody on */
        until(&strangers[i], "a OK ");
    }
    for (int i = 0; i < STRANGERS; i++) {
        more[i] = dial(0);
        goes(&strangers[i]);
    }
    for (int i = 0; i < STRANGERS; i++)
        strangers[i] = dial(1);
    done(&idler);
    say(&quiet, "a NOOP");
    expect(&quiet, "a OK ");
    for (int i = 0; i < STRANGERS; i++) {
        goes(&more[i]);
        say(&strangers[i], "a LOGIN %s@" TEST_DOMAIN " \"" TEST_PASSWORD "\"",
            i < STRANGERS / 2 ? "alice0001" : "bob000001");
        expect(&strangers[i], "a OK ");
    }
    nobody_else_comes_in();
    hang_up(&idler);
    hang_up(&quiet);
    for (int i = 0; i < STRANGERS; i++)
        hang_up(&strangers[i]);
}

/* A login that a worker has is not silent: we are. */
static void who_waits_for_us_is_kept(void **state)
{
    struct client places[PLACES], next;

    (void)state;
    wait_for(is_empty, true);
    for (int i = 0; i < PLACES; i++)
        places[i] = dial(1);
    assert_int_equal(db_script(test_observer, "BEGIN; LOCK TABLE account"), RC_OK);
    say(&places[0], "a LOGIN alice0001@" TEST_DOMAIN " \"" TEST_PASSWORD "\"");
    wait_for(waits_for_a_lock, true);
    next = dial(1);
    goes(&places[1]);
    assert_int_equal(db_script(test_observer, "COMMIT"), RC_OK);
    expect(&places[0], "a OK ");
    hang_up(&next);
    hang_up(&places[0]);
    for (int i = 2; i < PLACES; i++)
        hang_up(&places[i]);
}

static int start(void **state)
{
    test_door = door_new(&(struct door_options){ .max = PLACES });
    return test_start(state);
}

static int stop(void **state)
{
    int rc = test_stop(state);

    door_free(&test_door);
    return rc;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_logged_in_is_kept),
        cmocka_unit_test(who_waits_for_us_is_kept),
    };

    (void)argc;
    test_database_enter(argv);
    test_name = test_database_new();
    return cmocka_run_group_tests(tests, start, stop);
}
