/* conn_private.h - what listener.c and the files of conn.h share of a connection: conn.c
 * (life, deadlines, events, the end), conn_open.c (the way to a session), conn_read.c and
 * conn_write.c.  Nobody else. */
#pragma once

#include "base/buf.h"
#include "net/addr.h"
#include "net/conn.h"
#include "net/door.h"
#include "net/layer.h"
#include "net/listener.h"
#include "net/loop.h"

#include <stdint.h>

enum {
    CONN_READ_BYTES = 16 * 1024, /* at once: one TLS record */
    CONN_READS_PER_TURN = 4,     /* so that one busy peer leaves room for others */
};

/* In this order; a conn never goes back, except from CONN_OPEN through CONN_PUSHING and
 * CONN_HANDSHAKE to CONN_OPEN with each layer that is pushed. */
enum conn_phase {
    CONN_PROXY,     /* reads the PROXY header */
    CONN_HANDSHAKE, /* the next layer's */
    CONN_OPEN,      /* a session has it */
    CONN_PUSHING,   /* writes the last bytes that go without the next layer */
    CONN_CLOSING,   /* writes what is left */
    CONN_LINGER,    /* all is written; waits for the peer to close */
    CONN_DEAD,      /* waits for libuv to let go */
};

struct conn {
    uv_poll_t poll;
    uv_timer_t timer; /* for the earliest of the deadlines below */
    struct listener *listener;
    const struct listener_options *options; /* the listener's */
    struct loop *loop;
    struct conn *prev, *next; /* the listener's list */
    struct door_guest guest;
    struct layer top; /* the pile of layers on the socket */
    /* To be pushed: the pile as it will be if the kind takes_early, otherwise the kind
     * and what its layer is made from.  No kind: nothing. */
    struct layer coming;
    void *user;
    struct buf in, out;
    size_t out_sent;  /* [bytes] of out that are written */
    int64_t phase_at; /* deadlines [ms], 0: none */
    int64_t stall_at;
    int64_t timeout_at;
    int64_t armed_at; /* when the timer fires */
    uint64_t serial;
    int fd;
    enum conn_phase phase;
    struct addr peer;
    uint8_t events;       /* that poll is started for */
    uint8_t layer_events; /* that the handshake, or a read, waits for */
    uint8_t handles;      /* libuv's, not yet closed */
    bool tls_outside;     /* a proxy that is trusted has ended the client's TLS */
    bool opened;          /* on_open was called: on_close is owed */
    bool paused;
    bool eof, eof_told;
    bool in_turn, offer_again; /* conn_read_run is active; offer the input once more */
    bool more_inside;          /* reading stopped early and a layer has more */
    bool kept_inside;          /* all of out is written, but a layer keeps some of it */
    bool held;                 /* output met a full socket: on_drain is owed */
};

static inline int64_t conn_ms(int64_t configured, int64_t standard)
{
    return configured != 0 ? configured : standard;
}

static inline size_t conn_bytes(size_t configured, size_t standard)
{
    return configured != 0 ? configured : standard;
}

/* conn.c.  new: takes the fd over, unless there is no memory, or the kernel refuses to
 * watch it: NULL.  peer is the socket's. */
struct conn *conn_new(struct listener *l, const struct listener_options *o,
                      struct loop *loop, int fd, const struct addr *peer);
void conn_enter(struct conn *c, enum conn_phase phase, int64_t deadline_ms); /* 0: none */
void conn_arm(struct conn *c); /* after a deadline was set */
/* After anything that changes which events are waited for. */
void conn_watch(struct conn *c);

/* conn_open.c.  show_out: its place was given away: a word, and the end. */
void conn_begin(struct conn *c);
void conn_show_out(struct conn *c);
void conn_read_header(struct conn *c);   /* CONN_PROXY */
void conn_begin_layer(struct conn *c);   /* all that goes without it is written */
void conn_handshake(struct conn *c);     /* CONN_HANDSHAKE */
void conn_forget_layers(struct conn *c); /* the last thing */

/* conn_read.c.  offer: show the session also what it has seen before. */
void conn_read_run(struct conn *c, bool offer);
bool conn_takes_input(const struct conn *c);

/* conn_write.c: all that there is, or until the socket is full. */
void conn_write(struct conn *c);
bool conn_is_written(const struct conn *c);
size_t conn_unwritten(const struct conn *c); /* [bytes] of out */

/* listener.c: the client is known; RC_LIMIT: no room for it. */
enum rc listener_admit(struct listener *l, struct conn *c) RC_CHECKED;
void listener_opened(struct listener *l, struct conn *c);
/* The last word about c, whose memory is gone after it. */
void listener_forget(struct listener *l, struct conn *c);
