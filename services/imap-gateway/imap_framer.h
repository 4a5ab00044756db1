/* imap_framer.h - find the end of one IMAP command in a stream of bytes.
 *
 * Pure: no I/O, no allocation, no clock.  The caller keeps the bytes.  A line may end in
 * CRLF or in a bare LF.  A literal stops the framer, so that the caller can judge its
 * size before one byte of it is read.
 * Thread: any; one framer belongs to one connection.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum imap_frame {
    FRAME_MORE,     /* keep the bytes, come back with more */
    FRAME_COMMAND,  /* a whole command is there */
    FRAME_LITERAL,  /* a line ended in {n}: decide, then imap_framer_accept */
    FRAME_TOO_LONG, /* the line that begins at .line is over the limit */
};

/* The size of a literal that 32 bits do not hold. */
#define FRAME_LITERAL_HUGE UINT64_MAX

struct imap_framer {
    size_t scanned;        /* [bytes] looked at; beyond the input inside a literal */
    size_t line;           /* where the line that is being read began */
    size_t max_bytes;      /* limit for the whole command with its literals */
    uint64_t literal;      /* [bytes] announced by the last FRAME_LITERAL */
    bool literal_wait;     /* the client waits for "+" (no LITERAL+) */
    bool literal_accepted; /* between FRAME_LITERAL and imap_framer_accept: false */
    bool cut;              /* skipping: the line's beginning was dropped already */
};

void imap_framer_init(struct imap_framer *f, size_t max_bytes);

/* Examine n bytes at p, which begin at a command's first byte.
 * FRAME_COMMAND and FRAME_LITERAL store the length up to here in *used (the end of the
 * line included); otherwise *used is unchanged.  FRAME_LITERAL is repeated until the
 * caller accepts it or begins anew with imap_framer_init.
 * RFC 9051 2.2.1; {n+} is RFC 7888. */
enum imap_frame imap_framer_feed(struct imap_framer *f, const char *p, size_t n,
                                 size_t *used);

/* True when the announced literal leaves the whole command within its limit. */
bool imap_framer_literal_fits(const struct imap_framer *f);

/* The literal's bytes belong to the command: go on behind them. */
void imap_framer_accept(struct imap_framer *f);

/* Does a line, its end included, announce a literal?  Sets literal and literal_wait. */
bool imap_framer_announces(struct imap_framer *f, str_t line);

/* Passing over what is left of a command that was refused: first `literal` bytes, then
 * lines, and each literal that one of them announces without waiting for an answer: it
 * comes all the same (RFC 7888 4).  Returns how many of the n bytes at p may be dropped;
 * *done: the command ends behind them.  .literal tells how many more are known to come.
 */
void imap_framer_skip_from(struct imap_framer *f, uint64_t literal);
size_t imap_framer_skip(struct imap_framer *f, const char *p, size_t n, bool *done);
