/* scripted_peer.h - a host for tests that says and expects what a script tells.
 *
 * Everything is static, so that each test program carries what it uses.
 */
#pragma once

#include "base/buf.h"
#include "base/deadline.h"
#include "net/addr.h"
#include "net/stream.h"
#include "net/test_certificate.h"
#include "net/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A script line: "S text" is sent, "C text" must be what the client says next (a prefix),
 * "R text" is sent without a line end, "TLS" answers a handshake, "END" expects the
 * client to close, "DATA" takes a message up to its dot, "NEXT" ends this connection and
 * waits for another one. */
struct peer {
    const char *const *script;
    int listener, fd;
    struct tls_context *ctx;
    struct layer top;
    struct buf in, message; /* message: as it came, without the dot */
    pthread_t thread;
    char problem[400];
};

static char cert_file[64], key_file[64];
static struct tls_context *server_ctx;   /* of peers: a certificate for mx.test */
static struct tls_context *strict_ctx;   /* of clients: does not trust it */
static struct tls_context *trusting_ctx; /* does */

static void wait_for(struct peer *p, short events)
{
    struct pollfd f = { .fd = p->fd, .events = events };

    (void)poll(&f, 1, 5000);
}

static bool peer_write(struct peer *p, const char *s, size_t n)
{
    while (n > 0) {
        size_t put;

        if (layer_write(&p->top, s, n, &put) != LAYER_OK)
            return false;
        s += put;
        n -= put;
    }
    return true;
}

/* False at the end of the connection. */
static bool peer_fill(struct peer *p)
{
    char piece[4096];
    size_t got;
    enum layer_io io = layer_read(&p->top, piece, sizeof(piece), &got);

    if (io == LAYER_WANT_READ && !layer_is_socket(&p->top)) { /* half a record */
        wait_for(p, POLLIN);
        return true;
    }
    return io == LAYER_OK && buf_append(&p->in, piece, got) == RC_OK;
}

static bool peer_expect(struct peer *p, const char *want)
{
    size_t end;
    bool ok;

    while ((end = str_find(buf_str(&p->in), S("\r\n"))) == SIZE_MAX)
        if (!peer_fill(p)) {
            snprintf(p->problem, sizeof(p->problem), "closed, wanted '%s'", want);
            return false;
        }
    ok = str_starts(str_head(buf_str(&p->in), end), str_of(want));
    if (!ok)
        snprintf(p->problem, sizeof(p->problem), "got '%.*s', wanted '%s'",
                 (int)(end < 200 ? end : 200), p->in.p, want);
    buf_consume(&p->in, end + 2);
    return ok;
}

static bool peer_tls(struct peer *p)
{
    enum layer_io io;

    if (!layer_push(&p->top, &tls_server_layer, p->ctx, S("")))
        return false;
    while ((io = layer_handshake(&p->top)) == LAYER_WANT_READ || io == LAYER_WANT_WRITE)
        wait_for(p, io == LAYER_WANT_READ ? POLLIN : POLLOUT);
    return io == LAYER_OK;
}

static bool peer_end(struct peer *p)
{
    while (peer_fill(p))
        if (p->in.n > 0 && !str_starts(buf_str(&p->in), S("QUIT"))) {
            snprintf(p->problem, sizeof(p->problem), "unexpected: %.*s", (int)p->in.n,
                     p->in.p);
            return false;
        }
    return true;
}

static bool peer_data(struct peer *p)
{
    size_t end;

    buf_clear(&p->message);
    while ((end = str_find(buf_str(&p->in), S("\r\n.\r\n"))) == SIZE_MAX)
        if (!peer_fill(p)) {
            snprintf(p->problem, sizeof(p->problem), "closed within the message");
            return false;
        }
    buf_append(&p->message, p->in.p, end + 2);
    buf_consume(&p->in, end + 5);
    return true;
}

static void peer_accept(struct peer *p)
{
    struct timeval patience = { .tv_sec = 10 };

    p->fd = accept(p->listener, NULL, NULL);
    layer_socket(&p->top, p->fd);
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static void peer_hang_up(struct peer *p)
{
    layer_free(&p->top);
    close(p->fd);
    buf_clear(&p->in);
}

static bool peer_step(struct peer *p, const char *line)
{
    if (strcmp(line, "TLS") == 0)
        return peer_tls(p);
    if (strcmp(line, "END") == 0)
        return peer_end(p);
    if (strcmp(line, "DATA") == 0)
        return peer_data(p);
    if (strcmp(line, "NEXT") == 0) {
        peer_hang_up(p);
        peer_accept(p);
        return true;
    }
    if (line[0] == 'C')
        return peer_expect(p, line + 2);
    return peer_write(p, line + 2, strlen(line + 2)) &&
           (line[0] == 'R' || peer_write(p, "\r\n", 2));
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;

    peer_accept(p);
    for (size_t i = 0; p->script[i] != NULL; i++)
        if (!peer_step(p, p->script[i]))
            break;
    peer_hang_up(p);
    return NULL;
}

/* Starts the script on a port of its own. */
static struct addr begin(struct peer *p, const char *const *script)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    struct addr to;

    memset(p, 0, sizeof(*p));
    p->script = script;
    p->ctx = server_ctx;
    buf_init(&p->in, 1 << 24);
    buf_init(&p->message, 1 << 24);
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(p->listener, 1), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &n), 0);
    assert_true(addr_from_sockaddr((struct sockaddr *)&a, n, &to));
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    return to;
}

static void end(struct peer *p)
{
    pthread_join(p->thread, NULL);
    close(p->listener);
    buf_fini(&p->in);
    buf_fini(&p->message);
    if (p->problem[0] != '\0')
        fail_msg("%s", p->problem);
}

static int make_contexts(void **state)
{
    struct tls_server_options s = { .cert_file = cert_file,
                                    .key_file = key_file,
                                    .min_version = TLS_VERSION_1_2 };
    struct tls_client_options c = { .min_version = TLS_VERSION_1_2 };

    (void)state;
    snprintf(cert_file, sizeof(cert_file), "/tmp/smtp_client_test.%d.crt", getpid());
    snprintf(key_file, sizeof(key_file), "/tmp/smtp_client_test.%d.key", getpid());
    test_certificate_write(cert_file, key_file, "mx.test");
    if (tls_server_new(&s, NULL, &server_ctx) != RC_OK ||
        tls_client_new(&c, NULL, &strict_ctx) != RC_OK)
        return -1;
    c.ca_file = cert_file;
    return tls_client_new(&c, NULL, &trusting_ctx) == RC_OK ? 0 : -1;
}

static int drop_contexts(void **state)
{
    (void)state;
    tls_context_free(&server_ctx);
    tls_context_free(&strict_ctx);
    tls_context_free(&trusting_ctx);
    unlink(cert_file);
    unlink(key_file);
    return 0;
}
