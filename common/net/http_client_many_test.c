/* http_client_many_test.c - what one request costs while many others wait: one socket is
 * looked at, a connection that is there is used again, a name is asked for once, and
 * nobody waits for that of another.
 */
#include "net/http_client_test.h"

#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

enum { FEW = 10, LOOKED_AT_MAX = 4 };

static _Atomic size_t looked_at_once, opened, asked_for;
static _Atomic bool was_waited_for;
static sem_t speaking, spoken; /* the resolver, of silent.example */

/* Of all sockets that a client's thread waits for, the most in one call. */
int poll(struct pollfd *fds, nfds_t n, int ms)
{
    int (*of_system)(struct pollfd *, nfds_t, int);
    char thread[16] = "";

    pthread_getname_np(pthread_self(), thread, sizeof(thread));
    if (strcmp(thread, "http-client") == 0 && n > looked_at_once)
        looked_at_once = n;
    *(void **)&of_system = dlsym(RTLD_NEXT, "poll");
    return of_system(fds, n, ms);
}

/* Only clients open sockets once the server is there. */
int socket(int family, int type, int protocol)
{
    int (*of_system)(int, int, int);

    opened++;
    *(void **)&of_system = dlsym(RTLD_NEXT, "socket");
    return of_system(family, type, protocol);
}

/* Until it may speak, or the test is as good as lost. */
static int say_nothing(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000 / 2;
    if (sem_timedwait(&speaking, &until) != 0)
        was_waited_for = true;
    sem_post(&spoken);
    return EAI_NONAME;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*of_system)(const char *, const char *, const struct addrinfo *,
                     struct addrinfo **);

    *(void **)&of_system = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strcmp(name, "silent.example") == 0)
        return say_nothing();
    if (name == NULL || strcmp(name, "named.example") != 0)
        return of_system(name, service, hints, out);
    asked_for++;
    return of_system("127.0.0.1", service, hints, out);
}

static void let_many_wait(struct fixture *f, const char *url)
{
    struct http_client_request r = { .url = url,
                                     .deadline_ms = WAIT_MS,
                                     .answer_max_bytes = ANSWER_MAX };

    for (int i = 0; i < MANY; i++)
        assert_int_equal(http_client_start(f->client, &r, note, f, NULL), RC_OK);
    wait_until(f, &f->held_count, MANY);
}

static void no_socket_is_looked_at_but_those_with_news(void **state)
{
    struct fixture *f = *state;

    open_client(f, HTTP_CLIENT_ANY, NULL, MANY + 1);
    looked_at_once = 0;
    let_many_wait(f, plain(f, "/hold"));
    for (int i = 0; i < FEW; i++)
        expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    release(f);
    wait_until(f, &f->done, MANY);
    assert_int_equal(f->fine, MANY);
    assert_in_range(looked_at_once, 0, LOOKED_AT_MAX);
}

static void connections_are_used_again_while_many_wait(void **state)
{
    struct fixture *f = *state;
    size_t before;

    open_client(f, HTTP_CLIENT_ANY, NULL, MANY + 1);
    before = opened;
    let_many_wait(f, plain(f, "/hold"));
    for (int i = 0; i < FEW; i++)
        expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    assert_int_equal(opened - before, MANY + 1);
    release(f);
    wait_until(f, &f->done, MANY);
    let_many_wait(f, plain(f, "/hold"));
    assert_int_equal(opened - before, MANY + 1);
}

/* One that is kept for one host makes room for another's. */
static void no_more_connections_than_requests(void **state)
{
    struct fixture *f = *state;
    size_t before;

    serve_https(f);
    open_client(f, HTTP_CLIENT_ANY, f->cert, 1);
    before = opened;
    for (int i = 0; i < FEW; i++) {
        expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
        expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
        expect_body(ASK(f, .url = secure(f, "/a")), "GET /a [] [] ");
    }
    assert_int_equal(opened - before, FEW * 2);
}

static void a_name_is_asked_for_once(void **state)
{
    struct fixture *f = *state;
    unsigned port = http_server_port(f->server);
    const char *named = arena_printf(f->arena, "http://named.example:%u", port);

    open_client(f, HTTP_CLIENT_ANY, NULL, MANY + 1);
    asked_for = 0;
    expect_body(ASK(f, .url = arena_printf(f->arena, "%s/a", named)), "GET /a [] [] ");
    let_many_wait(f, arena_printf(f->arena, "%s/hold", named));
    assert_int_equal(asked_for, 1);
}

static void nobody_waits_for_a_name_of_others(void **state)
{
    struct fixture *f = *state;
    struct http_client_request r = { .url = "http://silent.example/",
                                     .deadline_ms = SOON_MS,
                                     .answer_max_bytes = ANSWER_MAX };

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    sem_init(&speaking, 0, 0);
    sem_init(&spoken, 0, 0);
    assert_int_equal(http_client_start(f->client, &r, note, f, NULL), RC_OK);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    wait_until(f, &f->done, 1);
    assert_int_equal(f->fault, HTTP_CLIENT_LATE);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    http_client_free(&f->client);
    assert_false(was_waited_for);
    sem_post(&speaking);
    while (sem_wait(&spoken) != 0)
        continue;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_socket_is_looked_at_but_those_with_news),
        TEST(connections_are_used_again_while_many_wait),
        TEST(no_more_connections_than_requests),
        TEST(a_name_is_asked_for_once),
        TEST(nobody_waits_for_a_name_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
