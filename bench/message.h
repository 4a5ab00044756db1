/* message.h - unique, incompressible mail of the shape that Delta Chat sends. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_BODY_MAX_BYTES = 24 << 20 };

/* Appends one message with dot and CRLF rules satisfied (no line begins with a dot),
 * without the final dot.  seq can be read back by message_seq; body_bytes is at most
 * MESSAGE_BODY_MAX_BYTES. */
void message_compose(struct buf *to, const char *from, uint64_t run, uint64_t seq,
                     size_t body_bytes);

/* Finds "Message-ID: <run.seq@localhost>" of this run in a header.  False: not there. */
bool message_seq(str_t header, uint64_t run, uint64_t *seq);
