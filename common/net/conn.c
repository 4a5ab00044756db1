/* conn.c - a small state machine around one socket.
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
#include "net/loop.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SCRATCH_BYTES = 16 * 1024, /* one TLS record */
    READS_PER_TURN = 4,        /* so that one busy peer leaves room for others */
    WRITES_PER_TURN = 16,
    PROXY_FIXED_BYTES = 16,
    DEFAULT_IN_BYTES = 64 * 1024,
    DEFAULT_OUT_SOFT_BYTES = 256 * 1024,
    DEFAULT_OUT_BYTES = 64 * 1024 * 1024,
    DEFAULT_HANDSHAKE_MS = 30 * 1000, /* when thousands come back at once, each waits */
    DEFAULT_STALL_MS = 60 * 1000,
    DEFAULT_CLOSE_MS = 5 * 1000,
};

static _Atomic uint64_t last_serial;

static size_t or_default(size_t value, size_t fallback)
{
    return value != 0 ? value : fallback;
}

static int64_t ms_or_default(int64_t value, int64_t fallback)
{
    return value != 0 ? value : fallback;
}

static size_t out_pending(const struct conn *c)
{
    return c->out.n - c->out_sent;
}

/* Deadlines. */

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void on_timer(uv_timer_t *timer);

static void arm(struct conn *c)
{
    int64_t at = earlier(earlier(c->phase_at, c->stall_at), c->timeout_at), now;

    if (c->phase == CONN_DEAD || at == 0 || (c->armed_at != 0 && c->armed_at <= at))
        return;
    now = clock_monotonic_ms();
    uv_update_time(c->timer.loop);
    uv_timer_start(&c->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
    c->armed_at = at;
}

static void set_phase(struct conn *c, enum conn_phase phase, int64_t deadline_ms)
{
    c->phase = phase;
    c->phase_at = deadline_ms == 0 ? 0 : clock_monotonic_ms() + deadline_ms;
    arm(c);
}

/* The end. */

static void on_handle_closed(uv_handle_t *h)
{
    struct conn *c = h->data;

    if (--c->handles > 0)
        return;
    if (c->opened)
        c->options->handler->on_close(c);
    if (c->tls != NULL)
        tls_free(&c->tls);
    buf_fini(&c->in);
    buf_fini(&c->out);
    listener_forget(c->listener, c);
    mem_free(c);
}

static void destroy(struct conn *c)
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
        return c->tls_events;
    case CONN_OPEN:
        if (!c->paused && !c->eof && c->in.n < c->in.max)
            /* No event tells of bytes that OpenSSL holds; a writable socket is one that
             * comes at once. */
            events |= UV_READABLE | c->tls_events | (c->more_inside ? UV_WRITABLE : 0);
        break;
    case CONN_START_TLS:
    case CONN_CLOSING:
        break;
    case CONN_DEAD:
        return 0;
    }
    if (out_pending(c) > 0 || c->held)
        events |= UV_WRITABLE;
    return events;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void update_poll(struct conn *c)
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

/* Bytes in and out, in the clear or through TLS. */

static enum tls_io read_bytes(struct conn *c, void *p, size_t n, size_t *got)
{
    ssize_t r;

    *got = 0;
    if (c->tls != NULL)
        return tls_read(c->tls, p, n, got);
    r = recv(c->fd, p, n, 0);
    if (r > 0)
        *got = (size_t)r;
    if (r >= 0)
        return r > 0 ? TLS_IO_OK : TLS_IO_CLOSED;
    return errno == EAGAIN || errno == EINTR ? TLS_IO_WANT_READ : TLS_IO_ERROR;
}

static enum tls_io write_bytes(struct conn *c, const void *p, size_t n, size_t *put)
{
    ssize_t r;

