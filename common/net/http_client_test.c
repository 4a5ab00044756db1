/* http_client_test.c - against servers of our own: what is asked for comes, and nothing
 * that is too much, too late, from elsewhere or from somebody whom nobody vouches for.
 */
#include "net/http_client.h"

#include "base/arena.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_server.h"
#include "net/https_bridge.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/test_certificate.h"
#include "net/tls.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { WAIT_MS = 30 * 1000, ANSWER_MAX = 100 * 1000, SOON_MS = 300, MANY = 200 };

struct fixture {
    struct arena *arena;
    struct http_server *server;
    struct http_client *client;
    struct loop *loop;
    struct listener *listener;
    struct tls_context *tls;
    struct listener_options listening;
    char folder[32], cert[64], key[64], other[64];
    /* Under lock: what the server is asked and holds, and what came of it. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_exchange *held[MANY + 1];
    size_t held_count, done, fine;
    enum http_client_fault fault;
};

static struct fixture *current;

static void hold(struct http_exchange *x)
{
    pthread_mutex_lock(&current->lock);
    CHECK(current->held_count < ARRAY_LEN(current->held));
    current->held[current->held_count++] = x;
    pthread_cond_broadcast(&current->changed);
    pthread_mutex_unlock(&current->lock);
}

static void release(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->held_count > 0) {
        struct http_exchange *x = f->held[--f->held_count];

        http_server_reply(x, 200, "text/plain", S("late"));
        http_server_finish(x);
    }
    pthread_mutex_unlock(&f->lock);
}

static void redirect(struct http_exchange *x, const char *to)
{
    http_server_reply(x, 302, NULL, S(""));
    http_server_add_header(x, "Location", to);
}

/* "METHOD path type token body" for whatever has no meaning of its own. */
static void describe(struct http_exchange *x)
{
    char *text = arena_printf(
        x->arena, "%.*s %.*s [%.*s] [%.*s] %.*s", STR_ARG(x->request.method),
        STR_ARG(x->request.path), STR_ARG(http_server_header(x, "Content-Type")),
        STR_ARG(http_server_header(x, "Authorization")), STR_ARG(x->request.body));

    http_server_reply(x, 200, "text/plain", str_of(text));
    http_server_add_header(x, "X-Said", "so");
}

static void handler(struct http_exchange *x)
{
    str_t path = x->request.path;

    if (str_eq(path, S("/hold"))) {
        hold(x);
        return;
    }
    if (str_eq(path, S("/huge")))
        http_server_reply(x, 200, "text/plain",
                          str_n(arena_alloc(x->arena, ANSWER_MAX + 1), ANSWER_MAX + 1));
    else if (str_eq(path, S("/full")))
        http_server_reply(x, 200, "text/plain",
                          str_n(arena_alloc(x->arena, ANSWER_MAX), ANSWER_MAX));
    else if (str_eq(path, S("/here")))
        redirect(x, "/there");
    else if (str_eq(path, S("/again")))
        redirect(x, "/again");
    else if (str_eq(path, S("/clear")))
        redirect(x, arena_printf(x->arena, "http://127.0.0.1:%u/there",
                                 (unsigned)http_server_port(current->server)));
    else if (str_eq(path, S("/file")))
        redirect(x, "file:///etc/hostname");
    else
        describe(x);
    http_server_finish(x);
}

static void serve_https(struct fixture *f)
{
    struct tls_server_options tls = { .cert_file = f->cert,
                                      .key_file = f->key,
                                      .min_version = TLS_VERSION_1_2,
                                      .alpn = "http/1.1" };

    test_certificate_write(f->cert, f->key, "host.example");
    assert_int_equal(tls_server_new(&tls, NULL, &f->tls), RC_OK);
    f->loop = loop_new("https");
    loop_start(f->loop);
    f->listening = (struct listener_options){ .address = "127.0.0.1",
                                              .tls = f->tls,
                                              .handler = https_bridge_handler(),
                                              .user = f->server };
    assert_int_equal(listener_new(f->loop, &f->listening, &f->listener), RC_OK);
}

static int setup(void **state)
{
    static const uint16_t any_port = 0;
    struct http_server_options server = { .address = "127.0.0.1",
                                          .port = &any_port,
                                          .body_max_bytes = 1000,
                                          .handler = handler };
    struct fixture *f = mem_alloc(sizeof(*f));

    current = f;
    f->arena = arena_new();
    pthread_mutex_init(&f->lock, NULL);
    cond_init(&f->changed);
    assert_int_equal(http_server_new(&server, &f->server), RC_OK);
    snprintf(f->folder, sizeof(f->folder), "/tmp/http-client-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->cert, sizeof(f->cert), "%s/a.crt", f->folder);
    snprintf(f->key, sizeof(f->key), "%s/a.key", f->folder);
    snprintf(f->other, sizeof(f->other), "%s/b.crt", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    release(f);
    http_client_free(&f->client);
    listener_free(&f->listener);
    http_server_free(&f->server);
    if (f->loop != NULL)
        loop_stop(f->loop);
    loop_free(&f->loop);
    tls_context_free(&f->tls);
    unlink(f->cert);
    unlink(f->key);
    unlink(f->other);
    rmdir(f->folder);
    arena_free(&f->arena);
    mem_free(f);
    return 0;
}

static void open_client(struct fixture *f, enum http_client_reach reach, const char *ca,
                        unsigned requests_max)
{
    struct http_client_options o = { .ca_file = ca,
                                     .reach = reach,
                                     .requests_max = requests_max };

    http_client_free(&f->client);
    f->client = http_client_new(&o);
}

static const char *plain(struct fixture *f, const char *path)
{
    return arena_printf(f->arena, "http://127.0.0.1:%u%s",
                        (unsigned)http_server_port(f->server), path);
}

static const char *secure(struct fixture *f, const char *path)
{
    return arena_printf(f->arena, "https://127.0.0.1:%u%s",
                        (unsigned)listener_port(f->listener), path);
}

static struct http_client_answer ask(struct fixture *f, struct http_client_request r)
{
    struct http_client_answer a;

    if (r.deadline_ms == 0)
        r.deadline_ms = WAIT_MS;
    if (r.answer_max_bytes == 0)
        r.answer_max_bytes = ANSWER_MAX;
    http_client_call(f->arena, f->client, &r, &a);
    return a;
}

#define ASK(f, ...) ask(f, (struct http_client_request){ __VA_ARGS__ })

static void expect_fault(struct http_client_answer a, enum http_client_fault fault)
{
    if (a.fault != fault)
        fail_msg("not fault %d but %d with status %d: %s", fault, a.fault, a.status,
                 a.why);
    assert_int_equal(a.rc == RC_OK, fault == HTTP_CLIENT_FINE);
    assert_true(fault == HTTP_CLIENT_FINE || a.why[0] != '\0');
}

static void expect_body(struct http_client_answer a, const char *body)
{
    expect_fault(a, HTTP_CLIENT_FINE);
    assert_int_equal(a.status, 200);
    if (!str_eq(a.body, str_of(body)))
        fail_msg("not \"%s\" but \"%.*s\"", body, STR_ARG(a.body));
}

static void what_is_asked_arrives_whole(void **state)
{
    static const struct http_client_header headers[] = {
        { "Content-Type", "application/json" }, { "Authorization", "Bearer x" }
    };
    static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };
    struct fixture *f = *state;
    struct http_client_answer a;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    a = ASK(f, .url = plain(f, "/a?b=c"));
    expect_body(a, "GET /a [] [] ");
    assert_true(str_eq(http_client_header(&a, "x-SAID"), S("so")));
    assert_true(str_eq(http_client_header(&a, "Content-Type"), S("text/plain")));
    assert_int_equal(http_client_header(&a, "X-Other").n, 0);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        a = ASK(f, .method = methods[i], .url = plain(f, "/a"), .headers = headers,
                .header_count = 2, .body = S("{}"));
        expect_body(a, arena_printf(f->arena, "%s /a [application/json] [Bearer x] {}",
                                    methods[i]));
    }
    expect_body(ASK(f, .method = "DELETE", .url = plain(f, "/a")), "DELETE /a [] [] ");
    expect_body(ASK(f, .url = plain(f, "/a/../%2e%2E/.")), "GET /a/../%2e%2E/. [] [] ");
    a = ASK(f, .method = "HEAD", .url = plain(f, "/a"));
    expect_body(a, "");
    assert_true(str_eq(http_client_header(&a, "X-Said"), S("so")));
}

static void what_is_no_request_is_not_sent(void **state)
{
    static const struct http_client_header bad[] = { { "X", "a\r\nY: b" },
                                                     { "X\r\nY", "b" },
                                                     { "X: Y", "b" },
                                                     { "", "b" },
                                                     { "X", "\x7f" } };
    static const char *const urls[] = {
        "ftp://127.0.0.1/", "file:///etc/hostname",        "gopher://127.0.0.1/",
        "http://",          "http://user:word@127.0.0.1/", "nonsense:"
    };
    static char path[HTTP_CLIENT_URL_MAX_BYTES + 1];
    struct fixture *f = *state;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_fault(ASK(f, .url = plain(f, "/"), .headers = &bad[i], .header_count = 1),
                     HTTP_CLIENT_URL);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        expect_fault(ASK(f, .url = urls[i]), HTTP_CLIENT_URL);
    expect_fault(ASK(f, .url = plain(f, "/"), .method = "GET / HTTP/1.1\r\nX:"),
                 HTTP_CLIENT_URL);
    expect_fault(ASK(f, .url = plain(f, "/"), .deadline_ms = -1), HTTP_CLIENT_URL);
    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    expect_fault(ASK(f, .url = plain(f, path)), HTTP_CLIENT_URL);
}

static void redirects_are_followed_as_often_as_is_asked_for(void **state)
{
    struct fixture *f = *state;
    struct http_client_answer a;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    a = ASK(f, .url = plain(f, "/here"));
    expect_fault(a, HTTP_CLIENT_FINE);
    assert_int_equal(a.status, 302);
    assert_true(str_eq(http_client_header(&a, "Location"), S("/there")));
    expect_body(ASK(f, .url = plain(f, "/here"), .redirects_max = 1),
                "GET /there [] [] ");
    expect_fault(ASK(f, .url = plain(f, "/again"), .redirects_max = 3),
                 HTTP_CLIENT_REDIRECTS);
    expect_fault(ASK(f, .url = plain(f, "/file"), .redirects_max = 3),
                 HTTP_CLIENT_REDIRECTS);
    a = ASK(f, .method = "POST", .url = plain(f, "/here"), .redirects_max = 3);
    assert_int_equal(a.status, 302);
}

static void no_more_is_read_than_is_asked_for(void **state)
{
    struct fixture *f = *state;
    struct http_client_answer a;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    a = ASK(f, .url = plain(f, "/full"));
    expect_fault(a, HTTP_CLIENT_FINE);
    assert_int_equal(a.body.n, ANSWER_MAX);
    a = ASK(f, .url = plain(f, "/huge"));
    expect_fault(a, HTTP_CLIENT_TOO_LARGE);
    assert_int_equal(a.rc, RC_LIMIT);
    assert_int_equal(a.body.n, 0);
}

/* Answers the first connection with text, then with more of it until nobody reads. */
struct scripted {
    int fd;
    uint16_t port;
    const char *text, *more;
    pthread_t thread;
};

static void *scripted_main(void *arg)
{
    struct scripted *s = arg;
    int c = accept(s->fd, NULL, NULL);
    char request[4096];

    if (c < 0)
        return NULL;
    if (recv(c, request, sizeof(request), 0) > 0 &&
        send(c, s->text, strlen(s->text), MSG_NOSIGNAL) > 0)
        while (s->more != NULL && send(c, s->more, strlen(s->more), MSG_NOSIGNAL) > 0)
            continue;
    close(c);
    return NULL;
}

static const char *script(struct fixture *f, struct scripted *s, const char *text,
                          const char *more)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(at);

