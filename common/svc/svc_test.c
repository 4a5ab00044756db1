/* svc_test.c - how a service starts: what it says to its operator while things are
 * missing, and the order of its hooks from start to exit. */
#include "svc/svc_test.h"

static void test_without_a_database(void **state)
{
    char text[TEXT_BYTES];
    pid_t pid = spawn(NULL);

    (void)state;
    wait_answer("/livez", 200, "ok");
    wait_answer(
        "/readyz", 503,
        "{\"what\":\"database\",\"reason\":\"/nonexistent port 5432: No such file or "
        "directory (database_host, database_port)\",\"required\":true}");
    wait_answer("/readyz", 503, "\"what\":\"registrar_event_peers\"");
    wait_answer("/metrics", 200, "application/openmetrics-text; version=1.0.0");
    wait_answer("/metrics", 200, "\npostbus_ready 0\n");
    wait_answer("/metrics", 200, "\n# EOF\n");
    wait_answer("/other", 404, "/readyz");
    kill(pid, SIGTERM);
    assert_int_equal(wait_exit(pid), 0);
    read_notes(text);
    assert_string_equal(text, "");
}

/* Things appear one after the other, and nobody starts it again. */
static void test_from_nothing_to_ready_to_exit(void **state)
{
    char text[TEXT_BYTES], name[64];
    pid_t pid;

    (void)state;
    snprintf(name, sizeof(name), "svc_test_%ld", (long)getpid());
    setenv("POSTBUS_DATABASE_HOST", test_host(), 1);
    setenv("POSTBUS_DATABASE_NAME", name, 1);
    pid = spawn(NULL);
    wait_answer("/readyz", 503, "does not exist (database_name)");
    make_database(name);
    wait_answer("/readyz", 503, "run postbusctl migrate");
    migrate(name);
    wait_answer("/readyz", 200, "\"ready\":true");
    wait_answer("/readyz", 200, "\"required\":false"); /* the peer is still missing */
    wait_answer("/metrics", 200, "\npostbus_ready 1\n");
    kill(pid, SIGTERM);
    assert_int_equal(wait_exit(pid), 0);
    read_notes(text);
    assert_int_equal(text[0], 's');
    assert_non_null(strstr(text, "dx"));
    assert_string_equal(strstr(text, "dx"), "dx");
    assert_int_equal(strspn(text + 1, "t"), strlen(text) - 3);
}

static void test_service_says_not_ready(void **state)
{
    char text[TEXT_BYTES];
    pid_t pid;

    (void)state;
    setenv("POSTBUS_DATABASE_HOST", test_host(), 1); /* the database of the test before */
    is_ready_now = false;
    is_stuck = true;
    pid = spawn(NULL);
    is_stuck = false;
    wait_answer("/readyz", 503, "the \\u0022fake\\u0022 wants it so");
    wait_answer("/livez", 503, "a thread that hangs has not moved for 11");
    kill(pid, SIGINT);
    assert_int_equal(wait_exit(pid), 0);
    read_notes(text);
    assert_int_equal(text[0], 's');
}

static int count_of(const char *text, const char *word)
{
    int n = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* Both loops are old when the clock has jumped; the one that moves is young again soon.
 */
static void test_a_loop_that_hangs(void **state)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    char body[TEXT_BYTES];
    pid_t pid;

    (void)state;
    setenv("POSTBUS_DATABASE_HOST", test_host(), 1);
    atomic_store(&shared->hangs, true);
    pid = spawn(NULL);
    wait_answer("/readyz", 200, "true");
    wait_answer("/livez", 200, "ok");
    while (read(notes[0], body, 1) != 1 || body[0] != 'h')
        poll(&(struct pollfd){ .fd = notes[0], .events = POLLIN }, 1, 5);
    atomic_store(&shared->ahead_ms, 60000);
    until.at_ms += 60000;
    do {
        poll(NULL, 0, 10);
        assert_int_equal(get("/livez", body), 503);
        assert_false(deadline_passed(until));
    } while (count_of(body, "a loop has not moved for ") != 1);
    assert_non_null(strstr(body, "a loop has not moved for 6"));
    atomic_store(&shared->hangs, false);
    wait_answer("/livez", 200, "ok");
    kill(pid, SIGTERM);
    assert_int_equal(wait_exit(pid), 0);
    read_notes(body);
    assert_string_equal(strstr(body, "dx"), "dx");
}

static void test_what_cannot_start(void **state)
{
    (void)state;
    unsetenv("POSTBUS_MAIL_DOMAIN");
    assert_int_equal(wait_exit(spawn(NULL)), 2);
    set_up(NULL);
    assert_int_equal(wait_exit(spawn("--nonsense")), 2);
    setenv("POSTBUS_BUS_ADDRESS", "192.0.2.1", 1);
    assert_int_equal(wait_exit(spawn(NULL)), 1);
    set_up(NULL);
    setenv("POSTBUS_ADMIN_ADDRESS", "192.0.2.1", 1);
    assert_int_equal(wait_exit(spawn(NULL)), 1);
}

static void test_flags(void **state)
{
    (void)state;
    assert_int_equal(wait_exit(spawn("--help")), 0);
    assert_int_equal(wait_exit(spawn("--version")), 0);
    assert_int_equal(wait_exit(spawn("--check-config")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_flags, set_up),
        cmocka_unit_test_setup(test_what_cannot_start, set_up),
        cmocka_unit_test_setup(test_without_a_database, set_up),
        cmocka_unit_test_setup(test_from_nothing_to_ready_to_exit, set_up),
        cmocka_unit_test_setup(test_service_says_not_ready, set_up),
        cmocka_unit_test_setup(test_a_loop_that_hangs, set_up),
    };

    return cmocka_run_group_tests(tests, make_secret, remove_secret);
}
