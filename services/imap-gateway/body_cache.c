/* body_cache.c - a map and a list in order of use, under one lock. */
#include "body_cache.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"

#include <pthread.h>
#include <string.h>

struct entry {
    struct entry *older, *newer;
    int64_t body_id;
    size_t n;
    char bytes[];
};

struct body_cache {
    pthread_mutex_t lock;
    struct map *entries;
    struct entry *oldest, *newest;
    size_t bytes, max_bytes;
};

static struct metric hits = { .kind = METRIC_COUNTER,
                              .name = "postbus_imap_body_cache_hits",
                              .labels = "",
                              .help = "Messages that needed no look at the store." };
static struct metric size = { .kind = METRIC_GAUGE,
                              .name = "postbus_imap_body_cache_bytes",
                              .labels = "",
                              .help = "Memory of messages that were read lately." };

void body_cache_register_metrics(void)
{
    metric_register(&hits);
    metric_register(&size);
}

struct body_cache *body_cache_new(size_t max_bytes)
{
    struct body_cache *c = mem_alloc(sizeof *c);

    pthread_mutex_init(&c->lock, NULL);
    c->entries = map_new();
    c->max_bytes = max_bytes;
    return c;
}

static void unlink_entry(struct body_cache *c, struct entry *e)
{
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        c->oldest = e->newer;
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        c->newest = e->older;
}

static void link_newest(struct body_cache *c, struct entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    if (c->newest != NULL)
        c->newest->newer = e;
    else
        c->oldest = e;
    c->newest = e;
}

static void drop_oldest(struct body_cache *c)
{
    struct entry *e = c->oldest;

    unlink_entry(c, e);
    map_set(c->entries, (uint64_t)e->body_id, NULL);
    c->bytes -= sizeof *e + e->n;
    mem_free(e);
}

void body_cache_free(struct body_cache **c)
{
    if (*c == NULL)
        return;
    while ((*c)->oldest != NULL)
        drop_oldest(*c);
    map_free(&(*c)->entries);
    pthread_mutex_destroy(&(*c)->lock);
    mem_free(*c);
    *c = NULL;
}

bool body_cache_has(struct body_cache *c, int64_t body_id)
{
    bool has;

    pthread_mutex_lock(&c->lock);
    has = map_get(c->entries, (uint64_t)body_id) != NULL;
    pthread_mutex_unlock(&c->lock);
    return has;
}

str_t body_cache_get(struct body_cache *c, struct arena *a, int64_t body_id)
{
    str_t found = { NULL, 0 };
    struct entry *e;

    pthread_mutex_lock(&c->lock);
    e = map_get(c->entries, (uint64_t)body_id);
    if (e != NULL) {
        found = arena_str(a, str_n(e->bytes, e->n));
        unlink_entry(c, e);
        link_newest(c, e);
    }
    pthread_mutex_unlock(&c->lock);
    if (e != NULL)
        metric_add(&hits, 1);
    return found;
}

void body_cache_put(struct body_cache *c, int64_t body_id, str_t message)
{
    struct entry *e;

    if (message.n == 0 || message.n > BODY_CACHE_ENTRY_MAX ||
        sizeof *e + message.n > c->max_bytes)
        return;
    e = mem_alloc(sizeof *e + message.n);
    e->body_id = body_id;
    e->n = message.n;
    memcpy(e->bytes, message.p, message.n);
    pthread_mutex_lock(&c->lock);
    if (map_get(c->entries, (uint64_t)body_id) != NULL) {
        mem_free(e);
    } else {
        while (c->bytes + sizeof *e + e->n > c->max_bytes)
            drop_oldest(c);
        map_set(c->entries, (uint64_t)body_id, e);
        link_newest(c, e);
        c->bytes += sizeof *e + e->n;
    }
    metric_set(&size, (int64_t)c->bytes);
    pthread_mutex_unlock(&c->lock);
}
