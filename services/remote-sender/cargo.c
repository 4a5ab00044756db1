/* cargo.c - a parcel's message while it is written to a host. */
#include "cargo.h"

#include "base/arena.h"
#include "base/clock.h"
#include "dbs.h"
#include "mail/scrub.h"
#include "parcel.h"
#include "store/store_body.h"

enum { SLICE_BYTES = 256 * 1024 };

static enum rc read_slice(struct cargo *c, str_t *out)
{
    const struct store_remote_row *row = &c->parcel->row;
    struct db *db = dbs_take(c->dbs);
    enum rc rc;

    arena_reset(c->arena);
    rc = store_body_read(c->arena, db, row->body_id, row->size, c->offset, SLICE_BYTES,
                         out);
    dbs_give(c->dbs, db);
    if (rc == RC_OK && out->n == 0)
        rc = RC_NOT_FOUND;
    if (rc == RC_OK)
        c->offset += (int64_t)out->n;
    return rc;
}

enum rc cargo_begin(struct cargo *c)
{
    c->offset = 0;
    c->next = CARGO_PREFIX;
    return read_slice(c, &c->first);
}

enum rc cargo_next(struct cargo *c, str_t *out)
{
    enum rc rc = RC_OK;

    *out = (str_t){ 0 };
    while (rc == RC_OK && out->n == 0) {
        if (c->next == CARGO_PREFIX) {
            *out = c->parcel->row.prefix;
            c->next = CARGO_FIRST;
        } else if (c->next == CARGO_FIRST) {
            *out = scrub_without_return_path(c->first);
            c->next = CARGO_REST;
        } else if (c->offset < c->parcel->row.size) {
            rc = read_slice(c, out);
        } else {
            break;
        }
    }
    return rc;
}

enum transport_sent cargo_make_sure(struct cargo *c)
{
    struct parcel *p = c->parcel;
    int64_t now = clock_monotonic_ms();
    int64_t until = p->leased_until_ms;
    struct db *db;
    enum rc rc;

    if (until == 0)
        return TRANSPORT_LOST;
    if (until - now > PARCEL_SPARE_MS)
        return TRANSPORT_OK;
    db = dbs_take(c->dbs);
    rc = store_remote_extend(db, &p->row, PARCEL_LEASE_S);
    dbs_give(c->dbs, db);
    parcel_renewed(p, rc, now);
    return rc == RC_OK         ? TRANSPORT_OK
           : rc == RC_CONFLICT ? TRANSPORT_LOST
                               : TRANSPORT_OUR_FAULT;
}

enum transport_sent cargo_failure(enum rc rc)
{
    return rc == RC_NOT_FOUND ? TRANSPORT_NO_BODY : TRANSPORT_OUR_FAULT;
}
