/* parcel.h - one leased row on its way: the message for one destination.
 *
 * The lease says until when nobody else may send it.  The dispatcher renews it while the
 * parcel is in progress; right before the final dot the sender makes sure of it.
 * Thread: the row belongs to the thread that delivers; the lease is atomic.
 */
#pragma once

#include "base/arena.h"
#include "store/store_remote.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    PARCEL_LEASE_S = 120,
    PARCEL_RENEW_MS = 40 * 1000, /* after this long without a renewal */
    PARCEL_SPARE_MS = 15 * 1000, /* a lease that ends sooner is not relied on */
};

struct parcel {
    struct parcel *next;
    struct arena *arena; /* holds the row's texts */
    struct store_remote_row row;
    _Atomic int64_t leased_until_ms; /* monotonic; 0: lost to somebody else */
};

/* A copy of a row that was leased at claimed_ms. */
struct parcel *parcel_new(const struct store_remote_row *row, int64_t claimed_ms);
void parcel_free(struct parcel **p);

/* rc: what store_remote_extend said to a call made at asked_ms. */
void parcel_renewed(struct parcel *p, enum rc rc, int64_t asked_ms);
