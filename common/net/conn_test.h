/* conn_test.h - a listener on a loop that echoes lines, and its clients, for the tests of
 * connections: real sockets on the loopback. */
#pragma once

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/door.h"
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

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 3 * 1000, BIG_BYTES = 8 * 1024 * 1024 };

/* An echo by lines with a few words of its own: STARTTLS, LAYER, QUIT, WHO, BIG, KEEP,
 * SILENT. */
struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct listener_options options;
    struct tls_context *server, *client;
    const struct layer_kind *layer; /* what LAYER pushes */
    char cert[64], key[64];
    _Atomic int closed, drained, timeouts, start_tls_refused, layers;
};

static inline void echo_open(struct conn *c)
{
    buf_puts(conn_out(c), "hello\r\n");
    conn_flush(c);
}

static inline void echo_line(struct conn *c, struct fixture *f, str_t line)
{
    char text[ADDR_TEXT_BYTES];

    if (str_eq(line, S("STARTTLS"))) {
        buf_consume(conn_in(c), line.n + 2);
        buf_puts(conn_out(c), "go\r\n");
        if (conn_start_tls(c, f->server) != RC_OK)
            atomic_fetch_add(&f->start_tls_refused, 1);
        return;
    }
    if (str_eq(line, S("LAYER"))) {
        buf_consume(conn_in(c), line.n + 2);
        buf_puts(conn_out(c), "go\r\n");
        assert_int_equal(conn_push_layer(c, f->layer, NULL), RC_OK);
        return;
    }
    if (str_eq(line, S("WHO")))
        buf_puts(conn_out(c), addr_text(conn_peer(c), text));
    else if (str_eq(line, S("BIG")))
        memset(buf_reserve(conn_out(c), BIG_BYTES), 'x', BIG_BYTES),
            buf_commit(conn_out(c), BIG_BYTES);
    else if (str_eq(line, S("KEEP")))
        door_prove(conn_guest(c), DOOR_KEPT, clock_monotonic_ms());
    else if (str_eq(line, S("SILENT")))
        conn_set_timeout_ms(c, 30);
    else
        buf_put(conn_out(c), line);
    buf_puts(conn_out(c), "\r\n");
    if (str_eq(line, S("QUIT")))
        conn_close(c);
    buf_consume(conn_in(c), line.n + 2);
}

static inline void echo_input(struct conn *c)
{
    struct fixture *f = conn_listener_user(c);
    size_t end;

    while (!conn_is_closing(c) &&
           (end = str_find(buf_str(conn_in(c)), S("\r\n"))) != SIZE_MAX)
        echo_line(c, f, str_n(conn_in(c)->p, end));
    conn_flush(c);
}

static inline void echo_drain(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->drained, 1);
}

static inline void echo_layer(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->layers, 1);
}

static inline void echo_timeout(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->timeouts, 1);
    buf_puts(conn_out(c), "too slow\r\n");
    conn_close(c);
}

static inline void echo_close(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->closed, 1);
}

static const struct conn_handler echo = {
    .on_open = echo_open,
    .on_input = echo_input,
    .on_drain = echo_drain,
    .on_layer = echo_layer,
    .on_timeout = echo_timeout,
    .on_close = echo_close,
};

static inline struct deadline soon(void)
{
    return deadline_in_ms(WAIT_MS);
}

static inline void wait_for_count(_Atomic int *n, int at_least)
{
    struct deadline d = soon();

    while (atomic_load(n) < at_least && !deadline_passed(d))
        poll(NULL, 0, 1);
    assert_true(atomic_load(n) >= at_least);
}

static inline int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    struct tls_client_options client = { .min_version = TLS_VERSION_1_2 };
    struct tls_server_options server = { .cert_file = f->cert,
                                         .key_file = f->key,
                                         .min_version = TLS_VERSION_1_3,
                                         .alpn = "imap,smtp" };

    snprintf(f->cert, sizeof(f->cert), "/tmp/conn_test.%d.crt", (int)getpid());
    snprintf(f->key, sizeof(f->key), "/tmp/conn_test.%d.key", (int)getpid());
    test_certificate_write(f->cert, f->key, "mail.example");
    assert_int_equal(tls_server_new(&server, NULL, &f->server), RC_OK);
    client.ca_file = f->cert;
    assert_int_equal(tls_client_new(&client, NULL, &f->client), RC_OK);
    f->options =
        (struct listener_options){ .address = "127.0.0.1", .handler = &echo, .user = f };
    f->loop = loop_new("test");
    loop_start(f->loop);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    listener_free(&f->listener);
    loop_stop(f->loop);
    loop_free(&f->loop);
    tls_context_free(&f->server);
    tls_context_free(&f->client);
    unlink(f->cert);
    unlink(f->key);
    mem_free(f);
    return 0;
}

static inline void listen_now(struct fixture *f)
{
    assert_int_equal(listener_new(f->loop, &f->options, &f->listener), RC_OK);
}

static inline struct stream *dial(struct fixture *f)
{
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct stream *s = NULL;

    to.port = listener_port(f->listener);
    assert_int_equal(stream_connect(&to, soon(), &s), RC_OK);
    return s;
}

static inline void expect_line(struct stream *s, const char *text)
{
    str_t line;

    assert_int_equal(stream_read_line(s, 1000, soon(), &line), RC_OK);
    assert_int_equal(line.n, strlen(text));
    assert_memory_equal(line.p, text, line.n);
}

static inline void expect_closed(struct stream *s)
{
    char byte;
    size_t got;

    assert_int_equal(stream_read_some(s, &byte, 1, soon(), &got), RC_CLOSED);
}

static inline void say(struct stream *s, const char *text)
{
    assert_int_equal(stream_write(s, str_of(text), soon()), RC_OK);
}

static inline struct stream *dial_tls(struct fixture *f)
{
    struct stream *s = dial(f);

    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    return s;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
