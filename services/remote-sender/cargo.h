/* cargo.h - a parcel's message while it is written to a host: piece by piece, and ended
 * only under a lease that nobody else can have.
 *
 * Only one piece is in memory at a time, however large the message is.
 * Thread: the delivery's.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "transport.h"

struct arena;
struct dbs;
struct parcel;

struct cargo {
    struct parcel *parcel;
    struct dbs *dbs;
    struct arena *arena; /* reset with each piece; also for what is made of one */
    int64_t offset;      /* [bytes] of the stored message that were read */
    str_t first;         /* the piece that was read at the beginning */
    enum { CARGO_PREFIX, CARGO_FIRST, CARGO_REST } next;
};

/* From the beginning, for each host anew.  RC_NOT_FOUND: the message has expired. */
enum rc cargo_begin(struct cargo *c) RC_CHECKED;

/* What follows, valid until the next call; empty at the end. */
enum rc cargo_next(struct cargo *c, str_t *out) RC_CHECKED;

/* Right before a host is told that this was all.  TRANSPORT_OK: nobody else can send this
 * parcel for a while. */
enum transport_sent cargo_make_sure(struct cargo *c);

/* What an error of cargo_begin or cargo_next means. */
enum transport_sent cargo_failure(enum rc rc);
