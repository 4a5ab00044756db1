/* https_bridge.c - copies between a connection and one end of a socket pair.
 *
 * Back-pressure both ways: while the pair does not take what it was sent, conn_in is
 * paused; while conn_out is full the pair is not read.
 *
 * The pair is made for the first request: who only keeps a connection, or sends a head
 * byte by byte, holds one descriptor and nothing of the server's.
 */
#include "net/https_bridge.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/door.h"
#include "net/http_framer.h"
#include "net/http_server.h"
#include "net/loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SCRATCH_BYTES = 16 * 1024,
    PENDING_MAX_BYTES = 256 * 1024, /* what http_framer makes of a full conn_in fits */
    FIRST_HEAD_MS = 30 * 1000,      /* afterwards the server looks after the time */
};

struct bridge {
    uv_poll_t poll;
    struct conn *conn;
    struct http_framer framer;
    struct buf pending; /* for the server, which did not take it yet */
    int fd;             /* -1: there is no pair yet */
    int events;
    bool client_done; /* the client sends no more */
    bool server_deaf; /* the server reads no more; what it said is still to be read */
    bool server_done; /* the server closed its end */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void update_poll(struct bridge *b)
{
    int events = 0;

    if (b->fd < 0)
        return;
    if (!b->server_done && conn_out_room(b->conn) > 0)
        events |= UV_READABLE;
    if (!b->server_done && b->pending.n > 0)
        events |= UV_WRITABLE;
    if (events == b->events)
        return;
    b->events = events;
    if (events == 0)
        uv_poll_stop(&b->poll);
    else
        uv_poll_start(&b->poll, events, on_poll);
}

static void end_of_server(struct bridge *b)
{
    b->server_done = true;
    conn_close(b->conn);
}

/* Whoever refuses a request by its head does not read its body, and the client, still
 * sending that, shall see the refusal: it may lie in the pair yet. */
static void forget_pending(struct bridge *b)
{
    b->server_deaf = true;
    buf_fini(&b->pending);
}

/* True when nothing is left to be sent. */
static bool send_pending(struct bridge *b)
{
    struct buf *out = &b->pending;
    ssize_t n = out->n > 0 ? send(b->fd, out->p, out->n, MSG_NOSIGNAL) : 0;

    if (n > 0)
        buf_consume(out, (size_t)n);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        forget_pending(b);
    else if (out->n > 0)
        conn_pause_input(b->conn);
    else
        buf_fini(out);
    return out->n == 0;
}

static bool make_pair(struct bridge *b)
{
    int pair[2];

    if (door_take_descriptors(conn_guest(b->conn), 2, clock_monotonic_ms()) != RC_OK)
        return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    if (uv_poll_init(loop_uv(conn_loop(b->conn)), &b->poll, pair[0]) != 0) {
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    b->fd = pair[0];
    b->poll.data = b;
    conn_set_timeout_ms(b->conn, 0);
    return http_server_adopt(conn_listener_user(b->conn), pair[1], conn_peer(b->conn)) ==
           RC_OK;
}

static void to_server(struct bridge *b)
{
    struct buf *in = conn_in(b->conn);

    if (!send_pending(b))
        return;
    if (b->server_deaf) {
        buf_consume(in, in->n);
        return;
    }
    buf_consume(in, http_framer_feed(&b->framer, buf_str(in), &b->pending));
    CHECK(!b->pending.full);
    if (b->fd < 0 && b->pending.n > 0 && !make_pair(b))
        conn_abort(b->conn);
    else if (b->fd < 0 && b->client_done)
        conn_close(b->conn);
    else if (b->fd >= 0 && send_pending(b) && b->client_done)
        shutdown(b->fd, SHUT_WR);
}

static void to_client(struct bridge *b)
{
    char scratch[SCRATCH_BYTES];
    size_t room = conn_out_room(b->conn);
    ssize_t n = recv(b->fd, scratch, room < sizeof(scratch) ? room : sizeof(scratch), 0);

    if (n > 0) {
        door_step(conn_guest(b->conn), clock_monotonic_ms());
        buf_append(conn_out(b->conn), scratch, (size_t)n);
        conn_flush(b->conn);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_of_server(b);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bridge *b = poll->data;

    if (status < 0) {  /* the server closed its end with something unread */
        b->events = 0; /* libuv has stopped the poll */
        forget_pending(b);
        events = UV_READABLE;
    }
    if (events & UV_WRITABLE) {
        to_server(b);
        if (b->pending.n == 0)
            conn_resume_input(b->conn);
    }
    if ((events & UV_READABLE) && !b->server_done && conn_out_room(b->conn) > 0)
        to_client(b);
    update_poll(b);
}

static void on_open(struct conn *c)
{
    struct bridge *b = mem_try_alloc(sizeof(*b));

    if (b == NULL) {
        conn_abort(c);
        return;
    }
    b->conn = c;
    b->fd = -1;
    buf_init(&b->pending, PENDING_MAX_BYTES);
    conn_set_user(c, b);
    conn_set_timeout_ms(c, FIRST_HEAD_MS);
}

static void on_input(struct conn *c)
{
    struct bridge *b = conn_user(c);

    if (b->server_done)
        return;
    to_server(b);
    update_poll(b);
}

static void on_drain(struct conn *c)
{
    update_poll(conn_user(c));
}

static bool is_within_body(const struct http_framer *f)
{
    return f->state != HTTP_FRAMER_HEAD && f->state != HTTP_FRAMER_OVER;
}

static void on_eof(struct conn *c)
{
    struct bridge *b = conn_user(c);

    b->client_done = true;
    to_server(b);
    /* In the middle of a body there is nothing to answer.  The library notices a socket
     * that is closed at once, but the end of input behind its last bytes not always. */
    if (is_within_body(&b->framer))
        conn_abort(c);
    else
        update_poll(b);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct bridge *b = h->data;

    close(b->fd);
    buf_fini(&b->pending);
    mem_free(b);
}

static void on_close(struct conn *c)
{
    struct bridge *b = conn_user(c);

    if (b == NULL) /* there was no memory for it */
        return;
    if (b->fd >= 0) {
        uv_close((uv_handle_t *)&b->poll, on_poll_closed);
        return;
    }
    buf_fini(&b->pending);
    mem_free(b);
}

const struct conn_handler *https_bridge_handler(void)
{
    static const struct conn_handler handler = { .on_open = on_open,
                                                 .on_input = on_input,
                                                 .on_drain = on_drain,
                                                 .on_eof = on_eof,
                                                 .on_close = on_close };

    return &handler;
}
