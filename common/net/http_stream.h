/* http_stream.h - the body of a request on its way to a thread that reads it.
 *
 * The server's thread puts in what comes, the reader takes it out and answers; at most
 * buffer_bytes lie between them.  While there is no room, and from the end of the body to
 * the answer, the connection sleeps.  After the answer the rest of a body is thrown away,
 * up to discard_bytes, so that a client which is still sending sees what was said.
 *
 * Either side may go first: it has two owners.  Thread: as said; one lock inside.
 */
#pragma once

#include "base/clock.h"
#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_exchange;
struct http_stream;

struct http_stream_options {
    size_t buffer_bytes;
    uint64_t discard_bytes;
};

/* The reader's side; may block.  A piece is borrowed until the next call. */

/* RC_OK: at least that much (or a full buffer, or the whole body) is there.  For who
 * wants to hold nothing else while a client is slow. */
enum rc http_stream_wait(struct http_stream *s, size_t bytes,
                         struct deadline d) RC_CHECKED;
/* RC_NOT_FOUND: that was all; RC_CLOSED: the client is gone, before the end; RC_TIMEOUT.
 */
enum rc http_stream_read(struct http_stream *s, struct deadline d,
                         str_t *piece) RC_CHECKED;
/* Once: calls fill, which fills the response from the exchange's arena, unless nobody is
 * there to hear it. */
void http_stream_answer(struct http_stream *s,
                        void (*fill)(struct http_exchange *x, void *user), void *user);
void http_stream_drop(struct http_stream **s); /* of both sides */

/* The server's side: http_server.c's. */

struct http_stream_valve {
    void (*sleep)(void *connection); /* both under the lock; wake in any thread */
    void (*wake)(void *connection);
    void *connection;
    struct http_exchange *exchange;
};

struct http_stream *http_stream_new(const struct http_stream_options *o,
                                    const struct http_stream_valve *valve);
/* Takes *n bytes or fewer, and says how many; then the connection sleeps until there is
 * room.  RC_LIMIT: after the answer too much came. */
enum rc http_stream_put(struct http_stream *s, str_t piece, size_t *n) RC_CHECKED;
/* The body is whole.  True: the answer is there; else the connection sleeps. */
bool http_stream_end(struct http_stream *s);
void http_stream_gone(struct http_stream *s); /* the exchange and the connection are */