    s->text = text;
    s->more = more;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, scripted_main, s), 0);
    return arena_printf(f->arena, "http://127.0.0.1:%u/", (unsigned)ntohs(at.sin_port));
}

static void unscript(struct scripted *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

/* No length is announced, so only counting helps. */
static void endless_answers_end(void **state)
{
    static const struct {
        const char *text, *more;
        enum http_client_fault fault;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n",
          HTTP_CLIENT_TOO_LARGE },
        { "HTTP/1.1 200 OK\r\n\r\n", "hello", HTTP_CLIENT_TOO_LARGE },
        { "HTTP/1.1 200 OK\r\n", "X-Hello: you\r\n", HTTP_CLIENT_TOO_LARGE },
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", NULL,
          HTTP_CLIENT_BROKEN },
        { "220 mail.example ESMTP\r\n", NULL, HTTP_CLIENT_BROKEN },
    };
    struct fixture *f = *state;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scripted s;
        const char *url = script(f, &s, cases[i].text, cases[i].more);

        expect_fault(ASK(f, .url = url), cases[i].fault);
        unscript(&s);
    }
}

static void no_wait_is_longer_than_its_deadline(void **state)
{
    struct fixture *f = *state;
    struct http_client_answer a;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    a = ASK(f, .url = plain(f, "/hold"), .deadline_ms = SOON_MS);
    expect_fault(a, HTTP_CLIENT_LATE);
    assert_int_equal(a.rc, RC_TIMEOUT);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
}

