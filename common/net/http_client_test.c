/* http_client_test.c - against servers of our own: what is asked for comes, and nothing
 * that is too much, too late, from elsewhere or from somebody whom nobody vouches for.
 */
#include "net/http_client_test.h"

#include <sched.h>

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
    static const char *const urls[] = { "ftp://127.0.0.1/",
                                        "file:///etc/hostname",
                                        "gopher://127.0.0.1/",
                                        "http://",
                                        "http://user:word@127.0.0.1/",
                                        "nonsense:",
                                        "127.0.0.1/",
                                        "http:/127.0.0.1/",
                                        "https:127.0.0.1",
                                        "localhost",
                                        "" };
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

static void an_answer_has_a_hundred_fields(void **state)
{
    struct fixture *f = *state;
    struct buf *text = arena_buf(f->arena, HTTP_CLIENT_HEADER_BYTES_MAX);
    struct http_client_answer a;
    struct scripted s;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    buf_puts(text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < HTTP_CLIENT_HEADERS_MAX; i++)
        buf_puts(text, "X-Hello: you\r\n");
    a = ASK(f, .url = script(f, &s,
                             arena_printf(f->arena, "%.*s\r\n", STR_ARG(buf_str(text))),
                             NULL));
    unscript(&s);
    expect_fault(a, HTTP_CLIENT_FINE);
    assert_int_equal(a.header_count, HTTP_CLIENT_HEADERS_MAX);
    a = ASK(f,
            .url = script(
                f, &s, arena_printf(f->arena, "%.*sX: y\r\n\r\n", STR_ARG(buf_str(text))),
                NULL));
    unscript(&s);
    expect_fault(a, HTTP_CLIENT_TOO_LARGE);
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

/* All of them wait at the same time, and hold one thread. */
static void many_wait_at_once_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct http_client_request r = { .url = plain(f, "/hold"),
                                     .deadline_ms = WAIT_MS,
                                     .answer_max_bytes = ANSWER_MAX };

    open_client(f, HTTP_CLIENT_ANY, NULL, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(http_client_start(f->client, &r, note, f, NULL), RC_OK);
    assert_int_equal(http_client_start(f->client, &r, note, f, NULL), RC_LIMIT);
    expect_fault(ASK(f, .url = plain(f, "/a")), HTTP_CLIENT_BUSY);
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
    assert_int_equal(http_client_start(f->client, &r, note, f, NULL), RC_OK);
    wait_until(f, &f->held_count, 1);
    http_client_free(&f->client);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->fault, HTTP_CLIENT_CLOSED);
}

/* And leaves room for others. */
static void who_is_gone_is_not_told(void **state)
{
    struct fixture *f = *state;
    struct http_client_request r = { .url = plain(f, "/hold"),
                                     .deadline_ms = WAIT_MS,
                                     .answer_max_bytes = ANSWER_MAX };
    struct deadline until = deadline_in_ms(WAIT_MS);
    struct http_client_answer a;
    uint64_t request = 0;

    open_client(f, HTTP_CLIENT_ANY, NULL, 1);
    assert_int_equal(http_client_start(f->client, &r, note, f, &request), RC_OK);
    wait_until(f, &f->held_count, 1);
    expect_fault(ASK(f, .url = plain(f, "/a")), HTTP_CLIENT_BUSY);
    http_client_forget(f->client, request);
    do {
        a = ASK(f, .url = plain(f, "/a"));
    } while (a.fault == HTTP_CLIENT_BUSY && !deadline_passed(until));
    expect_body(a, "GET /a [] [] ");
    http_client_forget(f->client, request);
    http_client_forget(f->client, 0);
    assert_int_equal(http_client_start(f->client, &r, note, f, &request), RC_OK);
    http_client_forget(f->client, request);
    http_client_free(&f->client);
    assert_int_equal(f->done, 0);
}

struct waiter {
    _Atomic bool is_told;
    bool is_over;
};

static void tell(const struct http_client_answer *a, void *user)
{
    struct waiter *w = user;

    (void)a;
    w->is_told = true;
    sched_yield();
    w->is_over = true;
}

/* Before the request is sent, while it is under way, while its end is told, after that.
 */
static void who_waits_may_go_at_any_time(void **state)
{
    struct fixture *f = *state;
    struct http_client_request r = { .url = plain(f, "/a"),
                                     .deadline_ms = WAIT_MS,
                                     .answer_max_bytes = ANSWER_MAX };
    struct deadline until = deadline_in_ms(WAIT_MS);

    open_client(f, HTTP_CLIENT_ANY, NULL, MANY);
    for (int i = 0; i < MANY; i++) {
        struct waiter *w = mem_alloc(sizeof(*w));
        uint64_t request;

        assert_int_equal(http_client_start(f->client, &r, tell, w, &request), RC_OK);
        for (int turns = i % 3 * i; turns > 0; turns--)
            sched_yield();
        while (i % 3 == 1 && !w->is_told && !deadline_passed(until))
            sched_yield();
        http_client_forget(f->client, request);
        assert_true(w->is_told || i % 3 != 1);
        assert_int_equal(w->is_told, w->is_over);
        mem_free(w);
    }
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_asked_arrives_whole),
        TEST(what_is_no_request_is_not_sent),
        TEST(no_more_is_read_than_is_asked_for),
        TEST(endless_answers_end),
        TEST(an_answer_has_a_hundred_fields),
        TEST(no_wait_is_longer_than_its_deadline),
        TEST(nobody_there),
        TEST(many_wait_at_once_and_no_more),
        TEST(who_waits_at_the_end_is_told),
        TEST(who_is_gone_is_not_told),
        TEST(who_waits_may_go_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
