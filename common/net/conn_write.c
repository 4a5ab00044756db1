/* conn_write.c - output: what a session appended goes down the layers. */
#include "net/conn_private.h"

#include "base/clock.h"

enum {
    WRITES_PER_TURN = 16,
    DEFAULT_OUT_SOFT_BYTES = 256 * 1024,
    DEFAULT_STALL_MS = 60 * 1000,
};

size_t conn_unwritten(const struct conn *c)
{
    return c->out.n - c->out_sent;
}

bool conn_is_written(const struct conn *c)
{
    return conn_unwritten(c) == 0 && !c->kept_inside;
}

/* True when something went out. */
static bool write_some(struct conn *c, enum layer_io *io)
{
    size_t put = 0, before = c->out_sent;

    *io = LAYER_OK;
    for (int i = 0; i < WRITES_PER_TURN && conn_unwritten(c) > 0 && *io == LAYER_OK;
         i++) {
        *io = layer_write(&c->top, c->out.p + c->out_sent, conn_unwritten(c), &put);
        c->out_sent += put;
    }
    if (conn_unwritten(c) > 0 || *io != LAYER_OK)
        return c->out_sent != before;
    *io = layer_flush(&c->top, &put);
    c->kept_inside = *io != LAYER_OK;
    return c->out_sent != before || put > 0;
}

void conn_write(struct conn *c)
{
    int64_t stall_ms = conn_ms(c->options->conn.write_stall_ms, DEFAULT_STALL_MS);
    enum layer_io io;
    bool got_on;

    if (c->out.full) { /* something was left out: what follows would be nonsense */
        conn_abort(c);
        return;
    }
    got_on = write_some(c, &io);
    if (io == LAYER_ERROR || io == LAYER_CLOSED) {
        conn_abort(c);
        return;
    }
    if (conn_unwritten(c) == 0) {
        buf_fini(&c->out); /* an idle conn owns no buffers */
        c->out_sent = 0;
    }
    if (conn_is_written(c)) {
        c->stall_at = 0;
    } else {
        c->held = true;
        if (c->stall_at == 0 || got_on)
            c->stall_at = clock_monotonic_ms() + stall_ms;
        conn_arm(c);
    }
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
    size_t soft = conn_bytes(c->options->conn.out_soft_bytes, DEFAULT_OUT_SOFT_BYTES);

    return conn_unwritten(c) < soft ? soft - conn_unwritten(c) : 0;
}

bool conn_has_room(struct conn *c)
{
    if (conn_out_room(c) == 0)
        conn_flush(c);
    return !conn_is_closing(c) && conn_out_room(c) > 0;
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
        conn_abort(c);
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
    if (c->phase == CONN_OPEN && !c->held && (conn_unwritten(c) > 0 || c->out.full))
        conn_write(c);
    conn_watch(c);
}
