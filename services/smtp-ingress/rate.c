/* rate.c - generic cell rate algorithm over a fixed set-associative table.
 *
 * For each account the time is kept at which its bucket would be full again; a message
 * moves that time one interval into the future and may not move it further ahead of now
 * than the burst allows.  An entry whose time has passed says nothing and is free.
 */
#include "rate.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>

enum { WAYS = 8 };

struct entry {
    int64_t account;
    int64_t full_us; /* 0: free */
};

struct rate {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t sets;
    int64_t interval_us; /* one message */
    int64_t ahead_us;    /* how far full_us may lie ahead before a message */
};

/* The account's entry, or the one to use for it: free, or the nearest to being so. */
static struct entry *entry_of(struct rate *r, int64_t account)
{
    uint64_t h = (uint64_t)account * UINT64_C(0x9e3779b97f4a7c15);
    struct entry *set = &r->entries[(h >> 20) % r->sets * WAYS];
    struct entry *best = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].account == account)
            return &set[i];
        if (set[i].full_us < best->full_us)
            best = &set[i];
    }
    best->account = account;
    best->full_us = 0;
    return best;
}

struct rate *rate_new(int64_t per_minute, int64_t burst, size_t accounts)
{
    struct rate *r = mem_alloc(sizeof(*r));

    CHECK(per_minute > 0 && burst > 0);
    CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    r->sets = (accounts + WAYS - 1) / WAYS;
    r->entries = mem_alloc(r->sets * WAYS * sizeof(*r->entries));
    r->interval_us = INT64_C(60000000) / per_minute;
    r->ahead_us = r->interval_us * (burst - 1);
    return r;
}

void rate_free(struct rate **r)
{
    if (*r == NULL)
        return;
    CHECK(pthread_mutex_destroy(&(*r)->lock) == 0);
    mem_free((*r)->entries);
    mem_free(*r);
    *r = NULL;
}

bool rate_take(struct rate *r, int64_t account, int64_t now_us, int64_t *retry_ms)
{
    struct entry *e;
    int64_t full, over;

    CHECK(pthread_mutex_lock(&r->lock) == 0);
    e = entry_of(r, account);
    full = e->full_us > now_us ? e->full_us : now_us;
    over = full - now_us - r->ahead_us;
    if (over <= 0)
        e->full_us = full + r->interval_us;
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    *retry_ms = over <= 0 ? 0 : (over + 999) / 1000;
    return over <= 0;
}
