/* dkim_canon.h - the two forms in which DKIM sees headers and bodies.
 *
 * Pure.  Only CRLF ends a line; a CR or LF alone is a character like others.  A body is
 * fed in pieces of any size, and what comes out is given to a sink in pieces that mostly
 * are those of the input: the common case copies nothing.  RFC 6376 3.4.
 * Thread: any; one struct belongs to one body.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mail/header.h"

#include <stdbool.h>
#include <stdint.h>

enum dkim_canon { DKIM_CANON_SIMPLE, DKIM_CANON_RELAXED, DKIM_CANON_COUNT };

/* Append a field with its CRLF.  The buffer may become full. */
void dkim_canon_field(struct buf *to, enum dkim_canon canon,
                      const struct header_field *field);

/* piece is valid during the call only.  stuffing: it is the dot that SMTP puts before a
 * line that begins with one (RFC 5321 4.5.2), and belongs to what is canonical only for
 * who takes the body as it is in transit. */
typedef void (*dkim_canon_sink_fn)(void *context, str_t piece, bool stuffing);

struct dkim_canon_body {
    enum dkim_canon canon;
    dkim_canon_sink_fn sink;
    void *context;
    uint64_t held_lines; /* ends of lines that are only written before something else */
    bool held_blank;     /* relaxed: and one blank after them */
    bool after_cr;       /* the last piece ended with a CR */
    bool at_line_start;
    bool any; /* something was written */
};

void dkim_canon_body_init(struct dkim_canon_body *b, enum dkim_canon canon,
                          dkim_canon_sink_fn sink, void *context);
void dkim_canon_body_feed(struct dkim_canon_body *b, str_t piece);
void dkim_canon_body_end(struct dkim_canon_body *b);
