/* conn.c - a small state machine around one socket: its life, its deadlines, its events
 * and its end.
 *
 * Freeing is libuv's to time: a dead conn stays in memory until both its handles are
 * closed, at the end of the loop's turn, so code that just called a handler may still
 * look at its phase.
 *
 * Deadlines are numbers; the one timer is moved only when an earlier one appears, and
 * looks at all of them when it fires.  So a busy conn hardly ever touches the timer heap.
 */
#include "net/conn_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DEFAULT_IN_BYTES = 64 * 1024,
    DEFAULT_OUT_BYTES = 64 * 1024 * 1024,
    DEFAULT_CLOSE_MS = 5 * 1000,
};

static _Atomic uint64_t last_serial;

/* Deadlines. */

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void on_timer(uv_timer_t *timer);

void conn_arm(struct conn *c)
{
    int64_t at = earlier(earlier(c->phase_at, c->stall_at), c->timeout_at), now;

    if (c->phase == CONN_DEAD || at == 0 || (c->armed_at != 0 && c->armed_at <= at))
        return;
    now = clock_monotonic_ms();
    uv_update_time(c->timer.loop);
    uv_timer_start(&c->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
    c->armed_at = at;
}

void conn_enter(struct conn *c, enum conn_phase phase, int64_t deadline_ms)
{
    c->phase = phase;
    c->phase_at = deadline_ms == 0 ? 0 : clock_monotonic_ms() + deadline_ms;
    conn_arm(c);
}

/* The end. */

static void on_handle_closed(uv_handle_t *h)
{
    struct conn *c = h->data;

    if (--c->handles > 0)
        return;
    if (c->opened)
        c->options->handler->on_close(c);
    conn_forget_layers(c);
    buf_fini(&c->in);
    buf_fini(&c->out);
    listener_forget(c->listener, c);
    mem_free(c);
}

void conn_abort(struct conn *c)
{
    if (c->phase == CONN_DEAD)
        return;
    c->phase = CONN_DEAD;
    uv_close((uv_handle_t *)&c->poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    close(c->fd);
    c->fd = -1;
}

/* Which events the phase waits for. */

static int wanted_events(const struct conn *c)
{
    int events = 0;

    switch (c->phase) {
    case CONN_PROXY:
    case CONN_LINGER:
        return UV_READABLE;
    case CONN_HANDSHAKE:
        return c->layer_events;
    case CONN_OPEN:
        if (!c->paused && !c->eof && c->in.n < c->in.max)
            /* No event tells of bytes that a layer holds; a writable socket is one that
             * comes at once. */
            events |= UV_READABLE | c->layer_events | (c->more_inside ? UV_WRITABLE : 0);
        break;
    case CONN_PUSHING:
    case CONN_CLOSING:
        break;
    case CONN_DEAD:
        return 0;
    }
    if (!conn_is_written(c) || c->held)
        events |= UV_WRITABLE;
    return events;
}

static void on_poll(uv_poll_t *poll, int status, int events);

void conn_watch(struct conn *c)
{
    int events = wanted_events(c);

    if (c->phase == CONN_DEAD || events == c->events)
        return;
    c->events = events;
    if (events == 0)
        uv_poll_stop(&c->poll);
    else
        uv_poll_start(&c->poll, events, on_poll);
}

/* Closing in order. */

static void begin_linger(struct conn *c)
{
    layer_end(&c->top);
    shutdown(c->fd, SHUT_WR);
    if (c->eof)
        conn_abort(c);
    else
        c->phase = CONN_LINGER; /* under the deadline that conn_close set */
}

/* However much comes: closing before it is read would be a reset, which takes our last
 * words from the peer.  The deadline ends it. */
static void linger(struct conn *c)
{
    char scratch[CONN_READ_BYTES];
    ssize_t n = 1;

    for (int i = 0; i < CONN_READS_PER_TURN && n > 0; i++)
        n = recv(c->fd, scratch, sizeof(scratch), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        conn_abort(c);
}

void conn_close(struct conn *c)
{
    if (c->phase >= CONN_CLOSING)
        return;
    if (c->phase < CONN_OPEN) {
        conn_abort(c);
        return;
    }
    c->timeout_at = 0;
    conn_enter(c, CONN_CLOSING, conn_ms(c->options->conn.close_ms, DEFAULT_CLOSE_MS));
    conn_write(c);
    if (c->phase == CONN_CLOSING && conn_is_written(c))
        begin_linger(c);
    conn_watch(c);
}

bool conn_is_closing(const struct conn *c)
{
    return c->phase >= CONN_CLOSING;
}

/* Events. */

static void on_writable(struct conn *c)
{
    conn_write(c);
    if (!conn_is_written(c) || c->phase == CONN_DEAD)
        return;
    if (c->phase == CONN_CLOSING) {
        begin_linger(c);
    } else if (c->phase == CONN_PUSHING) {
        c->held = false;
        conn_begin_layer(c);
    } else if (c->held) {
        c->held = false;
        if (c->options->handler->on_drain != NULL)
            c->options->handler->on_drain(c);
    }
}

static void on_open_events(struct conn *c, int events)
{
    bool read_waited = (c->layer_events & UV_WRITABLE) != 0 || c->more_inside;

    if (events & UV_WRITABLE)
        on_writable(c);
    if (((events & UV_READABLE) || read_waited) && conn_takes_input(c))
        conn_read_run(c, false);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;

    if (status < 0) {
        conn_abort(c);
        return;
    }
    switch (c->phase) {
    case CONN_PROXY:
        conn_read_header(c);
        break;
    case CONN_HANDSHAKE:
        conn_handshake(c);
        break;
    case CONN_OPEN:
        on_open_events(c, events);
        break;
    case CONN_PUSHING:
    case CONN_CLOSING:
        on_writable(c);
        break;
    case CONN_LINGER:
        linger(c);
        break;
    case CONN_DEAD:
        break;
    }
    conn_watch(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    int64_t now = clock_monotonic_ms();

    c->armed_at = 0;
    if ((c->phase_at != 0 && c->phase_at <= now) ||
        (c->stall_at != 0 && c->stall_at <= now)) {
        conn_abort(c);
    } else if (c->timeout_at != 0 && c->timeout_at <= now) {
        c->timeout_at = 0;
        if (c->options->handler->on_timeout != NULL)
            c->options->handler->on_timeout(c);
        else
            conn_close(c);
    }
    conn_arm(c);
}

/* Birth. */

struct conn *conn_new(struct listener *l, const struct listener_options *o,
                      struct loop *loop, int fd, const struct addr *peer)
{
    struct conn *c = mem_try_alloc(sizeof(*c));

    if (c == NULL)
        return NULL;
    if (uv_poll_init(loop_uv(loop), &c->poll, fd) != 0) {
        mem_free(c);
        return NULL;
    }
    CHECK(uv_timer_init(loop_uv(loop), &c->timer) == 0);
    c->listener = l;
    c->options = o;
    c->loop = loop;
    c->fd = fd;
    layer_socket(&c->top, fd);
    c->peer = *peer;
    c->serial = atomic_fetch_add(&last_serial, 1) + 1;
    buf_init(&c->in, conn_bytes(o->conn.in_max_bytes, DEFAULT_IN_BYTES));
    buf_init(&c->out, conn_bytes(o->conn.out_max_bytes, DEFAULT_OUT_BYTES));
    c->in.may_fail = c->out.may_fail = true;
    c->poll.data = c->timer.data = c;
    c->handles = 2;
    return c;
}

/* What a session uses. */

void conn_set_timeout_ms(struct conn *c, int64_t ms)
{
    c->timeout_at = ms == 0 || c->phase >= CONN_CLOSING ? 0 : clock_monotonic_ms() + ms;
    conn_arm(c);
}

void conn_set_user(struct conn *c, void *user)
{
    c->user = user;
}

void *conn_user(const struct conn *c)
{
    return c->user;
}

void *conn_listener_user(const struct conn *c)
{
    return c->options->user;
}

struct listener *conn_listener(const struct conn *c)
{
    return c->listener;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

const struct addr *conn_peer(const struct conn *c)
{
    return &c->peer;
}

bool conn_is_tls(const struct conn *c)
{
    return c->tls_outside || tls_is_in(&c->top);
}

const char *conn_tls_version(const struct conn *c)
{
    return tls_version_text(&c->top);
}

const char *conn_tls_cipher(const struct conn *c)
{
    return tls_cipher_text(&c->top);
}

str_t conn_tls_alpn(const struct conn *c)
{
    return tls_alpn(&c->top);
}

struct door_guest *conn_guest(struct conn *c)
{
    return &c->guest;
}

uint64_t conn_serial(const struct conn *c)
{
    return c->serial;
}
