/* dkim_watch.h - what DKIM must know of a message, taken while it arrives.
 *
 * Stands before the spool: when the header has come, its signatures say which forms of
 * the body are to be hashed, and the rest is hashed as it goes by; without signatures it
 * is only passed on.  A header above HEADER_MAX_BYTES, with which a message is refused
 * anyway, has no signatures here.
 * In the message's arena, where a header with signatures takes a few times its length.
 * Thread: that which has the message.
 */
#pragma once

#include "base/str.h"
#include "mail/dkim_body.h"
#include "mail/dkim_signature.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct spool;

struct dkim_watch {
    str_t header; /* a copy; empty without signatures */
    struct dkim_signature *signatures;
    size_t count;
    struct dkim_body body;
    /* dkim_watch.c's */
    struct arena *arena;
    struct spool *spool;
    size_t header_bytes;
    unsigned matched; /* of the header's end */
    bool in_header;
};

struct dkim_watch *dkim_watch_new(struct arena *a, struct spool *spool);
void dkim_watch_free(struct dkim_watch **w); /* before the arena */

/* context is a struct dkim_watch (fits smtp_data_sink_fn). */
void dkim_watch_append(void *context, const char *p, size_t n);

/* That was all.  Before that nothing above is complete. */
void dkim_watch_end(struct dkim_watch *w);
