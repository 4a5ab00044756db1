/* http_framer.h - follows the requests on a connection and lets proper ones through.
 *
 * Where two readers disagree about the end of a request, one can be smuggled past the
 * other (RFC 9112 11.2).  So this one is strict, and the server behind it has nothing to
 * decide: it sees one Host, at most one header about the length, every field on one line,
 * no origin before the path, chunks without extensions and no trailer.
 * A head that is not proper becomes a request that can come from here only, for the
 * target "*400/path": the server is to refuse it with this status, in its turn behind the
 * answers before it.  All that follows is dropped.
 *
 * Pure.  Thread: any; one framer belongs to one connection.
 * Limits: below; 400 for what is malformed, 414 and 431 for what is too long, 501 for
 * transfer codings besides "chunked", 505 for other versions than HTTP/1.
 */
#pragma once

#include "base/str.h"

#include <stdint.h>

struct buf;

enum {
    HTTP_FRAMER_LINE_BYTES = 8 * 1024,  /* request line */
    HTTP_FRAMER_HEAD_BYTES = 16 * 1024, /* request line and fields; a trailer */
    HTTP_FRAMER_FIELDS_MAX = 100,
    HTTP_FRAMER_CHUNK_LINE_BYTES = 256, /* a chunk's size and its extensions */
};

enum http_framer_state {
    HTTP_FRAMER_HEAD,
    HTTP_FRAMER_BODY,
    HTTP_FRAMER_CHUNK_SIZE,
    HTTP_FRAMER_CHUNK_DATA,
    HTTP_FRAMER_CHUNK_END, /* the line end behind the data */
    HTTP_FRAMER_TRAILER,
    HTTP_FRAMER_OVER, /* it has refused something */
};

/* Zero is a framer at the beginning of a connection. */
struct http_framer {
    enum http_framer_state state;
    size_t scanned; /* [bytes] of the line or head that are known not to end it */
    size_t line;    /* [bytes] where the last line of the head begins */
    uint64_t left;  /* [bytes] of the body or chunk */
    size_t trailer; /* [bytes] of it seen so far */
};

/* Takes what it can of in and appends to out what the server may see: at most twice as
 * much, and some hundred bytes.  Returns how many bytes of in are used up; the others
 * must come again, with more behind them. */
size_t http_framer_feed(struct http_framer *f, str_t in, struct buf *out);
