/* rate.h - how often one client network may ask for an account.
 *
 * A token bucket per network (IPv4 address, IPv6 /64) in a table of fixed size.  A full
 * bucket needs no entry, so quiet networks cost nothing; when a corner of the table is
 * crowded the entry that is nearest to full makes room, which errs in favour of people.
 * Thread: any; one lock inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate;

struct rate_options {
    unsigned per_minute; /* refill; 0: not limited */
    unsigned burst;      /* size of the bucket, at least 1 */
    size_t networks;     /* room of the table; 0: 65536 */
};

struct rate *rate_new(const struct rate_options *o);
void rate_free(struct rate **r);

/* Take one token of the network at monotonic time now_ms.  False: there is none, and
 * *retry_after_seconds (at least 1) tells when there will be. */
bool rate_take(struct rate *r, uint64_t network, int64_t now_ms,
               unsigned *retry_after_seconds);
