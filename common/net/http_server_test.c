/* http_server_test.c - the server over plain HTTP and through the HTTPS bridge. */
#include "net/http_server.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/cidr.h"
#include "net/forwarded.h"
#include "net/https_bridge.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/test_certificate.h"
#include "net/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10 * 1000, BODY_MAX = 4000, HUGE_BYTES = 3 * 1024 * 1024 };

struct fixture {
    struct http_server_options options;
    struct http_server *server;
    struct cidr_list *trusted;
    struct loop *loop;
    struct listener *listener;
    struct listener_options tls_options;
    struct tls_context *tls, *client;
    struct arena *arena;
    char cert[64], key[64];
    pthread_t worker;
};

static void *answer_later(void *arg)
{
    struct http_exchange *x = arg;

    http_server_reply(x, 200, "text/plain", S("later"));
    http_server_finish(x);
    return NULL;
}

/* Says what it was asked: "METHOD path query client https body". */
static void describe(struct http_exchange *x)
{
    const struct http_request *r = &x->request;
    char text[ADDR_TEXT_BYTES];
    char *body = arena_printf(x->arena, "%.*s %.*s %.*s %s %d %.*s", STR_ARG(r->method),
                              STR_ARG(r->path), STR_ARG(r->query),
                              addr_text(&r->client, text), r->https, STR_ARG(r->body));

    http_server_reply(x, 200, "text/plain", str_of(body));
}

static void handler(struct http_exchange *x)
{
    struct fixture *f = x->user;

    if (str_eq(x->request.path, S("/later"))) {
        CHECK(pthread_create(&f->worker, NULL, answer_later, x) == 0);
        return;
    }
    if (str_eq(x->request.path, S("/huge"))) {
        char *p = arena_alloc(x->arena, HUGE_BYTES);

        memset(p, 'h', HUGE_BYTES);
        http_server_reply(x, 200, "text/plain", str_n(p, HUGE_BYTES));
    } else if (str_eq(x->request.path, S("/header"))) {
        http_server_add_header(x, "X-Extra", "yes");
        http_server_reply(x, 201, "text/plain", http_server_header(x, "x-asked"));
    } else {
        describe(x);
    }
    http_server_finish(x);
}

static int setup(void **state)
{
    static const uint16_t any_port = 0;
    struct fixture *f = mem_alloc(sizeof(*f));

    f->arena = arena_new();
    assert_int_equal(cidr_list_new(S("10.0.0.0/8"), &f->trusted), RC_OK);
    f->options = (struct http_server_options){ .address = "127.0.0.1",
                                               .port = &any_port,
                                               .body_max_bytes = BODY_MAX,
                                               .handler = handler,
                                               .user = f };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    listener_free(&f->listener);
    http_server_free(&f->server);
    if (f->loop != NULL)
        loop_stop(f->loop);
    loop_free(&f->loop);
    tls_context_free(&f->tls);
    tls_context_free(&f->client);
    cidr_list_free(&f->trusted);
    arena_free(&f->arena);
    if (f->cert[0] != '\0') {
        unlink(f->cert);
        unlink(f->key);
    }
    mem_free(f);
    return 0;
}

static void serve(struct fixture *f)
{
    assert_int_equal(http_server_new(&f->options, &f->server), RC_OK);
}

static void serve_https(struct fixture *f)
{
    struct tls_server_options tls = { .cert_file = f->cert,
                                      .key_file = f->key,
                                      .min_version = TLS_VERSION_1_3,
                                      .alpn = "http/1.1" };
    struct tls_client_options client = { .ca_file = f->cert };

    snprintf(f->cert, sizeof(f->cert), "/tmp/http_server_test.%d.crt", (int)getpid());
    snprintf(f->key, sizeof(f->key), "/tmp/http_server_test.%d.key", (int)getpid());
    test_certificate_write(f->cert, f->key, "mail.example");
    assert_int_equal(tls_server_new(&tls, NULL, &f->tls), RC_OK);
    assert_int_equal(tls_client_new(&client, NULL, &f->client), RC_OK);
    f->loop = loop_new("https");
    loop_start(f->loop);
    f->tls_options =
        (struct listener_options){ .address = "127.0.0.1",
                                   .tls = f->tls,
                                   .proxy_protocol = f->trusted != NULL &&
                                                     f->tls_options.proxy_protocol,
                                   .trusted_proxies = f->trusted,
                                   .handler = https_bridge_handler(),
                                   .user = f->server };
    assert_int_equal(listener_new(f->loop, &f->tls_options, &f->listener), RC_OK);
}

