/* conn_open.c - the way to a session: PROXY header, admission, layers. */
#include "net/conn_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    PROXY_FIXED_BYTES = 16,
    DEFAULT_HANDSHAKE_MS = 30 * 1000, /* when thousands come back at once, each waits */
};

static int64_t handshake_ms(const struct conn *c)
{
    return conn_ms(c->options->conn.handshake_ms, DEFAULT_HANDSHAKE_MS);
}

/* Layers. */

static void open_session(struct conn *c)
{
    bool first = !c->opened;

    c->layer_events = 0;
    door_step(&c->guest, clock_monotonic_ms());
    conn_enter(c, CONN_OPEN, 0);
    if (first) {
        c->opened = true;
        listener_opened(c->listener, c);
        if (c->options->handler->on_open != NULL)
            c->options->handler->on_open(c);
    } else if (c->options->handler->on_layer != NULL) {
        c->options->handler->on_layer(c);
    }
    conn_read_run(c, false); /* a layer may hold bytes that came with its last flight */
}

/* A layer that takes early input is made at once, so that the session sees no more of it.
 * Others are made with the first event: who says nothing holds no memory of OpenSSL. */
static bool prepare(struct conn *c, const struct layer_kind *kind, void *from)
{
    struct layer pile = c->top;
    bool ok = true;

    c->coming = (struct layer){ kind, from };
    if (kind->takes_early) {
        ok = layer_push(&pile, kind, from, buf_str(&c->in));
        c->coming = ok ? pile : (struct layer){ 0 };
        buf_fini(&c->in);
    }
    return ok;
}

static bool push_coming(struct conn *c)
{
    const struct layer_kind *kind = c->coming.kind;
    void *state = c->coming.state;

    c->coming = (struct layer){ 0 };
    if (!kind->takes_early)
        return layer_push(&c->top, kind, state, S(""));
    c->top = (struct layer){ kind, state };
    return true;
}

void conn_forget_layers(struct conn *c)
{
    if (c->coming.kind != NULL && c->coming.kind->takes_early)
        push_coming(c);
    layer_free(&c->top);
}

void conn_handshake(struct conn *c)
{
    enum layer_io io;

    if (c->coming.kind != NULL && !push_coming(c)) {
        conn_abort(c);
        return;
    }
    io = layer_handshake(&c->top);
    if (io == LAYER_OK) {
        open_session(c);
    } else if (io == LAYER_WANT_READ) {
        c->layer_events = UV_READABLE;
    } else if (io == LAYER_WANT_WRITE) {
        c->layer_events = UV_WRITABLE;
    } else {
        log_debug("layer.refused", "conn=%llu layer=%s reason=\"%s\"",
                  (unsigned long long)c->serial, c->top.kind->name,
                  layer_failure(&c->top));
        conn_abort(c);
    }
}

/* The deadline for the phase is set already: header, or last words, and handshake share
 * one. */
void conn_begin_layer(struct conn *c)
{
    const struct layer_kind *kind = c->coming.kind;
    /* Nobody waits for the peer where there is nothing to shake hands about, or where
     * what it said is here already; a writable socket is an event that comes at once. */
    bool at_once =
        kind->handshake == NULL || (kind->takes_early && layer_has_pending(&c->coming));

    c->phase = CONN_HANDSHAKE;
    c->layer_events = at_once ? UV_WRITABLE : UV_READABLE;
    conn_watch(c);
}

enum rc conn_push_layer(struct conn *c, const struct layer_kind *kind, void *from)
{
    if (c->phase != CONN_OPEN)
        return RC_CLOSED;
    if (c->in.n > 0 && !kind->takes_early) {
        conn_abort(c);
        return RC_INVALID;
    }
    if (!prepare(c, kind, from)) {
        conn_abort(c);
        return RC_LIMIT;
    }
    conn_enter(c, CONN_PUSHING, handshake_ms(c));
    conn_write(c);
    if (c->phase == CONN_PUSHING && conn_is_written(c))
        conn_begin_layer(c);
    conn_watch(c);
    return RC_OK;
}

enum rc conn_start_tls(struct conn *c, struct tls_context *tls)
{
    CHECK(layer_is_socket(&c->top));
    return conn_push_layer(c, &tls_server_layer, tls);
}

/* Admission. */

static void refuse_busy(struct conn *c)
{
    if (c->options->tls != NULL || c->options->busy_text == NULL) {
        conn_abort(c);
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
        conn_write(c);
    }
    conn_abort(c);
}

static void client_known(struct conn *c)
{
    if (listener_admit(c->listener, c) != RC_OK) {
        refuse_busy(c);
    } else if (c->options->tls != NULL) {
        (void)prepare(c, &tls_server_layer, c->options->tls);
        conn_begin_layer(c);
    } else {
        open_session(c);
    }
}

/* Take exactly the header from the socket: what follows is TLS's or the session's. */
void conn_read_header(struct conn *c)
{
    enum proxy_protocol_result result = PROXY_PROTOCOL_MORE;
    char scratch[PROXY_PROTOCOL_MAX_BYTES];
    struct proxy_protocol said;
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
        result = proxy_protocol_parse(buf_str(&c->in), &said, &used);
    if (n <= 0 || result == PROXY_PROTOCOL_BAD) {
        log_debug("proxy_protocol.refused", "conn=%llu", (unsigned long long)c->serial);
        conn_abort(c);
    } else if (result != PROXY_PROTOCOL_MORE) {
        buf_fini(&c->in);
        if (result == PROXY_PROTOCOL_ADDRESS) {
            c->peer = said.client;
            c->tls_outside = said.tls;
        }
        client_known(c);
    }
}

void conn_begin(struct conn *c)
{
    conn_enter(c, CONN_PROXY, handshake_ms(c));
    if (!c->options->proxy_protocol)
        client_known(c);
    conn_watch(c);
}
