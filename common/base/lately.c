/* lately.c - sets of eight, found by a seeded hash, so that nobody can aim at the set of
 * somebody else. */
#include "base/lately.h"

#include "base/crypto.h"
#include "base/mem.h"

enum { WAYS = 8 };

struct sight {
    uint64_t key;
    int64_t at_ms; /* 0: free */
};

struct lately {
    uint64_t seed;
    size_t sets; /* a power of two */
    struct sight sights[];
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

static size_t first_of_set(const struct lately *l, uint64_t key)
{
    return (mix(key ^ l->seed) & (l->sets - 1)) * WAYS;
}

struct lately *lately_new(size_t keys)
{
    struct lately *l;
    size_t sets = 1;

    while (sets * WAYS < keys)
        sets *= 2;
    l = mem_alloc(sizeof(*l) + sets * WAYS * sizeof(l->sights[0]));
    l->seed = crypto_random_u64();
    l->sets = sets;
    return l;
}

void lately_free(struct lately **l)
{
    mem_free(*l);
    *l = NULL;
}

void lately_note(struct lately *l, uint64_t key, int64_t now_ms)
{
    struct sight *set = &l->sights[first_of_set(l, key)], *oldest = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].at_ms != 0 && set[i].key == key) {
            oldest = &set[i];
            break;
        }
        if (set[i].at_ms < oldest->at_ms)
            oldest = &set[i];
    }
    *oldest = (struct sight){ key, now_ms };
}

bool lately_has(const struct lately *l, uint64_t key, int64_t since_ms)
{
    const struct sight *set = &l->sights[first_of_set(l, key)];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].at_ms != 0 && set[i].key == key)
            return set[i].at_ms >= since_ms;
    return false;
}
