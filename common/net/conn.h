/* conn.h - one accepted connection: socket, layers on it, bounded buffers, deadlines.
 *
 * A session (SMTP, IMAP) hangs on a conn by a table of handlers.  Handlers run on the
 * conn's loop and never block.  A session that is away in a worker keeps its own memory:
 * the conn may end meanwhile (on_close), so what the worker wrote is handed to the conn
 * on the loop (conn_put_buf) only if the session still has one.
 * Thread: the loop's, for everything here.
 */
#pragma once

#include "base/buf.h"
#include "base/rc.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct door_guest;
struct layer_kind;
struct loop;
struct tls_context;
struct listener;

/* All but on_input and on_close may be NULL. */
struct conn_handler {
    void (*on_open)(struct conn *c);  /* client address known, implicit TLS done */
    void (*on_input)(struct conn *c); /* new bytes in conn_in; consume what is used */
    void (*on_layer)(struct conn *c); /* what conn_push_layer was asked for is done */
    void (*on_drain)(struct conn *c); /* output was held up and is all written now */
    /* conn_set_timeout_ms ran out.  NULL: conn_close. */
    void (*on_timeout)(struct conn *c);
    /* The peer sends no more.  NULL: conn_close; otherwise the session must end it. */
    void (*on_eof)(struct conn *c);
    /* Last call; never made from within another call of a session.  c is gone after it.
     */
    void (*on_close)(struct conn *c);
};

struct conn_options {
    size_t in_max_bytes;    /* unconsumed input; reading stops there.  0: 64 KiB */
    size_t out_soft_bytes;  /* conn_out_room is 0 beyond.  0: 256 KiB */
    size_t out_max_bytes;   /* hard limit for unsent output.  0: 64 MiB */
    int64_t handshake_ms;   /* deadline for PROXY header and TLS.  0: 30 s */
    int64_t write_stall_ms; /* cut a peer that takes nothing for so long.  0: 60 s */
    int64_t close_ms;       /* deadline of conn_close.  0: 5 s */
};

/* Who consumes outside of on_input calls conn_flush afterwards: reading stops when this
 * is full, and goes on there. */
struct buf *conn_in(struct conn *c);
/* For appending only; bytes that are sent disappear from it at any time. */
struct buf *conn_out(struct conn *c);
/* Bytes that may be added before the soft limit. */
size_t conn_out_room(const struct conn *c);
/* May more be added?  Beyond the soft limit what can be sent is sent first.  False: the
 * conn is closing, or on_drain is owed. */
bool conn_has_room(struct conn *c);
/* Hand over all of b (its storage, when possible) and flush; b is empty afterwards.
 * RC_LIMIT: beyond the hard limit, the conn is aborted. */
enum rc conn_put_buf(struct conn *c, struct buf *b);
/* Send now what can be sent.  A session calls it at the end of its turn. */
void conn_flush(struct conn *c);

/* Paused, a conn reads nothing and notices no end of the peer.  Resuming calls on_input
 * from the loop when unconsumed input is there.  Counted: no. */
void conn_pause_input(struct conn *c);
void conn_resume_input(struct conn *c);

/* Send what is in conn_out as things are, then put a layer on top (net/layer.h); from,
 * which its kind is made from, stays the caller's and until on_layer.  Until then nothing
 * is read, and nothing may be added to conn_out.
 * Input that is buffered already goes to the layer, if its kind takes early input; of any
 * other whoever sits in between may be the author: RC_INVALID.  RC_LIMIT: no memory;
 * after both the conn is aborted.  RC_CLOSED: it is closing. */
enum rc conn_push_layer(struct conn *c, const struct layer_kind *kind, void *from);
/* The layer is that of a TLS server, which takes no input that came in the clear. */
enum rc conn_start_tls(struct conn *c, struct tls_context *tls);

/* Flush, end the layers, take in what the peer still sends (so that it sees our last
 * words instead of a reset), however much, close; at most close_ms.  on_input is not
 * called any more. */
void conn_close(struct conn *c);
void conn_abort(struct conn *c); /* at once */
bool conn_is_closing(const struct conn *c);

/* on_timeout once, unless it is set again before; 0: none. */
void conn_set_timeout_ms(struct conn *c, int64_t ms);

void conn_set_user(struct conn *c, void *user);
void *conn_user(const struct conn *c);
void *conn_listener_user(const struct conn *c); /* listener_options.user */
struct listener *conn_listener(const struct conn *c);
struct loop *conn_loop(const struct conn *c);
const struct addr *conn_peer(const struct conn *c);
bool conn_is_tls(const struct conn *c); /* here, or up to the proxy that says so */
const char *conn_tls_version(const struct conn *c); /* "" where it did not end here */
const char *conn_tls_cipher(const struct conn *c);
str_t conn_tls_alpn(const struct conn *c);
/* For what the door must know of a client's progress (net/door.h). */
struct door_guest *conn_guest(struct conn *c);
uint64_t conn_serial(const struct conn *c); /* unique in the process */
