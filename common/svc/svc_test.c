/* A small service in a process of its own: what it says to its operator while things are
 * missing, and the order of its hooks from start to exit.
 *
 * Run it beside a throw-away server: tools/pg-throwaway build/.../svc_test.
 */
#include "svc/svc.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/metric.h"
#include "bus/bus.h"
#include "net/loop.h"
#include "net/stream.h"
#include "store/db.h"
#include "store/migrate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { WAIT_MS = 30000, TEXT_BYTES = 8192, DRAIN_ASKS = 3 };

static const char secret_text[] = "0123456789abcdef0123456789abcdef";
static char secret_path[] = "/tmp/postbus-svc-XXXXXX";
static int admin_port;
static int notes[2]; /* pipe: each hook writes its letter */
static int drain_asked;
static bool is_ready_now = true, is_stuck;
static struct svc_pulse stuck = { .name = "a thread that hangs" };

/* What the test tells the service while it runs. */
static struct shared {
    _Atomic int64_t ahead_ms; /* its clock, before the real one */
    atomic_bool hangs;        /* a function on one of its loops */
} * shared;

/* One loop that hangs when told to, and one that never does. */
static struct loop *loops[2];

/* The clock of this program; common/base/clock.c stays in its archive. */
static int64_t now_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 +
           (shared == NULL ? 0 : atomic_load(&shared->ahead_ms) * 1000);
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

/* -- a talkative bus -- */

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

static void note(char letter)
{
    assert_int_equal(write(notes[1], &letter, 1), 1);
}

static void hang(struct loop_post *post)
{
    (void)post;
    note('h');
    while (atomic_load(&shared->hangs))
        poll(NULL, 0, 5);
}

static void start_loops(struct svc *svc)
{
    static struct loop_post post = { .run = hang };

    for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
        loops[i] = loop_new("test");
        loop_start(loops[i]);
        svc_watch_loop(svc, loops[i]);
    }
    if (atomic_load(&shared->hangs))
        loop_post(loops[0], &post);
}

static enum rc fake_start(struct svc *svc)
{
    if (!svc_database_ok(svc) || svc->bus == NULL || svc_is_draining(svc))
        return RC_INVALID;
    if (is_stuck) {
        svc_watch_pulse(svc, &stuck);
        atomic_store(&stuck.beat_ms, clock_monotonic_ms() - 11000);
    }
    start_loops(svc);
    note('s');
    return RC_OK;
}

static void fake_tick(struct svc *svc)
{
    (void)svc;
    note('t');
}

static void fake_drain(struct svc *svc)
{
    note(svc_is_draining(svc) ? 'd' : '!');
}

static bool fake_is_drained(struct svc *svc)
{
    (void)svc;
    return ++drain_asked > DRAIN_ASKS;
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

static void fake_stop(struct svc *svc)
{
    if (svc->service->on_message != NULL)
        stop_slowly();
    for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
        loop_stop(loops[i]);
        loop_free(&loops[i]);
    }
    note('x');
}

static bool fake_is_ready(struct svc *svc, char *reason, size_t room)
{
    (void)svc;
    snprintf(reason, room, "the \"fake\" wants it so");
    return is_ready_now;
}

static struct svc_service fake = {
    .name = "janitor",
    .option_user = OPTIONS_JANITOR,
    .flags = SVC_BINDS_EVENTS,
    .start = fake_start,
    .tick = fake_tick,
    .drain = fake_drain,
    .is_drained = fake_is_drained,
    .stop = fake_stop,
    .is_ready = fake_is_ready,
};

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void set_number(const char *name, int v)
{
    char text[20];

    snprintf(text, sizeof(text), "%d", v);
    setenv(name, text, 1);
}

static const char *test_host(void)
{
    const char *host = getenv("POSTBUS_TEST_DB");

    if (host == NULL) {
        print_error("POSTBUS_TEST_DB is not set: run this under tools/pg-throwaway\n");
        exit(2);
    }
    return host;
}

