/* smtp_framer.h - find one command line in a stream of bytes.
 *
 * Pure: no I/O, no allocation, no clock.  The caller keeps the bytes.  Only CRLF ends a
 * line; everything else that some server somewhere takes for a line end is an error,
 * which is what stops SMTP smuggling.  RFC 5321 2.3.8, 4.5.3.1.4.
 * Thread: any; one framer belongs to one connection.
 */
#pragma once

#include "base/str.h"

#include <stddef.h>

enum { SMTP_FRAMER_MAX_BYTES = 2048 };

enum smtp_frame {
    SMTP_FRAME_MORE,     /* keep the bytes, come back with more */
    SMTP_FRAME_LINE,     /* a whole line is there */
    SMTP_FRAME_TOO_LONG, /* the rest: answer 500 and close */
    SMTP_FRAME_BARE_CR,
    SMTP_FRAME_BARE_LF,
    SMTP_FRAME_NUL,
};

struct smtp_framer {
    size_t scanned;   /* [bytes] known to be good and without end of line */
    size_t max_bytes; /* limit for one line with its CRLF */
};

void smtp_framer_init(struct smtp_framer *f, size_t max_bytes);

/* in begins at a line's first byte and holds all that is buffered.  SMTP_FRAME_LINE
 * stores the line without CRLF and in *used its length with CRLF; nothing else changes
 * them. */
enum smtp_frame smtp_framer_feed(struct smtp_framer *f, str_t in, size_t *used,
                                 str_t *line);
