/* rate.c - token buckets kept as one time each: "full again at" (GCRA).
 *
 * A bucket of n tokens that refills every interval is described by the time at which it
 * will be full again; a token may be taken while that time is less than n intervals
 * ahead.  Entries live in sets of eight, found by a seeded hash, so that nobody can aim
 * at the set of somebody else.
 */
#include "base/rate.h"

#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>

enum { WAYS = 8, DEFAULT_KEYS = 65536 };

struct bucket {
    uint64_t key;
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

/* The key's own bucket, or the one nearest to full, which is the least to lose. */
static struct bucket *find(struct rate *r, uint64_t key)
{
    struct bucket *set = &r->buckets[(mix(key ^ r->seed) & (r->sets - 1)) * WAYS];
    struct bucket *oldest = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_at_us < oldest->full_at_us)
            oldest = &set[i];
    }
    oldest->key = key;
    oldest->full_at_us = 0;
    return oldest;
}

struct rate *rate_new(const struct rate_options *o)
{
    struct rate *r = mem_alloc(sizeof(*r));
    size_t keys = o->keys == 0 ? DEFAULT_KEYS : o->keys;

    CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    r->seed = crypto_random_u64();
    r->sets = 1;
    while (r->sets * WAYS < keys)
        r->sets *= 2;
    r->buckets = mem_alloc(r->sets * WAYS * sizeof(*r->buckets));
    if (o->per_minute > 0)
        r->interval_us = INT64_C(60000000) / o->per_minute;
    r->depth_us = r->interval_us * (o->burst < 1 ? 1 : o->burst);
    return r;
}

void rate_free(struct rate **r)
{
    if (*r == NULL)
        return;
    CHECK(pthread_mutex_destroy(&(*r)->lock) == 0);
    mem_free((*r)->buckets);
    mem_free(*r);
    *r = NULL;
}

static bool ask(struct rate *r, uint64_t key, int64_t now_us, int64_t takes_us,
                int64_t *retry_ms)
{
    struct bucket *b;
    int64_t over_us;

    *retry_ms = 0;
    if (r->interval_us == 0)
        return true;
    CHECK(pthread_mutex_lock(&r->lock) == 0);
    b = find(r, key);
    if (b->full_at_us < now_us)
        b->full_at_us = now_us;
    over_us = b->full_at_us + r->interval_us - now_us - r->depth_us;
    if (over_us <= 0)
        b->full_at_us += takes_us;
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    if (over_us <= 0)
        return true;
    *retry_ms = (over_us + 999) / 1000;
    return false;
}

bool rate_take(struct rate *r, uint64_t key, int64_t now_us, int64_t *retry_ms)
{
    return ask(r, key, now_us, r->interval_us, retry_ms);
}

bool rate_has(struct rate *r, uint64_t key, int64_t now_us, int64_t *retry_ms)
{
    return ask(r, key, now_us, 0, retry_ms);
}

void rate_give_back(struct rate *r, uint64_t key, int64_t now_us)
{
    struct bucket *b;

    CHECK(pthread_mutex_lock(&r->lock) == 0);
    b = find(r, key);
    if (b->full_at_us > now_us)
        b->full_at_us -= r->interval_us;
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
}