static struct stream *dial(uint16_t port)
{
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = port };
    struct stream *s = NULL;

    assert_int_equal(stream_connect(&to, deadline_in_ms(WAIT_MS), &s), RC_OK);
    return s;
}

/* Read until the peer closes. */
static str_t read_all(struct fixture *f, struct stream *s)
{
    struct buf *all = arena_buf(f->arena, HUGE_BYTES + 10000);
    char chunk[4096];
    size_t got;
    enum rc rc;

    while ((rc = stream_read_some(s, chunk, sizeof(chunk), deadline_in_ms(WAIT_MS),
                                  &got)) == RC_OK)
        assert_int_equal(buf_append(all, chunk, got), RC_OK);
    assert_int_equal(rc, RC_CLOSED);
    return buf_str(all);
}

static str_t ask(struct fixture *f, const char *request)
{
    struct stream *s = dial(http_server_port(f->server));
    str_t answer;

    assert_int_equal(stream_write(s, str_of(request), deadline_in_ms(WAIT_MS)), RC_OK);
    answer = read_all(f, s);
    stream_close(&s);
    return answer;
}

static void assert_contains(str_t text, const char *what)
{
    if (str_find(text, str_of(what)) == SIZE_MAX)
        fail_msg("no \"%s\" in \"%.*s\"", what, (int)(text.n < 600 ? text.n : 600),
                 text.p);
}