    *put = 0;
    if (c->tls != NULL)
        return tls_write(c->tls, p, n, put);
    r = send(c->fd, p, n, MSG_NOSIGNAL);
    if (r >= 0)
        *put = (size_t)r;
    if (r >= 0)
        return TLS_IO_OK;
    return errno == EAGAIN || errno == EINTR ? TLS_IO_WANT_WRITE : TLS_IO_ERROR;
}

/* Write until all is gone or the socket is full. */
static void write_out(struct conn *c)
{
    int64_t stall_ms = ms_or_default(c->options->conn.write_stall_ms, DEFAULT_STALL_MS);
    enum tls_io io = TLS_IO_OK;
    size_t put = 0, before = c->out_sent;

    if (c->out.full) { /* something was left out: what follows would be nonsense */
        destroy(c);
        return;
    }
    for (int i = 0; i < WRITES_PER_TURN && out_pending(c) > 0 && io == TLS_IO_OK; i++) {
        io = write_bytes(c, c->out.p + c->out_sent, out_pending(c), &put);
        c->out_sent += put;
    }
    if (io == TLS_IO_ERROR || io == TLS_IO_CLOSED) {
        destroy(c);
    } else if (out_pending(c) == 0) {
        buf_fini(&c->out); /* an idle conn owns no buffers */
        c->out_sent = 0;
        c->stall_at = 0;
    } else {
        c->held = true;
        if (c->stall_at == 0 || c->out_sent != before)
            c->stall_at = clock_monotonic_ms() + stall_ms;
        arm(c);
    }
}

/* Closing in order. */

static void begin_linger(struct conn *c)
{
    if (c->tls != NULL)
        tls_shutdown(c->tls);
    shutdown(c->fd, SHUT_WR);
    if (c->eof)
        destroy(c);
    else
        c->phase = CONN_LINGER; /* under the deadline that conn_close set */
}

/* However much comes: closing before it is read would be a reset, which takes our last
 * words from the peer.  The deadline ends it. */
