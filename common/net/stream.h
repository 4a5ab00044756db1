/* stream.h - a client connection, written top to bottom: each call ends by its deadline.
 *
 * For threads that may block (remote-sender, tools, tests), never on a loop.
 * RC_TIMEOUT: the deadline passed; RC_CLOSED: the peer went; RC_RETRY: no connection.
 * After any error but RC_LIMIT of stream_read_line the stream can only be closed.
 * Thread: one owner at a time.
 */
#pragma once

#include "base/clock.h"
#include "base/rc.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct stream;

enum { STREAM_LINE_MAX_BYTES = 64 * 1024 };

enum rc stream_connect(const struct addr *to, struct deadline d,
                       struct stream **out) RC_CHECKED;
/* The same in two steps, for who must be able to shut the socket meanwhile: the first
 * does not wait; after a failure of the second the stream can only be closed. */
enum rc stream_begin(const struct addr *to, struct stream **out) RC_CHECKED;
enum rc stream_finish(struct stream *s, struct deadline d) RC_CHECKED;
void stream_close(struct stream **s); /* close_notify, best effort, no wait */

/* RC_INVALID: bytes arrived in the clear before the handshake (an injection);
 * RC_DENIED: the certificate is not acceptable; RC_RETRY: the handshake failed;
 * stream_failure has the reason. */
enum rc stream_start_tls(struct stream *s, struct tls_context *ctx, const char *name,
                         enum tls_verify verify, struct deadline d) RC_CHECKED;

/* Any other layer on top (net/layer.h); the same errors. */
enum rc stream_push_layer(struct stream *s, const struct layer_kind *kind, void *from,
                          struct deadline d) RC_CHECKED;

/* One line without its CR LF (or LF), borrowed until the next call.  RC_LIMIT: longer
 * than max_bytes. */
enum rc stream_read_line(struct stream *s, size_t max_bytes, struct deadline d,
                         str_t *line) RC_CHECKED;
/* The same, cut: what is beyond max_bytes is read and thrown away, up to
 * STREAM_LINE_MAX_BYTES in all, which is RC_LIMIT. */
enum rc stream_read_cut_line(struct stream *s, size_t max_bytes, struct deadline d,
                             str_t *line) RC_CHECKED;
/* What is there, at least one byte, at most n. */
enum rc stream_read_some(struct stream *s, void *p, size_t n, struct deadline d,
                         size_t *got) RC_CHECKED;
enum rc stream_write(struct stream *s, str_t bytes, struct deadline d) RC_CHECKED;

const char *stream_tls_version(const struct stream *s);
const char *stream_failure(const struct stream *s); /* "" when nothing failed */
int stream_fd(const struct stream *s);
