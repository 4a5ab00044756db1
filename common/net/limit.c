/* limit.c - one counter, and one for each key that holds something.
 *
 * The map holds the count itself in the pointer, so a key costs no allocation.
 */
#include "net/limit.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>

struct limit {
    pthread_mutex_t lock;
    size_t max_total, max_per_key;
    size_t total;
    struct map *keys;
};

struct limit *limit_new(size_t max_total, size_t max_per_key)
{
    struct limit *l = mem_alloc(sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    l->max_total = max_total;
    l->max_per_key = max_per_key;
    l->keys = map_new();
    return l;
}

void limit_free(struct limit **l)
{
    if (*l == NULL)
        return;
    map_free(&(*l)->keys);
    pthread_mutex_destroy(&(*l)->lock);
    mem_free(*l);
    *l = NULL;
}

enum rc limit_take_total(struct limit *l)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&l->lock);
    if (l->max_total != 0 && l->total >= l->max_total)
        rc = RC_LIMIT;
    else
        l->total++;
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void limit_give_total(struct limit *l)
{
    pthread_mutex_lock(&l->lock);
    CHECK(l->total > 0);
    l->total--;
    pthread_mutex_unlock(&l->lock);
}

static size_t key_count(const struct limit *l, uint64_t key)
{
    return (size_t)(uintptr_t)map_get(l->keys, key);
}

static void set_count(struct limit *l, uint64_t key, size_t n)
{
    map_set(l->keys, key, (void *)(uintptr_t)n);
}

enum rc limit_take_key(struct limit *l, uint64_t key)
{
    enum rc rc = RC_OK;
    size_t n;

    pthread_mutex_lock(&l->lock);
    n = key_count(l, key);
    if (l->max_per_key != 0 && n >= l->max_per_key)
        rc = RC_LIMIT;
    else
        set_count(l, key, n + 1);
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void limit_give_key(struct limit *l, uint64_t key)
{
    size_t n;

    pthread_mutex_lock(&l->lock);
    n = key_count(l, key);
    CHECK(n > 0);
    set_count(l, key, n - 1); /* 0 removes */
    pthread_mutex_unlock(&l->lock);
}

size_t limit_total(struct limit *l)
{
    size_t n;

    pthread_mutex_lock(&l->lock);
    n = l->total;
    pthread_mutex_unlock(&l->lock);
    return n;
}