static pid_t spawn(const char *flag)
{
    char *argv[] = { "janitor", (char *)flag, NULL };
    pid_t pid;

    drain_asked = 0;
    assert_int_equal(pipe2(notes, O_NONBLOCK | O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(svc_main(flag == NULL ? 1 : 2, argv, &fake));
    return pid;
}

static int wait_exit(pid_t pid)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    int status = 0;
    pid_t got;

    for (; (got = waitpid(pid, &status, WNOHANG)) == 0 && !deadline_passed(until); talk())
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    if (got != pid) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        fail_msg("does not end");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Closes the pipe and returns what the hooks wrote. */
static void read_notes(char out[TEXT_BYTES])
{
    ssize_t n = read(notes[0], out, TEXT_BYTES - 1);

    out[n < 0 ? 0 : n] = '\0';
    close(notes[0]);
    close(notes[1]);
}

/* Status and body; 0 while nobody answers. */
static int get(const char *path, char body[TEXT_BYTES])
{
    struct deadline until = deadline_in_ms(5000);
    struct stream *s = NULL;
    struct addr to;
    char request[100];
    int status = 0;
    size_t n = 0, got;

    body[0] = '\0';
    assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
    to.port = (uint16_t)admin_port;
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    if (stream_connect(&to, until, &s) != RC_OK)
        return 0;
    if (stream_write(s, str_of(request), until) == RC_OK) {
        while (n < TEXT_BYTES - 1 &&
               stream_read_some(s, body + n, TEXT_BYTES - 1 - n, until, &got) == RC_OK)
            n += got;
    }
    body[n] = '\0';
    if (n > 12)
        status = (int)strtol(body + 9, NULL, 10);
    stream_close(&s);
    return status;
}

static void wait_answer(const char *path, int status, const char *text)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    char body[TEXT_BYTES];

    for (;;) {
        int got = get(path, body);

        if (got == status && strstr(body, text) != NULL)
            return;
        if (deadline_passed(until))
            fail_msg("%s: wanted %d with %s, got %s", path, status, text, body);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
}

static int set_up(void **state)
{
    (void)state;
    admin_port = free_port();
    set_number("POSTBUS_ADMIN_PORT", admin_port);
    setenv("POSTBUS_ADMIN_ADDRESS", "127.0.0.1", 1);
    setenv("POSTBUS_BUS_ADDRESS", "127.0.0.1", 1);
    set_number("POSTBUS_BUS_EVENT_PORT", free_port());
    setenv("POSTBUS_MAIL_DOMAIN", "chat.example", 1);
    setenv("POSTBUS_CLUSTER_SECRET_FILE", secret_path, 1);
    setenv("POSTBUS_REGISTRAR_EVENT_PEERS", "static:127.0.0.1:1", 1);
    setenv("POSTBUS_DATABASE_HOST", "/nonexistent", 1);
    setenv("POSTBUS_DATABASE_USER", "postgres", 1);
    setenv("POSTBUS_DRAIN_SECONDS", "25", 1);
    fake.is_drained = fake_is_drained;
    is_ready_now = true;
    atomic_store(&shared->ahead_ms, 0);
    atomic_store(&shared->hangs, false);
    return 0;
}

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

static struct db *open_as_owner(const char *name)
{
    const struct db_options o = {
        .host = test_host(), .name = name, .user = "postgres", .application = "test"
    };

    return db_new(&o);
}

static void make_database(const char *name)
{
    struct db *db = open_as_owner("postgres");
    char sql[100];

    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    assert_int_equal(db_script(db, sql), RC_OK);
    db_free(&db);
}

static void migrate(const char *name)
{
    struct db *db = open_as_owner(name);
    const struct migrate_options o = { 0 };
    struct buf report;

    buf_init(&report, 65536);
    if (migrate_run(db, &o, &report) != RC_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&report)));
    buf_fini(&report);
    db_free(&db);
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
    pid = spawn(NULL);
    fake.on_message = NULL;
    start_talking(port);
    do {
        assert_false(deadline_passed(until));
        talk();
        poll(&(struct pollfd){ .fd = notes[0], .events = POLLIN }, 1, 1);
        *text = '\0';
    } while (read(notes[0], text, 1) != 1 || *text != 'm');
    kill(pid, SIGTERM);
    assert_int_equal(wait_exit(pid), 0);
    bus_stop(&talker);
    read_notes(text);
    assert_string_equal(strchr(text, 'd'), "d+x");
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

static int make_secret(void **state)
{
    int fd = mkstemp(secret_path);

    (void)state;
    test_host();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    assert_int_equal(write(fd, secret_text, strlen(secret_text)), strlen(secret_text));
    close(fd);
    return 0;
}

static int remove_secret(void **state)
{
    (void)state;
    unlink(secret_path);
    return 0;
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
        cmocka_unit_test_setup(test_drain_is_cut, set_up),
        cmocka_unit_test_setup(test_no_hint_while_it_stops, set_up),
    };

    return cmocka_run_group_tests(tests, make_secret, remove_secret);
}
