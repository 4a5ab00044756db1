/* dot_stuff.h - make the bytes of a message fit for SMTP's DATA.
 *
 * Doubles a dot at the beginning of a line and lets nothing but CRLF end a line: a lone
 * CR or LF becomes CRLF and a NUL is left out, because the receiver could read them as
 * the end of the message and take what follows for commands.  Works on pieces cut
 * anywhere.  Pure.  Thread: one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct dot_stuff {
    bool at_line_start;
    bool after_cr; /* the last byte was a CR that is not written yet */
};

void dot_stuff_init(struct dot_stuff *d);

/* Append the wire form of piece to out.  RC_LIMIT when out has no room; twice the piece
 * and two bytes are always enough. */
enum rc dot_stuff_feed(struct dot_stuff *d, str_t piece, struct buf *out) RC_CHECKED;

/* Append what ends the message, "." CRLF at the start of a line.  RFC 5321 4.1.1.4. */
enum rc dot_stuff_end(struct dot_stuff *d, struct buf *out) RC_CHECKED;
