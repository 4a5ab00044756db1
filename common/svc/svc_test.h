/* svc_test.h - a small service in a process of its own, for the tests of what all
 * services do alike: each of its hooks writes a letter into a pipe.
 *
 * Run the tests beside a throw-away server: tools/pg-throwaway build/.../svc_test.
 */
#pragma once

#include "svc/svc.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
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
static void (*while_stopping)(void); /* in the service's stop; NULL: nothing */
static void (*while_waiting)(void);  /* in the test, again and again until it has ended */
static struct svc_pulse stuck = { .name = "a thread that hangs" };

/* What the test tells the service while it runs. */
static struct shared {
    _Atomic int64_t ahead_ms; /* its clock, before the real one */
    atomic_bool hangs;        /* a function on one of its loops */
} * shared;

/* One loop that hangs when told to, and one that never does. */
static struct loop *loops[2];

/* The clock of this program; common/base/clock.c stays in its archive. */
static inline int64_t now_us(clockid_t id)
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

static inline void note(char letter)
{
    assert_int_equal(write(notes[1], &letter, 1), 1);
}

static inline void hang(struct loop_post *post)
{
    (void)post;
    note('h');
    while (atomic_load(&shared->hangs))
        poll(NULL, 0, 5);
}

static inline void start_loops(struct svc *svc)
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

static inline enum rc fake_start(struct svc *svc)
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

static inline void fake_tick(struct svc *svc)
{
    (void)svc;
    note('t');
}

static inline void fake_drain(struct svc *svc)
{
    note(svc_is_draining(svc) ? 'd' : '!');
}

static inline bool fake_is_drained(struct svc *svc)
{
    (void)svc;
    return ++drain_asked > DRAIN_ASKS;
}

static inline void fake_stop(struct svc *svc)
{
    (void)svc;
    if (while_stopping != NULL)
        while_stopping();
    for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
        loop_stop(loops[i]);
        loop_free(&loops[i]);
    }
    note('x');
}

static inline bool fake_is_ready(struct svc *svc, char *reason, size_t room)
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

static inline int free_port(void)
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

static inline void set_number(const char *name, int v)
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

static inline pid_t spawn(const char *flag)
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

static inline int wait_exit(pid_t pid)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    int status = 0;
    pid_t got;

    while ((got = waitpid(pid, &status, WNOHANG)) == 0 && !deadline_passed(until)) {
        if (while_waiting != NULL)
            while_waiting();
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    if (got != pid) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        fail_msg("does not end");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Closes the pipe and returns what the hooks wrote. */
static inline void read_notes(char out[TEXT_BYTES])
{
    ssize_t n = read(notes[0], out, TEXT_BYTES - 1);

    out[n < 0 ? 0 : n] = '\0';
    close(notes[0]);
    close(notes[1]);
}

/* Status and body; 0 while nobody answers. */
static inline int get(const char *path, char body[TEXT_BYTES])
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

static inline void wait_answer(const char *path, int status, const char *text)
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

static inline int set_up(void **state)
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

static inline struct db *open_as_owner(const char *name)
{
    const struct db_options o = {
        .host = test_host(), .name = name, .user = "postgres", .application = "test"
    };

    return db_new(&o);
}

static inline void make_database(const char *name)
{
    struct db *db = open_as_owner("postgres");
    char sql[100];

    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    assert_int_equal(db_script(db, sql), RC_OK);
    db_free(&db);
}

static inline void migrate(const char *name)
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

static inline int make_secret(void **state)
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

static inline int remove_secret(void **state)
{
    (void)state;
    unlink(secret_path);
    return 0;
}
