/* conn_private.h - what conn.c and listener.c share of a connection.  Nobody else. */
#pragma once

#include "base/buf.h"
#include "net/addr.h"
#include "net/conn.h"
#include "net/door.h"
#include "net/listener.h"
#include "net/loop.h"

#include <stdint.h>

struct tls;

/* In this order; a conn never goes back, except from CONN_OPEN through START_TLS and
 * HANDSHAKE to CONN_OPEN once. */
enum conn_phase {
    CONN_PROXY,     /* reads the PROXY header */
    CONN_HANDSHAKE, /* TLS */
    CONN_OPEN,      /* a session has it */
    CONN_START_TLS, /* writes the last clear bytes before the handshake */
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
    struct tls *tls; /* NULL: in the clear */
    struct tls_context *tls_next;
    void *user;
    struct buf in, out;
    size_t out_sent;  /* [bytes] of out that are written */
    int64_t phase_at; /* deadlines [ms], 0: none */
    int64_t stall_at;
    int64_t timeout_at;
    int64_t armed_at; /* when the timer fires */
    uint64_t serial;
    int fd;
    int events;     /* that poll is started for */
    int tls_events; /* that the handshake, or a read, waits for */
    enum conn_phase phase;
    struct addr peer;
    uint8_t handles; /* libuv's, not yet closed */
    bool opened;     /* on_open was called: on_close is owed */
    bool paused;
    bool eof, eof_told;
    bool in_turn, offer_again; /* run_input is active; input is to be offered once more */
    bool more_inside;          /* reading stopped early and OpenSSL has more */
    bool held;                 /* output met a full socket: on_drain is owed */
};

/* conn.c: takes the fd over, unless there is no memory, or the kernel refuses to watch
 * it: NULL.  peer is the socket's. */
struct conn *conn_new(struct listener *l, const struct listener_options *o,
                      struct loop *loop, int fd, const struct addr *peer);
void conn_begin(struct conn *c);
void conn_show_out(struct conn *c); /* its place was given away: a word, and the end */

/* listener.c: the client is known; RC_LIMIT: no room for it. */
enum rc listener_admit(struct listener *l, struct conn *c) RC_CHECKED;
void listener_opened(struct listener *l, struct conn *c);
/* The last word about c, whose memory is gone after it. */
void listener_forget(struct listener *l, struct conn *c);
