/* layer.h - what lies between a session and its socket: a pile of layers, each of which
 * makes other bytes of those that pass.
 *
 * The lowest is the socket.  TLS takes its place and has it inside; every other kind is
 * pushed on top of what is there, at the begin of a connection or in the middle of it,
 * and neither the session above nor the layer below knows.  A kind is one table of
 * functions and one file; whoever has a pile holds its topmost layer and calls the
 * functions below.
 *
 * What a kind promises:
 *   - nothing blocks; the socket is non-blocking, or its owner does not mind waiting;
 *   - memory is bounded, and an idle layer holds no buffers;
 *   - what write took is the layer's to keep, within bounds, until flush has got it out;
 *   - what read took from below and did not hand out yet shows in has_pending, because no
 *     event of the socket will tell of it.
 * Thread: that of the connection.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum layer_io {
    LAYER_OK,
    LAYER_WANT_READ,  /* go on when the socket is readable */
    LAYER_WANT_WRITE, /* go on when it is writable */
    LAYER_CLOSED,     /* the peer ended this layer in order */
    LAYER_ERROR,      /* the connection is dead */
};

struct layer_kind;

/* Two words by value, so that the socket and TLS need no memory of their own. */
struct layer {
    const struct layer_kind *kind;
    void *state;
};

/* state is what open returned.  Those marked so may be NULL. */
struct layer_kind {
    const char *name; /* for the log */
    /* This kind has the socket inside and lies on nothing.  Otherwise the state begins
     * with a struct layer, into which open copies `below`. */
    bool is_lowest;
    /* Bytes that came before the layer was there belong to it, if the peer sent them
     * without waiting.  Not so for TLS: they may be anybody's who sits in between. */
    bool takes_early;
    /* from: what the pusher gave; early: borrowed, empty unless takes_early.  NULL: there
     * is no memory. */
    void *(*open)(struct layer below, void *from, str_t early);
    void (*free)(void *state); /* of the layer itself, not of those below */
    /* LAYER_OK: done, read and write may be called.  NULL: there is none. */
    enum layer_io (*handshake)(void *state);
    /* LAYER_OK: at least one byte.  *got and *put are 0 at the call. */
    enum layer_io (*read)(void *state, void *p, size_t n, size_t *got);
    /* LAYER_OK: at least one byte was taken, maybe not all.  After LAYER_WANT_… the next
     * call has the same bytes, and maybe more behind them. */
    enum layer_io (*write)(void *state, const void *p, size_t n, size_t *put);
    /* Pass on what write took; *put: the bytes that went down in this call, so that a
     * peer that takes nothing is noticed.  NULL: nothing is ever kept. */
    enum layer_io (*flush)(void *state, size_t *put);
    bool (*has_pending)(void *state); /* NULL: never */
    /* Pass on what is kept and say goodbye, as far as that goes at once, without waiting
     * for theirs.  NULL: no word. */
    void (*end)(void *state);
    /* Why the last call was LAYER_ERROR; borrowed until the thread's next call.  NULL:
     * ask the one below. */
    const char *(*failure)(void *state);
};

void layer_socket(struct layer *top, int fd); /* a pile of nothing else; fd stays yours */
/* The descriptor, for a kind that takes the socket's place; CHECKs that it is one. */
int layer_fd(const struct layer *socket);
bool layer_is_socket(const struct layer *top);

/* Put a layer on top; false: there is no memory, and all is as before. */
bool layer_push(struct layer *top, const struct layer_kind *kind, void *from,
                str_t early);
void layer_free(struct layer *top); /* the whole pile */

/* The topmost layer's.  flush passes on what any layer keeps; has_pending is of all; end
 * ends one after the other from the top, all but the socket. */
enum layer_io layer_handshake(const struct layer *top);
enum layer_io layer_read(const struct layer *top, void *p, size_t n, size_t *got);
enum layer_io layer_write(const struct layer *top, const void *p, size_t n, size_t *put);
enum layer_io layer_flush(const struct layer *top, size_t *put);
bool layer_has_pending(const struct layer *top);
void layer_end(const struct layer *top);
const char *layer_failure(const struct layer *top);

/* The state of the layer of this kind; NULL: there is none. */
void *layer_find(const struct layer *top, const struct layer_kind *kind);
