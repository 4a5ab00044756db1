/* conn_read.c - input: what comes up the layers is offered to the session. */
#include "net/conn_private.h"

bool conn_takes_input(const struct conn *c)
{
    return c->phase == CONN_OPEN && !c->paused;
}

static void end_of_input(struct conn *c, enum layer_io io)
{
    if (io == LAYER_CLOSED)
        c->eof = true;
    else if (io == LAYER_ERROR)
        conn_abort(c);
    else if (io == LAYER_WANT_WRITE)
        c->layer_events = UV_WRITABLE;
}

/* After a read of got bytes: may another one find something? */
static bool may_have_more(const struct conn *c, size_t got)
{
    /* A bare socket that gave less than was asked is empty, or at its end: the poll will
     * tell. */
    return layer_is_socket(&c->top) ? got == CONN_READ_BYTES : layer_has_pending(&c->top);
}

/* True when in has more than before. */
static bool read_in(struct conn *c)
{
    char scratch[CONN_READ_BYTES];
    size_t before = c->in.n, got = 0, room;
    enum layer_io io = LAYER_OK;

    c->layer_events = 0;
    for (int i = 0; i < CONN_READS_PER_TURN && io == LAYER_OK; i++) {
        room = c->in.max - c->in.n;
        if (room == 0)
            break;
        io = layer_read(&c->top, scratch, room < sizeof(scratch) ? room : sizeof(scratch),
                        &got);
        if (buf_append(&c->in, scratch, got) != RC_OK)
            io = LAYER_ERROR; /* there is no memory for it */
        if (!may_have_more(c, got))
            break;
    }
    c->more_inside = io == LAYER_OK && layer_has_pending(&c->top);
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

    if (!conn_takes_input(c))
        return false;
    if (c->in.n > 0 && (fresh || offer)) {
        c->offer_again = false;
        c->options->handler->on_input(c);
        return conn_takes_input(c) &&
               (c->offer_again || c->eof || (c->more_inside && c->in.n < c->in.max));
    }
    if (c->eof)
        tell_eof(c);
    return false;
}

void conn_read_run(struct conn *c, bool offer)
{
    bool again;

    if (c->in_turn) { /* called by the session from within on_input */
        c->offer_again = c->offer_again || offer;
        return;
    }
    c->in_turn = true;
    do {
        again = conn_takes_input(c) && input_pass(c, offer);
        offer = c->offer_again;
        c->offer_again = false;
    } while (again);
    c->in_turn = false;
    if (c->phase != CONN_DEAD && c->in.n == 0)
        buf_fini(&c->in);
    conn_watch(c);
}

struct buf *conn_in(struct conn *c)
{
    return &c->in;
}

void conn_pause_input(struct conn *c)
{
    c->paused = true;
    conn_watch(c);
}

void conn_resume_input(struct conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    conn_read_run(c, true);
}