static void nobody_there(void **state)
{
    struct fixture *f = *state;
    struct scripted s;
    const char *url = script(f, &s, "", NULL);

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    unscript(&s); /* the port was free a moment ago */
    expect_fault(ASK(f, .url = url), HTTP_CLIENT_CONNECT);
}

static void inner_addresses_are_out_of_reach(void **state)
{
    struct fixture *f = *state;
    unsigned port = http_server_port(f->server);
    static const char *const hosts[] = { "127.0.0.1",          "0.0.0.0",   "[::1]",
                                         "[::ffff:127.0.0.1]", "localhost", "0177.1",
                                         "2130706433" };

    open_client(f, HTTP_CLIENT_PUBLIC, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        expect_fault(
            ASK(f, .url = arena_printf(f->arena, "http://%s:%u/a", hosts[i], port)),
            HTTP_CLIENT_FORBIDDEN);
    open_client(f, HTTP_CLIENT_PRIVATE, NULL, 0);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    /* TEST-NET-1 (RFC 5737), which is nobody's private network. */
    expect_fault(ASK(f, .url = "http://192.0.2.1/a"), HTTP_CLIENT_FORBIDDEN);
}

/* What a shell has set for browsers must not lead a token to a proxy. */
static void the_environment_names_no_proxy(void **state)
{
    struct fixture *f = *state;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static void a_certificate_must_be_of_an_authority_we_know(void **state)
{
    struct fixture *f = *state;
    const char *none = arena_printf(f->arena, "%s/none", f->folder);

    serve_https(f);
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_body(ASK(f, .url = secure(f, "/a")), "GET /a [] [] ");
    /* That of another host: the certificate names 127.0.0.1 and not this. */
    expect_fault(ASK(f, .url = arena_printf(f->arena, "https://localhost:%u/a",
                                            (unsigned)listener_port(f->listener))),
                 HTTP_CLIENT_CERTIFICATE);
    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    expect_fault(ASK(f, .url = secure(f, "/a")), HTTP_CLIENT_CERTIFICATE);
    test_certificate_write(f->other, arena_printf(f->arena, "%s/a.key", f->folder),
                           "host.example");
    open_client(f, HTTP_CLIENT_ANY, f->other, 0);
    expect_fault(ASK(f, .url = secure(f, "/a")), HTTP_CLIENT_CERTIFICATE);
    open_client(f, HTTP_CLIENT_ANY, none, 0);
    expect_fault(ASK(f, .url = secure(f, "/a")), HTTP_CLIENT_CA_FILE);
    /* No TLS where it is expected. */
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_fault(ASK(f, .url = arena_printf(f->arena, "https://127.0.0.1:%u/",
                                            (unsigned)http_server_port(f->server))),
                 HTTP_CLIENT_BROKEN);
}

static void no_redirect_leads_out_of_https(void **state)
{
    struct fixture *f = *state;

    serve_https(f);
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_body(ASK(f, .url = secure(f, "/here"), .redirects_max = 1),
                "GET /there [] [] ");
    expect_body(ASK(f, .url = plain(f, "/clear"), .redirects_max = 1),
                "GET /there [] [] ");
    expect_fault(ASK(f, .url = secure(f, "/clear"), .redirects_max = 1),
                 HTTP_CLIENT_REDIRECTS);
}

static void note(const struct http_client_answer *a, void *user)
{
    struct fixture *f = user;

    pthread_mutex_lock(&f->lock);
    f->done++;
    f->fine += a->rc == RC_OK && str_eq(a->body, S("late"));
    f->fault = a->fault;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_until(struct fixture *f, const size_t *count, size_t n)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    pthread_mutex_lock(&f->lock);
    while (*count < n)
        assert_true(cond_wait(&f->changed, &f->lock, until));
    pthread_mutex_unlock(&f->lock);
}

/* All of them wait at the same time, and hold one thread. */
static void many_wait_at_once_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct http_client_request r = { .url = plain(f, "/hold"),
                                     .deadline_ms = WAIT_MS,
                                     .answer_max_bytes = ANSWER_MAX };

    open_client(f, HTTP_CLIENT_ANY, NULL, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(http_client_start(f->client, &r, note, f), RC_OK);
    assert_int_equal(http_client_start(f->client, &r, note, f), RC_LIMIT);
    wait_until(f, &f->held_count, MANY);
    assert_int_equal(f->done, 0);
    release(f);
    wait_until(f, &f->done, MANY);
    assert_int_equal(f->fine, MANY);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
}

static void who_waits_at_the_end_is_told(void **state)
{
    struct fixture *f = *state;
    struct http_client_request r = { .url = plain(f, "/hold"),
                                     .deadline_ms = WAIT_MS,
                                     .answer_max_bytes = ANSWER_MAX };

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    assert_int_equal(http_client_start(f->client, &r, note, f), RC_OK);
    wait_until(f, &f->held_count, 1);
    http_client_free(&f->client);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->fault, HTTP_CLIENT_CLOSED);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_asked_arrives_whole),
        TEST(what_is_no_request_is_not_sent),
        TEST(redirects_are_followed_as_often_as_is_asked_for),
        TEST(no_more_is_read_than_is_asked_for),
        TEST(endless_answers_end),
        TEST(no_wait_is_longer_than_its_deadline),
        TEST(nobody_there),
        TEST(inner_addresses_are_out_of_reach),
        TEST(the_environment_names_no_proxy),
        TEST(a_certificate_must_be_of_an_authority_we_know),
        TEST(no_redirect_leads_out_of_https),
        TEST(many_wait_at_once_and_no_more),
        TEST(who_waits_at_the_end_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