static void test_request_lines(void **state)
{
    static const struct {
        const char *line, *expect;
    } rows[] = {
        { "GET /new?a=1%20b HTTP/1.1", "\r\n\r\nGET /new a=1%20b 127.0.0.1 0 " },
        { "GET /a%2fb HTTP/1.1", "\r\n\r\nGET /a%2fb  127.0.0.1 0 " },
        { "POST /new HTTP/1.1", "\r\n\r\nPOST /new  127.0.0.1 0 " },
    };
    struct fixture *f = *state;

    serve(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_contains(
            ask(f, arena_printf(f->arena, "%s\r\nHost: h\r\nConnection: close\r\n\r\n",
                                rows[i].line)),
            rows[i].expect);
}

static void test_bodies(void **state)
{
    struct fixture *f = *state;
    char *large = arena_alloc(f->arena, BODY_MAX + 2);

    serve(f);
    assert_contains(ask(f, "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                           "Content-Length: 5\r\n\r\nhello"),
                    " 0 hello");
    assert_contains(
        ask(f, "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        " 0 abcde");
    assert_contains(ask(f, "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                           "Content-Length: 4001\r\n\r\n"),
                    "HTTP/1.1 413");
    memset(large, 'x', BODY_MAX + 1);
    assert_contains(
        ask(f, arena_printf(f->arena,
                            "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                            "Transfer-Encoding: chunked\r\n\r\nfa1\r\n%s\r\n0\r\n\r\n",
                            large)),
        "HTTP/1.1 413");
}

static void refuse_in_own_words(struct http_exchange *x)
{
    int status = x->response.status;

    describe(x);
    x->response.status = status;
    http_server_finish(x);
}

/* Whether the length was announced or seen on the way. */
static void test_too_large_in_own_words(void **state)
{
    struct fixture *f = *state;
    char *large = arena_alloc(f->arena, BODY_MAX + 2);
    str_t answer;

    f->options.refuse = refuse_in_own_words;
    serve(f);
    answer = ask(f, "POST /p?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                    "Content-Length: 4001\r\n\r\n");
    assert_contains(answer, "HTTP/1.1 413");
    assert_contains(answer, "\r\n\r\nPOST /p q 127.0.0.1 0 ");
    memset(large, 'x', BODY_MAX + 1);
    answer =
        ask(f, arena_printf(f->arena,
                            "POST /p?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                            "Transfer-Encoding: chunked\r\n\r\nfa1\r\n%s\r\n0\r\n\r\n",
                            large));
    assert_contains(answer, "HTTP/1.1 413");
    assert_contains(answer, "\r\n\r\nPOST /p q 127.0.0.1 0 ");
    assert_true(str_find(answer, S("xxx")) == SIZE_MAX);
}

static void test_headers(void **state)
{
    struct fixture *f = *state;
    str_t answer;

    serve(f);
    answer = ask(f, "GET /header HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                    "X-ASKED: value\r\n\r\n");
    assert_contains(answer, "HTTP/1.1 201");
    assert_contains(answer, "X-Extra: yes");
    assert_contains(answer, "\r\n\r\nvalue");
}

static void test_answer_from_another_thread(void **state)
{
    struct fixture *f = *state;

    serve(f);
    for (int i = 0; i < 200; i++) {
        assert_contains(
            ask(f, "GET /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
            "later");
        pthread_join(f->worker, NULL);
    }
}

static void test_forwarded_header_of_a_stranger_is_ignored(void **state)
{
    struct fixture *f = *state;

    f->options.trusted_proxies = f->trusted; /* 10.0.0.0/8, and we are 127.0.0.1 */
    serve(f);
    assert_contains(ask(f, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                           "X-Forwarded-For: 203.0.113.5\r\n\r\n"),
                    "GET /  127.0.0.1 0");
}

static void test_forwarded_header_of_a_proxy_counts(void **state)
{
    struct fixture *f = *state;

    cidr_list_free(&f->trusted);
    assert_int_equal(cidr_list_new(S("127.0.0.1"), &f->trusted), RC_OK);
    f->options.trusted_proxies = f->trusted;
    serve(f);
    /* The proxy adds its own line after the one that the client made up. */
    assert_contains(ask(f, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                           "X-Forwarded-For: 198.51.100.1\r\n"
                           "X-Forwarded-For: 203.0.113.5\r\n"
                           "X-Forwarded-Proto: https\r\n\r\n"),
                    "GET /  203.0.113.5 1");
}

static void test_port_taken(void **state)
{
    struct fixture *f = *state;
    struct http_server *second = NULL;
    uint16_t port;

    serve(f);
    port = http_server_port(f->server);
    f->options.port = &port;
    assert_int_equal(http_server_new(&f->options, &second), RC_EXISTS);
}

static void test_who_comes_too_late_is_refused(void **state)
{
    struct fixture *f = *state;
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct stream *late = NULL;

    serve(f);
    to.port = http_server_port(f->server);
    http_server_stop_listening(f->server);
    assert_int_not_equal(stream_connect(&to, deadline_in_ms(WAIT_MS), &late), RC_OK);
    assert_null(late);
}

static void test_who_says_nothing_is_cut_off(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.idle_seconds = 1;
    serve(f);
    s = dial(http_server_port(f->server));
    assert_int_equal(read_all(f, s).n, 0);
    stream_close(&s);
}

static struct stream *dial_tls(struct fixture *f)
{
    struct stream *s = dial(listener_port(f->listener));

    assert_int_equal(stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME,
                                      deadline_in_ms(WAIT_MS)),
                     RC_OK);
    return s;
}

static void say(struct stream *s, const char *text)
{
    assert_int_equal(stream_write(s, str_of(text), deadline_in_ms(WAIT_MS)), RC_OK);
}

static void test_https(void **state)
{
    struct fixture *f = *state;
    struct stream *s;
    str_t answer;

    f->options.port = NULL;
    serve(f);
    serve_https(f);
    s = dial_tls(f);
    say(s, "POST /new HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: "
           "2\r\n\r\nhi");
    answer = read_all(f, s);
    assert_contains(answer, "POST /new  127.0.0.1 1 hi");
    stream_close(&s);
    s = dial_tls(f);
    say(s, "GET /huge HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    answer = read_all(f, s);
    assert_true(answer.n > HUGE_BYTES);
    assert_int_equal(answer.p[answer.n - 1], 'h');
    stream_close(&s);
}

/* In its turn, and what comes behind it is not looked at. */
static void test_what_is_no_request_is_refused_in_own_words(void **state)
{
    struct fixture *f = *state;
    struct stream *s;
    str_t answer;

    f->options.port = NULL;
    f->options.refuse = refuse_in_own_words;
    serve(f);
    serve_https(f);
    s = dial_tls(f);
    say(s, "GET http://a.example/one?x HTTP/1.1\r\nHost: h\r\n\r\n"
           "POST /two?y HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
           "Content-Length: 3\r\n\r\nhi"
           "GET /three HTTP/1.1\r\nHost: h\r\n\r\n");
    answer = read_all(f, s);
    assert_true(str_starts(answer, S("HTTP/1.1 200")));
    assert_contains(answer, "\r\n\r\nGET /one x 127.0.0.1 1 HTTP/1.1 400");
    assert_contains(answer, "Connection: close");
    assert_contains(answer, "\r\n\r\nGET /two y 127.0.0.1 1 ");
    assert_true(str_find(answer, S("three")) == SIZE_MAX);
    stream_close(&s);
}

/* What the pair does not take at once waits, and the request behind it, too. */
static void test_a_body_that_is_longer_than_the_pair_holds(void **state)
{
    enum { BODY = 600 * 1000 };
    struct fixture *f = *state;
    char *body = arena_alloc(f->arena, BODY + 1);
    struct stream *s;
    str_t answer;

    memset(body, 'b', BODY);
    f->options.port = NULL;
    f->options.body_max_bytes = BODY;
    serve(f);
    serve_https(f);
    s = dial_tls(f);
    say(s, arena_printf(f->arena,
                        "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s"
                        "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                        BODY, body));
    answer = read_all(f, s);
    assert_true(answer.n > BODY);
    assert_contains(str_skip(answer, BODY), "\r\n\r\nGET /last ");
    stream_close(&s);
}

static void test_https_behind_proxy_protocol(void **state)
{
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                                 "\xcb\x00\x71\x09\x7f\0\0\x01\x12\x34\0\x19";
    struct fixture *f = *state;
    struct stream *s;

    cidr_list_free(&f->trusted);
    assert_int_equal(cidr_list_new(S("127.0.0.0/8"), &f->trusted), RC_OK);
    f->tls_options.proxy_protocol = true;
    serve(f);
    serve_https(f);
    s = dial(listener_port(f->listener));
    assert_int_equal(
        stream_write(s, str_n(header, sizeof(header) - 1), deadline_in_ms(WAIT_MS)),
        RC_OK);
    assert_int_equal(stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME,
                                      deadline_in_ms(WAIT_MS)),
                     RC_OK);
    say(s, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_contains(read_all(f, s), "GET /  203.0.113.9 1");
    stream_close(&s);
}

static void test_forwarded_parsing(void **state)
{
    static const struct {
        const char *x, *forwarded, *expect;
    } rows[] = {
        { "", "", "10.0.0.1" },
        { "192.0.2.1", "", "192.0.2.1" },
        { "evil, 192.0.2.1, 10.9.9.9", "", "192.0.2.1" },
        { "192.0.2.7, unknown", "", "10.0.0.1" },
        { "2001:db8::1", "", "2001:db8::1" },
        { "192.0.2.1:4711", "", "192.0.2.1" },
        { "", "for=192.0.2.43;proto=https", "192.0.2.43" },
        { "", "for=1.1.1.1, For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17" },
        { "", "by=10.0.0.1;for=192.0.2.60;proto=http", "192.0.2.60" },
    };
    struct fixture *f = *state;
    struct addr peer = { .family = 4, .ip = { 10, 0, 0, 1 } };
    char text[ADDR_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr got = forwarded_client(f->trusted, &peer, str_of(rows[i].x),
                                           str_of(rows[i].forwarded));

        assert_string_equal(addr_text(&got, text), rows[i].expect);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_lines),
        TEST(test_bodies),
        TEST(test_too_large_in_own_words),
        TEST(test_headers),
        TEST(test_answer_from_another_thread),
        TEST(test_forwarded_header_of_a_stranger_is_ignored),
        TEST(test_forwarded_header_of_a_proxy_counts),
        TEST(test_port_taken),
        TEST(test_who_comes_too_late_is_refused),
        TEST(test_who_says_nothing_is_cut_off),
        TEST(test_https),
        TEST(test_what_is_no_request_is_refused_in_own_words),
        TEST(test_a_body_that_is_longer_than_the_pair_holds),
        TEST(test_https_behind_proxy_protocol),
        TEST(test_forwarded_parsing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
