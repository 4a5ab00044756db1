/* store_test_proxy.h - stands between a db and PostgreSQL and fails where it is told to.
 *
 * One thread, one client at a time, on a socket beside the server's.  A fault is for one
 * exchange only, the next or a later one; afterwards the proxy forwards again.
 */
#pragma once

#include "store/store_test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

enum test_fault {
    TEST_FAULT_NONE,
    TEST_FAULT_BEFORE, /* the client's bytes vanish with the connection */
    TEST_FAULT_AFTER,  /* the server did it, the client never hears */
    TEST_FAULT_SILENT, /* nobody says anything any more */
    TEST_FAULT_SLOW,   /* nothing but on_fault, before the client's bytes go on */
    TEST_FAULT_UNDONE, /* the server says that it rolled back, to a COMMIT */
};

enum { TEST_PROXY_PORT = 5433, TEST_SERVER_PORT = 5432 };

static struct {
    pthread_t thread;
    int listener;
    char path[108];
    atomic_int fault;
    atomic_int good; /* exchanges before it */
    atomic_bool stop;
    void (*on_fault)(void); /* in the proxy's thread, before the connection dies */
} test_proxy;

static TEST_UNUSED int test_socket(int port, bool listening)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.%d", test_host(), port);
    if (!listening)
        return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
    unlink(a.sun_path);
    snprintf(test_proxy.path, sizeof(test_proxy.path), "%s", a.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

/* As PostgreSQL answers a COMMIT in a transaction that has failed. */
static TEST_UNUSED ssize_t test_undo(char *bytes, ssize_t n)
{
    static const char commit[] = "C\0\0\0\vCOMMIT", rollback[] = "C\0\0\0\rROLLBACK";
    char *at = memmem(bytes, (size_t)n, commit, sizeof(commit));

    if (at == NULL)
        return n;
    memmove(at + sizeof(rollback), at + sizeof(commit),
            (size_t)(bytes + n - at) - sizeof(commit));
    memcpy(at, rollback, sizeof(rollback));
    return n + (ssize_t)(sizeof(rollback) - sizeof(commit));
}

static TEST_UNUSED bool test_forward(int from, int to, char *last, size_t n_last)
{
    char bytes[65536];
    ssize_t n = recv(from, bytes, sizeof(bytes) - 64, 0);

    if (n <= 0)
        return false;
    if (last != NULL && atomic_load(&test_proxy.fault) == TEST_FAULT_UNDONE)
        n = test_undo(bytes, n);
    if (last != NULL && (size_t)n >= n_last)
        memcpy(last, bytes + n - n_last, n_last);
    return to < 0 || send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static TEST_UNUSED void test_fire(void)
{
    atomic_store(&test_proxy.fault, TEST_FAULT_NONE);
    if (test_proxy.on_fault != NULL)
        test_proxy.on_fault();
}

/* Until one side ends or a fault does.  ReadyForQuery ends every exchange. */
static TEST_UNUSED void test_exchange(int client, int server)
{
    struct pollfd p[2] = { { .fd = client, .events = POLLIN },
                           { .fd = server, .events = POLLIN } };
    bool ready = true; /* the server has nothing to answer */

    while (!atomic_load(&test_proxy.stop)) {
        int fault, good;

        if (poll(p, 2, 20) <= 0)
            continue;
        /* Before anything is forwarded, after which the next fault may be armed. */
        good = atomic_load(&test_proxy.good);
        fault = good > 0 ? TEST_FAULT_NONE : atomic_load(&test_proxy.fault);
        if (p[0].revents != 0) {
            if (fault == TEST_FAULT_BEFORE && ready) {
                test_fire();
                return;
            }
            if (fault == TEST_FAULT_SLOW && ready)
                test_fire();
            ready = false;
            if (!test_forward(client, fault == TEST_FAULT_SILENT ? -1 : server, NULL, 0))
                return;
        }
        if (p[1].revents != 0) {
            char last[6] = { 0 };

            if (!test_forward(server, fault == TEST_FAULT_AFTER ? -1 : client, last, 6))
                return;
            ready = last[0] == 'Z' && last[4] == 5;
            if (ready && good > 0)
                atomic_fetch_sub(&test_proxy.good, 1);
            if (fault == TEST_FAULT_AFTER && ready) {
                test_fire();
                return;
            }
        }
    }
}

static TEST_UNUSED void *test_proxy_main(void *unused)
{
    struct pollfd p = { .fd = test_proxy.listener, .events = POLLIN };

    (void)unused;
    while (!atomic_load(&test_proxy.stop)) {
        int client, server;

        if (poll(&p, 1, 20) <= 0)
            continue;
        client = accept(test_proxy.listener, NULL, NULL);
        server = test_socket(TEST_SERVER_PORT, false);
        test_exchange(client, server);
        close(client);
        close(server);
    }
    return NULL;
}

static TEST_UNUSED void test_proxy_start(void)
{
    atomic_store(&test_proxy.stop, false);
    test_proxy.listener = test_socket(TEST_PROXY_PORT, true);
    assert_int_equal(pthread_create(&test_proxy.thread, NULL, test_proxy_main, NULL), 0);
}

static TEST_UNUSED void test_proxy_stop(void)
{
    atomic_store(&test_proxy.stop, true);
    pthread_join(test_proxy.thread, NULL);
    close(test_proxy.listener);
    unlink(test_proxy.path);
}

static TEST_UNUSED void test_proxy_arm(enum test_fault fault, void (*on_fault)(void))
{
    test_proxy.on_fault = on_fault;
    atomic_store(&test_proxy.fault, fault);
}

/* The same for the exchange that comes after so many good ones. */
static TEST_UNUSED void test_proxy_arm_later(enum test_fault fault, int good)
{
    atomic_store(&test_proxy.good, good);
    test_proxy_arm(fault, NULL);
}

static TEST_UNUSED struct db *test_proxy_connect(int deadline_ms)
{
    const struct db_options o = { .host = test_host(),
                                  .port = TEST_PROXY_PORT,
                                  .name = test_name,
                                  .user = "postgres",
                                  .deadline_ms = deadline_ms };
    struct db *db = db_new(&o);

    assert_int_equal(db_connect(db, deadline_in_ms(5000)), RC_OK);
    return db;
}
