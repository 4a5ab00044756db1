/* rate.c - token buckets kept as one time each: "empty until" (GCRA).
 *
 * A bucket of n tokens that refills every interval is described by the time at which it
 * will be full again; a token may be taken while that time is less than n intervals
 * ahead.  Entries live in sets of eight, found by a seeded hash, so that nobody can aim
 * at the set of somebody else.
 */
#include "rate.h"

#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>

enum { WAYS = 8, DEFAULT_NETWORKS = 65536 };

struct bucket {
    uint64_t network;
    int64_t full_at_us; /* monotonic; in the past: full, the entry is free */
};

struct rate {
    pthread_mutex_t lock;
    uint64_t seed;
    int64_t interval_us; /* for one token; 0: not limited */
    int64_t depth_us;    /* burst * interval */
    size_t sets;         /* a power of two */
    struct bucket *buckets;
};

/* The finaliser of SplitMix64: every bit of the key moves every bit of the result. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The network's own bucket, or the one nearest to full, which is the least to lose. */
static struct bucket *find(struct rate *r, uint64_t network)
{
    struct bucket *set = &r->buckets[(mix(network ^ r->seed) & (r->sets - 1)) * WAYS];
    struct bucket *oldest = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].network == network)
            return &set[i];
        if (set[i].full_at_us < oldest->full_at_us)
            oldest = &set[i];
    }
    oldest->network = network;
    oldest->full_at_us = 0;
    return oldest;
}

struct rate *rate_new(const struct rate_options *o)
{
    struct rate *r = mem_alloc(sizeof(*r));
    size_t networks = o->networks == 0 ? DEFAULT_NETWORKS : o->networks;
    unsigned burst = o->burst == 0 ? 1 : o->burst;

    CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    r->seed = crypto_random_u64();
    r->sets = 1;
    while (r->sets * WAYS < networks)
        r->sets *= 2;
    r->buckets = mem_alloc(r->sets * WAYS * sizeof(*r->buckets));
    if (o->per_minute > 0)
        r->interval_us = INT64_C(60000000) / o->per_minute;
    r->depth_us = r->interval_us * burst;
    return r;
}

void rate_free(struct rate **r)
{
    if (*r == NULL)
        return;
    pthread_mutex_destroy(&(*r)->lock);
    mem_free((*r)->buckets);
    mem_free(*r);
    *r = NULL;
}

bool rate_take(struct rate *r, uint64_t network, int64_t now_ms,
               unsigned *retry_after_seconds)
{
    int64_t now_us = now_ms * 1000;
    int64_t over_us;
    struct bucket *b;

    if (r->interval_us == 0)
        return true;
    pthread_mutex_lock(&r->lock);
    b = find(r, network);
    if (b->full_at_us < now_us)
        b->full_at_us = now_us;
    over_us = b->full_at_us + r->interval_us - now_us - r->depth_us;
    if (over_us <= 0)
        b->full_at_us += r->interval_us;
    pthread_mutex_unlock(&r->lock);
    if (over_us <= 0)
        return true;
    *retry_after_seconds = (unsigned)((over_us + 999999) / 1000000);
    return false;
}