static void linger(struct conn *c)
{
    char scratch[SCRATCH_BYTES];
    ssize_t n = 1;

    for (int i = 0; i < READS_PER_TURN && n > 0; i++)
        n = recv(c->fd, scratch, sizeof(scratch), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        destroy(c);
}

void conn_close(struct conn *c)
{
    if (c->phase >= CONN_CLOSING)
        return;
    if (c->phase < CONN_OPEN) {
        destroy(c);
        return;
    }
    c->timeout_at = 0;
    set_phase(c, CONN_CLOSING,
              ms_or_default(c->options->conn.close_ms, DEFAULT_CLOSE_MS));
    write_out(c);
    if (c->phase == CONN_CLOSING && out_pending(c) == 0)
        begin_linger(c);
    update_poll(c);
}

void conn_abort(struct conn *c)
{
    destroy(c);
}

bool conn_is_closing(const struct conn *c)
{
    return c->phase >= CONN_CLOSING;
}

/* Input for the session. */

static bool takes_input(const struct conn *c)
{
    return c->phase == CONN_OPEN && !c->paused;
}

static void end_of_input(struct conn *c, enum tls_io io)
{
    if (io == TLS_IO_CLOSED)
        c->eof = true;
    else if (io == TLS_IO_ERROR)
        destroy(c);
    else if (io == TLS_IO_WANT_WRITE)
        c->tls_events = UV_WRITABLE;
}

/* True when in has more than before. */
static bool read_in(struct conn *c)
{
    char scratch[SCRATCH_BYTES];
    size_t before = c->in.n, got = 0, room;
    enum tls_io io = TLS_IO_OK;

    c->tls_events = 0;
    c->more_inside = false;
    for (int i = 0; i < READS_PER_TURN && io == TLS_IO_OK; i++) {
        room = c->in.max - c->in.n;
        if (room == 0)
            break;
        io =
            read_bytes(c, scratch, room < sizeof(scratch) ? room : sizeof(scratch), &got);
        if (buf_append(&c->in, scratch, got) != RC_OK)
            io = TLS_IO_ERROR; /* there is no memory for it */
        if (c->tls == NULL && got < sizeof(scratch))
            break; /* the socket is empty, or at its end: the poll will tell */
        if (c->tls != NULL && io == TLS_IO_OK && !tls_has_pending(c->tls))
            break;
    }
    c->more_inside = c->tls != NULL && io == TLS_IO_OK && tls_has_pending(c->tls);
    end_of_input(c, io);
    return c->in.n > before;
}

static void tell_eof(struct conn *c)
{
    if (c->eof_told)
        return;
    c->eof_told = true;
    if (c->options->handler->on_eof != NULL)
        c->options->handler->on_eof(c);
    else
        conn_close(c);
}

/* One pass: read, offer, and say whether another pass may find something. */
static bool input_pass(struct conn *c, bool offer)
{
    bool fresh = !c->eof && c->in.n < c->in.max && read_in(c);

    if (!takes_input(c))
        return false;
    if (c->in.n > 0 && (fresh || offer)) {
        c->offer_again = false;
        c->options->handler->on_input(c);
        return takes_input(c) &&
               (c->offer_again || c->eof || (c->more_inside && c->in.n < c->in.max));
    }
    if (c->eof)
        tell_eof(c);
    return false;
}

/* offer: show the session also what it has seen before. */
static void run_input(struct conn *c, bool offer)
{
    bool again;

    if (c->in_turn) { /* called by the session from within on_input */
        c->offer_again = c->offer_again || offer;
        return;
    }
    c->in_turn = true;
    do {
        again = takes_input(c) && input_pass(c, offer);
        offer = c->offer_again;
        c->offer_again = false;
    } while (again);
    c->in_turn = false;
    if (c->phase != CONN_DEAD && c->in.n == 0)
        buf_fini(&c->in);
    update_poll(c);
}

void conn_pause_input(struct conn *c)
{
    c->paused = true;
    update_poll(c);
}

void conn_resume_input(struct conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    run_input(c, true);
}

/* The way to a session: PROXY header, admission, handshake. */

static void open_session(struct conn *c)
{
    bool first = !c->opened;

    door_step(&c->guest, clock_monotonic_ms());
    set_phase(c, CONN_OPEN, 0);
    if (first) {
        c->opened = true;
        listener_opened(c->listener, c);
        if (c->options->handler->on_open != NULL)
            c->options->handler->on_open(c);
    } else if (c->options->handler->on_tls != NULL) {
        c->options->handler->on_tls(c);
    }
    run_input(c, false); /* TLS may hold bytes that came with its last flight */
}

/* Who says nothing holds no memory of OpenSSL. */
static void handshake(struct conn *c)
{
    enum tls_io io;

    if (c->tls == NULL)
        c->tls = tls_accept_new(c->tls_next, c->fd);
    if (c->tls == NULL) {
        destroy(c);
        return;
    }
    io = tls_handshake(c->tls);
    if (io == TLS_IO_OK) {
        c->tls_events = 0;
        open_session(c);
    } else if (io == TLS_IO_WANT_READ) {
        c->tls_events = UV_READABLE;
    } else if (io == TLS_IO_WANT_WRITE) {
        c->tls_events = UV_WRITABLE;
    } else {
        log_debug("tls.refused", "conn=%llu reason=\"%s\"", (unsigned long long)c->serial,
                  tls_failure(c->tls, NULL));
        destroy(c);
    }
}

/* The deadline for the phase is set already: header and handshake share one. */
static void begin_handshake(struct conn *c, struct tls_context *tls)
{
    c->phase = CONN_HANDSHAKE;
    c->tls_next = tls;
    c->tls_events = UV_READABLE;
    update_poll(c);
}

static void refuse_busy(struct conn *c)
{
    if (c->options->tls != NULL || c->options->busy_text == NULL) {
        destroy(c);
        return;
    }
    c->phase = CONN_OPEN;
    buf_puts(&c->out, c->options->busy_text);
    conn_close(c);
}

void conn_show_out(struct conn *c)
{
    if (c->phase == CONN_OPEN && c->options->busy_text != NULL) {
        buf_puts(conn_out(c), c->options->busy_text);
        write_out(c);
    }
    destroy(c);
}

static void client_known(struct conn *c)
{
    if (listener_admit(c->listener, c) != RC_OK)
        refuse_busy(c);
    else if (c->options->tls != NULL)
        begin_handshake(c, c->options->tls);
    else
        open_session(c);
}

/* Take exactly the header from the socket: what follows is TLS's or the session's. */
static void read_proxy_header(struct conn *c)
{
    enum proxy_protocol_result result = PROXY_PROTOCOL_MORE;
    char scratch[PROXY_PROTOCOL_MAX_BYTES];
    struct addr client = c->peer;
    size_t need = PROXY_FIXED_BYTES - c->in.n, used;
    ssize_t n;

    if (c->in.n >= PROXY_FIXED_BYTES)
        need = PROXY_FIXED_BYTES + ((size_t)(unsigned char)c->in.p[14] << 8) +
               (unsigned char)c->in.p[15] - c->in.n;
    CHECK(need > 0 && need <= sizeof(scratch)); /* the parser has seen the length */
    n = recv(c->fd, scratch, need, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && buf_append(&c->in, scratch, (size_t)n) == RC_OK)
        result = proxy_protocol_parse(buf_str(&c->in), &client, &used);
    if (n <= 0 || result == PROXY_PROTOCOL_BAD) {
        log_debug("proxy_protocol.refused", "conn=%llu", (unsigned long long)c->serial);
        destroy(c);
    } else if (result != PROXY_PROTOCOL_MORE) {
        buf_fini(&c->in);
        if (result == PROXY_PROTOCOL_ADDRESS)
            c->peer = client;
        client_known(c);
    }
}

enum rc conn_start_tls(struct conn *c, struct tls_context *tls)
{
    CHECK(c->tls == NULL);
    if (c->phase != CONN_OPEN)
        return RC_CLOSED;
    if (c->in.n > 0) {
        destroy(c);
        return RC_INVALID;
    }
    c->tls_next = tls;
    set_phase(c, CONN_START_TLS,
              ms_or_default(c->options->conn.handshake_ms, DEFAULT_HANDSHAKE_MS));
    write_out(c);
    if (c->phase == CONN_START_TLS && out_pending(c) == 0)
        begin_handshake(c, tls);
    update_poll(c);
    return RC_OK;
}

/* Events. */

static void on_writable(struct conn *c)
{
    write_out(c);
    if (out_pending(c) > 0 || c->phase == CONN_DEAD)
        return;
    if (c->phase == CONN_CLOSING) {
        begin_linger(c);
    } else if (c->phase == CONN_START_TLS) {
        c->held = false;
        begin_handshake(c, c->tls_next);
    } else if (c->held) {
        c->held = false;
        if (c->options->handler->on_drain != NULL)
            c->options->handler->on_drain(c);
    }
}

static void on_open_events(struct conn *c, int events)
{
    bool read_waited = (c->tls_events & UV_WRITABLE) != 0 || c->more_inside;

    if (events & UV_WRITABLE)
        on_writable(c);
    if (((events & UV_READABLE) || read_waited) && takes_input(c))
        run_input(c, false);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;

    if (status < 0) {
        destroy(c);
        return;
    }
    switch (c->phase) {
    case CONN_PROXY:
        read_proxy_header(c);
        break;
    case CONN_HANDSHAKE:
        handshake(c);
        break;
    case CONN_OPEN:
        on_open_events(c, events);
        break;
    case CONN_START_TLS:
    case CONN_CLOSING:
        on_writable(c);
        break;
    case CONN_LINGER:
        linger(c);
        break;
    case CONN_DEAD:
        break;
    }
    update_poll(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    int64_t now = clock_monotonic_ms();

    c->armed_at = 0;
    if ((c->phase_at != 0 && c->phase_at <= now) ||
        (c->stall_at != 0 && c->stall_at <= now)) {
        destroy(c);
    } else if (c->timeout_at != 0 && c->timeout_at <= now) {
        c->timeout_at = 0;
        if (c->options->handler->on_timeout != NULL)
            c->options->handler->on_timeout(c);
        else
            conn_close(c);
    }
    arm(c);
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
    c->peer = *peer;
    c->serial = atomic_fetch_add(&last_serial, 1) + 1;
    buf_init(&c->in, or_default(o->conn.in_max_bytes, DEFAULT_IN_BYTES));
    buf_init(&c->out, or_default(o->conn.out_max_bytes, DEFAULT_OUT_BYTES));
    c->in.may_fail = c->out.may_fail = true;
    c->poll.data = c->timer.data = c;
    c->handles = 2;
    return c;
}

void conn_begin(struct conn *c)
{
    set_phase(c, CONN_PROXY,
              ms_or_default(c->options->conn.handshake_ms, DEFAULT_HANDSHAKE_MS));
    if (!c->options->proxy_protocol)
        client_known(c);
    update_poll(c);
}

/* What a session uses. */

struct buf *conn_in(struct conn *c)
{
    return &c->in;
}

struct buf *conn_out(struct conn *c)
{
    if (c->out_sent > 0) {
        buf_consume(&c->out, c->out_sent);
        c->out_sent = 0;
    }
    return &c->out;
}

size_t conn_out_room(const struct conn *c)
{
    size_t soft = or_default(c->options->conn.out_soft_bytes, DEFAULT_OUT_SOFT_BYTES);

    return out_pending(c) < soft ? soft - out_pending(c) : 0;
}

static void take_storage(struct buf *to, struct buf *from)
{
    size_t to_max = to->max;
    bool may_fail = to->may_fail;

    buf_fini(to);
    buf_swap(to, from);
    from->max = to->max;
    to->max = to_max;
    from->may_fail = to->may_fail;
    to->may_fail = may_fail;
}

enum rc conn_put_buf(struct conn *c, struct buf *b)
{
    struct buf *out = conn_out(c);

    if (b->full || b->n > out->max - out->n) {
        buf_clear(b);
        destroy(c);
        return RC_LIMIT;
    }
    if (out->n == 0 && b->arena == NULL)
        take_storage(out, b);
    else
        (void)buf_put(out, buf_str(b)); /* without memory the flush ends it */
    buf_clear(b);
    conn_flush(c);
    return RC_OK;
}

void conn_flush(struct conn *c)
{
    /* A socket that was full a moment ago is left to the poll. */
    if (c->phase == CONN_OPEN && !c->held && (out_pending(c) > 0 || c->out.full))
        write_out(c);
    update_poll(c);
}

bool conn_has_room(struct conn *c)
{
    if (conn_out_room(c) == 0)
        conn_flush(c);
    return !conn_is_closing(c) && conn_out_room(c) > 0;
}

void conn_set_timeout_ms(struct conn *c, int64_t ms)
{
    c->timeout_at = ms == 0 || c->phase >= CONN_CLOSING ? 0 : clock_monotonic_ms() + ms;
    arm(c);
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
    return c->tls != NULL;
}

const char *conn_tls_version(const struct conn *c)
{
    return c->tls != NULL ? tls_version_text(c->tls) : "";
}

const char *conn_tls_cipher(const struct conn *c)
{
    return c->tls != NULL ? tls_cipher_text(c->tls) : "";
}

str_t conn_tls_alpn(const struct conn *c)
{
    return c->tls != NULL ? tls_alpn(c->tls) : str_n(NULL, 0);
}

struct door_guest *conn_guest(struct conn *c)
{
    return &c->guest;
}

uint64_t conn_serial(const struct conn *c)
{
    return c->serial;
}
