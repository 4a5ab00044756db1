/* rate.h - how often somebody may do something: a token bucket for each key.
 *
 * In memory only and bounded: a table of fixed size.  A full bucket needs no entry, so
 * whoever is quiet costs nothing; when a corner of the table is crowded the entry that is
 * nearest to full makes room, which errs in favour of people.
 * Thread: any; one lock inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate;

struct rate_options {
    int64_t per_minute; /* refill; 0: not limited */
    int64_t burst;      /* size of the bucket, at least 1 */
    size_t keys;        /* room of the table; 0: 65536 */
};

struct rate *rate_new(const struct rate_options *o);
void rate_free(struct rate **r);

/* Take one token of the key (an account, a network) at monotonic time now_us.  False:
 * there is none, and *retry_ms (at least 1) tells when there will be. */
bool rate_take(struct rate *r, uint64_t key, int64_t now_us, int64_t *retry_ms);

/* The same, but takes none. */
bool rate_has(struct rate *r, uint64_t key, int64_t now_us, int64_t *retry_ms);

/* A token that was taken for something that turned out not to count. */
void rate_give_back(struct rate *r, uint64_t key, int64_t now_us);
