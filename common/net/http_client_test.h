/* http_client_test.h - a server of our own, over HTTP and HTTPS, and a client to ask it,
 * for the tests of the client. */
#pragma once

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

static inline void hold(struct http_exchange *x)
{
    pthread_mutex_lock(&current->lock);
    CHECK(current->held_count < ARRAY_LEN(current->held));
    current->held[current->held_count++] = x;
    pthread_cond_broadcast(&current->changed);
    pthread_mutex_unlock(&current->lock);
}

static inline void release(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->held_count > 0) {
        struct http_exchange *x = f->held[--f->held_count];

        http_server_reply(x, 200, "text/plain", S("late"));
        http_server_finish(x);
    }
    pthread_mutex_unlock(&f->lock);
}

static inline void redirect(struct http_exchange *x, const char *to)
{
    http_server_reply(x, 302, NULL, S(""));
    http_server_add_header(x, "Location", to);
}

/* "METHOD path type token body" for whatever has no meaning of its own. */
static inline void describe(struct http_exchange *x)
{
    char *text = arena_printf(
        x->arena, "%.*s %.*s [%.*s] [%.*s] %.*s", STR_ARG(x->request.method),
        STR_ARG(x->request.path), STR_ARG(http_server_header(x, "Content-Type")),
        STR_ARG(http_server_header(x, "Authorization")), STR_ARG(x->request.body));

    http_server_reply(x, 200, "text/plain", str_of(text));
    http_server_add_header(x, "X-Said", "so");
}

static inline void handler(struct http_exchange *x)
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
    else if (str_eq(path, S("/secure")))
        redirect(x, arena_printf(x->arena, "https://127.0.0.1:%u/clear",
                                 (unsigned)listener_port(current->listener)));
    else if (str_eq(path, S("/outside")))
        redirect(x, "http://192.0.2.1/there");
    else if (str_eq(path, S("/nobody")))
        redirect(x, "http://127.0.0.1:1/there");
    else if (str_eq(path, S("/file")))
        redirect(x, "file:///etc/hostname");
    else
        describe(x);
    http_server_finish(x);
}

static inline void serve_https(struct fixture *f)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void open_client(struct fixture *f, enum http_client_reach reach,
                               const char *ca, unsigned requests_max)
{
    struct http_client_options o = { .ca_file = ca,
                                     .reach = reach,
                                     .requests_max = requests_max };

    http_client_free(&f->client);
    f->client = http_client_new(&o);
}

static inline const char *plain(struct fixture *f, const char *path)
{
    return arena_printf(f->arena, "http://127.0.0.1:%u%s",
                        (unsigned)http_server_port(f->server), path);
}

static inline const char *secure(struct fixture *f, const char *path)
{
    return arena_printf(f->arena, "https://127.0.0.1:%u%s",
                        (unsigned)listener_port(f->listener), path);
}

static inline struct http_client_answer ask(struct fixture *f,
                                            struct http_client_request r)
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

static inline void expect_fault(struct http_client_answer a, enum http_client_fault fault)
{
    if (a.fault != fault)
        fail_msg("not fault %d but %d with status %d: %s", fault, a.fault, a.status,
                 a.why);
    assert_int_equal(a.rc == RC_OK, fault == HTTP_CLIENT_FINE);
    assert_true(fault == HTTP_CLIENT_FINE || a.why[0] != '\0');
}

static inline void expect_body(struct http_client_answer a, const char *body)
{
    expect_fault(a, HTTP_CLIENT_FINE);
    assert_int_equal(a.status, 200);
    if (!str_eq(a.body, str_of(body)))
        fail_msg("not \"%s\" but \"%.*s\"", body, STR_ARG(a.body));
}

static inline void note(const struct http_client_answer *a, void *user)
{
    struct fixture *f = user;

    pthread_mutex_lock(&f->lock);
    f->done++;
    f->fine += a->rc == RC_OK && str_eq(a->body, S("late"));
    f->fault = a->fault;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline void wait_until(struct fixture *f, const size_t *count, size_t n)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    pthread_mutex_lock(&f->lock);
    while (*count < n)
        assert_true(cond_wait(&f->changed, &f->lock, until));
    pthread_mutex_unlock(&f->lock);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
