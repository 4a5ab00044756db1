/* svc_end_test.c - how a service ends: not later than it may, and without a hint to what
 * is gone. */
#include "svc/svc_test.h"

#include "base/metric.h"
#include "bus/bus.h"

static struct bus *talker; /* the test's: always says something while it waits */
static atomic_bool is_told, is_stopping;

static void talk(void)
{
    struct msg m = { .kind = MSG_config_changed };

    if (talker != NULL)
        bus_publish(talker, &m);
}

/* How many hints have reached this process. */
static long hints_received(void)
{
    static const char name[] = "\npostbus_bus_received_total ";
    struct buf text;
    const char *at;
    long n;

    buf_init(&text, 1024 * 1024);
    metric_render(&text);
    buf_putc(&text, '\0');
    at = strstr(text.p, name);
    n = at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
    buf_fini(&text);
    return n;
}

static bool fake_never_drained(struct svc *svc)
{
    (void)svc;
    return false;
}

static void fake_on_message(struct svc *svc, const struct msg *m)
{
    (void)svc;
    assert_int_equal(m->kind, MSG_config_changed);
    if (atomic_load(&is_stopping))
        note('!');
    else if (!atomic_exchange(&is_told, true))
        note('m');
}

/* Some time passes in stop: hints go on to arrive meanwhile. */
static void stop_slowly(void)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    long before;

    atomic_store(&is_stopping, true);
    before = hints_received();
    while (hints_received() < before + 10 && !deadline_passed(until))
        poll(NULL, 0, 1);
    note(hints_received() < before + 10 ? '?' : '+');
}

static void test_drain_is_cut(void **state)
{
    char text[TEXT_BYTES];
    struct deadline until;
    pid_t pid;

    (void)state;
    setenv("POSTBUS_DATABASE_HOST", test_host(), 1);
    setenv("POSTBUS_DRAIN_SECONDS", "1", 1);
    fake.is_drained = fake_never_drained;
    pid = spawn(NULL);
    wait_answer("/readyz", 200, "true");
    until = deadline_in_ms(900);
    kill(pid, SIGTERM);
    wait_answer("/readyz", 503, "the service is stopping");
    assert_int_equal(wait_exit(pid), 0);
    assert_true(deadline_passed(until));
    read_notes(text);
    assert_string_equal(strstr(text, "dx"), "dx");
}

static void start_talking(int port)
{
    struct bus_options o = { .address = "127.0.0.1",
                             .event_port = port,
                             .secret = secret_text };
    char error[BUS_ERROR_BYTES] = "";

    if (bus_start(&o, &talker, error) != RC_OK)
        fail_msg("%s", error);
}

/* Who stops frees what its hooks for hints use. */
static void test_no_hint_while_it_stops(void **state)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    char text[TEXT_BYTES], peers[64];
    int port = free_port();
    pid_t pid;

    (void)state;
    setenv("POSTBUS_DATABASE_HOST", test_host(), 1);
    snprintf(peers, sizeof(peers), "static:127.0.0.1:%d", port);
    setenv("POSTBUS_REGISTRAR_EVENT_PEERS", peers, 1);
    fake.on_message = fake_on_message;
    while_stopping = stop_slowly;
    while_waiting = talk;
    pid = spawn(NULL);
    fake.on_message = NULL;
    while_stopping = NULL;
    start_talking(port);
    do {
        assert_false(deadline_passed(until));
        talk();
        poll(&(struct pollfd){ .fd = notes[0], .events = POLLIN }, 1, 1);
        *text = '\0';
    } while (read(notes[0], text, 1) != 1 || *text != 'm');
    kill(pid, SIGTERM);
    assert_int_equal(wait_exit(pid), 0);
    while_waiting = NULL;
    bus_stop(&talker);
    read_notes(text);
    assert_string_equal(strchr(text, 'd'), "d+x");
}

static int make_all(void **state)
{
    char name[64];

    snprintf(name, sizeof(name), "svc_end_test_%ld", (long)getpid());
    make_secret(state);
    make_database(name);
    migrate(name);
    setenv("POSTBUS_DATABASE_NAME", name, 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_drain_is_cut, set_up),
        cmocka_unit_test_setup(test_no_hint_while_it_stops, set_up),
    };

    return cmocka_run_group_tests(tests, make_all, remove_secret);
}
