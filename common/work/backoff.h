/* backoff.h - how long to wait before the next try of something that failed.
 *
 * Doubles from min_ms to max_ms and moves each wait by up to a quarter either way, so
 * that what failed together does not come back together.  Pure: the caller brings the
 * random number.  Thread: any.
 */
#pragma once

#include <stdint.h>

struct backoff {
    int64_t min_ms; /* wait after the first failure */
    int64_t max_ms; /* the mean wait never exceeds this */
};

/* failures counts from 1; random is any 64 bits.  At least 1 ms. */
int64_t backoff_ms(const struct backoff *b, int failures, uint64_t random);
