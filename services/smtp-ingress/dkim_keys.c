/* dkim_keys.c - a set-associative table of keys that are counted by their users. */
#include "dkim_keys.h"

#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

enum { WAYS = 4 };

struct dkim_keys_entry {
    unsigned char hash[CRYPTO_SHA256_BYTES]; /* of the record's text */
    struct dkim_key key;
    /* Under the lock: */
    size_t holders; /* the table is one */
    uint64_t used;  /* when, counted in uses */
};

struct dkim_keys {
    pthread_mutex_t lock;
    struct dkim_keys_entry **ways; /* NULL: free */
    size_t sets;
    uint64_t uses;
};

struct dkim_keys *dkim_keys_new(size_t max)
{
    struct dkim_keys *k = mem_alloc(sizeof(*k));

    CHECK(pthread_mutex_init(&k->lock, NULL) == 0);
    k->sets = max > WAYS ? max / WAYS : 1;
    k->ways = mem_alloc(k->sets * WAYS * sizeof(struct dkim_keys_entry *));
    return k;
}

/* Under the lock. */
static void drop(struct dkim_keys_entry *e)
{
    if (e == NULL || --e->holders > 0)
        return;
    dkim_key_fini(&e->key);
    mem_free(e);
}

void dkim_keys_free(struct dkim_keys **keys)
{
    struct dkim_keys *k = *keys;

    if (k == NULL)
        return;
    for (size_t i = 0; i < k->sets * WAYS; i++)
        drop(k->ways[i]);
    CHECK(pthread_mutex_destroy(&k->lock) == 0);
    mem_free((void *)k->ways);
    mem_free(k);
    *keys = NULL;
}

static struct dkim_keys_entry **set_of(const struct dkim_keys *k,
                                       const unsigned char *hash)
{
    uint64_t h;

    memcpy(&h, hash, sizeof(h));
    return &k->ways[h % k->sets * WAYS];
}

/* Under the lock: one more holds it; NULL: it is not there. */
static struct dkim_keys_entry *find(struct dkim_keys *k, const unsigned char *hash)
{
    struct dkim_keys_entry **set = set_of(k, hash);

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i] == NULL || memcmp(set[i]->hash, hash, CRYPTO_SHA256_BYTES) != 0)
            continue;
        set[i]->holders++;
        set[i]->used = ++k->uses;
        return set[i];
    }
    return NULL;
}

/* Under the lock. */
static void keep(struct dkim_keys *k, struct dkim_keys_entry *e)
{
    struct dkim_keys_entry **set = set_of(k, e->hash), **at = &set[0];

    for (size_t i = 0; i < WAYS && *at != NULL; i++) {
        if (set[i] == NULL || set[i]->used < (*at)->used)
            at = &set[i];
    }
    drop(*at);
    *at = e;
    e->holders++;
    e->used = ++k->uses;
}

enum dkim_outcome dkim_keys_get(struct dkim_keys *k, struct arena *a, str_t text,
                                struct dkim_keys_entry **held)
{
    unsigned char hash[CRYPTO_SHA256_BYTES];
    struct dkim_keys_entry *fresh;
    enum dkim_outcome outcome;
    struct dkim_key key;

    crypto_sha256(text, hash);
    CHECK(pthread_mutex_lock(&k->lock) == 0);
    *held = find(k, hash);
    CHECK(pthread_mutex_unlock(&k->lock) == 0);
    if (*held != NULL)
        return DKIM_OUTCOME_PASS;
    outcome = dkim_key_parse(a, text, &key);
    if (outcome != DKIM_OUTCOME_PASS)
        return outcome;
    fresh = mem_alloc(sizeof(*fresh));
    memcpy(fresh->hash, hash, sizeof(hash));
    fresh->key = key;
    fresh->holders = 1;
    CHECK(pthread_mutex_lock(&k->lock) == 0);
    *held = find(k, hash); /* somebody else may have been faster */
    if (*held == NULL) {
        keep(k, fresh);
        *held = fresh;
    } else {
        drop(fresh);
    }
    CHECK(pthread_mutex_unlock(&k->lock) == 0);
    return DKIM_OUTCOME_PASS;
}

void dkim_keys_release(struct dkim_keys *k, struct dkim_keys_entry *held)
{
    CHECK(pthread_mutex_lock(&k->lock) == 0);
    drop(held);
    CHECK(pthread_mutex_unlock(&k->lock) == 0);
}

const struct dkim_key *dkim_keys_key(const struct dkim_keys_entry *held)
{
    return &held->key;
}

size_t dkim_keys_count(struct dkim_keys *k)
{
    size_t count = 0;

    CHECK(pthread_mutex_lock(&k->lock) == 0);
    for (size_t i = 0; i < k->sets * WAYS; i++)
        count += k->ways[i] != NULL;
    CHECK(pthread_mutex_unlock(&k->lock) == 0);
    return count;
}
