/* login_cache.c - a set-associative table of tags.
 *
 * An account can be in the ways of one set only, so a look-up reads one or two cache
 * lines, the size is fixed at the start, and pages that no account needs stay untouched.
 */
#include "account/login_cache.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

enum { WAYS = 4, TAG_BYTES = 24, KEY_BYTES = 32, TEXT_MAX_BYTES = 1024 };

struct entry {
    int64_t account; /* 0: free */
    int64_t used_ms;
    unsigned char tag[TAG_BYTES];
};

struct login_cache {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t sets;
    int64_t age_ms;
    unsigned char key[KEY_BYTES];
};

/* Lengths stand before the bytes, so that no two triples give the same text. */
static bool make_tag(const struct login_cache *c, int64_t account, str_t hash,
                     str_t password, unsigned char tag[CRYPTO_SHA256_BYTES])
{
    char text[TEXT_MAX_BYTES];
    uint64_t head[2] = { (uint64_t)account, hash.n };
    size_t n = sizeof(head);

    if (hash.n + password.n > sizeof(text) - sizeof(head))
        return false;
    memcpy(text, head, sizeof(head));
    memcpy(text + n, hash.p, hash.n);
    n += hash.n;
    if (password.n > 0)
        memcpy(text + n, password.p, password.n);
    n += password.n;
    crypto_hmac_sha256(str_n((const char *)c->key, sizeof(c->key)), str_n(text, n), tag);
    crypto_wipe(text, sizeof(text));
    return true;
}

static struct entry *set_of(const struct login_cache *c, int64_t account)
{
    uint64_t h = (uint64_t)account * UINT64_C(0x9e3779b97f4a7c15);

    return &c->entries[(h >> 20) % c->sets * WAYS];
}

/* Under the lock: the account's entry, or NULL. */
static struct entry *find(const struct login_cache *c, int64_t account)
{
    struct entry *set = set_of(c, account);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].account == account)
            return &set[i];
    return NULL;
}

/* Under the lock: where a new entry goes. */
static struct entry *victim(const struct login_cache *c, int64_t account)
{
    struct entry *set = set_of(c, account);
    struct entry *oldest = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].account == 0)
            return &set[i];
        if (set[i].used_ms < oldest->used_ms)
            oldest = &set[i];
    }
    return oldest;
}

struct login_cache *login_cache_new(size_t entries, int64_t age_ms)
{
    struct login_cache *c = mem_alloc(sizeof(*c));

    CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    crypto_random(c->key, sizeof(c->key));
    c->sets = (entries + WAYS - 1) / WAYS;
    c->age_ms = age_ms;
    if (c->sets > 0)
        c->entries = mem_alloc(c->sets * WAYS * sizeof(*c->entries));
    return c;
}

void login_cache_free(struct login_cache **c)
{
    if (*c == NULL)
        return;
    crypto_wipe((*c)->key, sizeof((*c)->key));
    CHECK(pthread_mutex_destroy(&(*c)->lock) == 0);
    mem_free((*c)->entries);
    mem_free(*c);
    *c = NULL;
}

bool login_cache_has(struct login_cache *c, int64_t account, str_t hash, str_t password,
                     int64_t now_ms)
{
    unsigned char tag[CRYPTO_SHA256_BYTES];
    struct entry *e;
    bool hit = false;

    if (c->sets == 0 || !make_tag(c, account, hash, password, tag))
        return false;
    CHECK(pthread_mutex_lock(&c->lock) == 0);
    e = find(c, account);
    if (e != NULL && now_ms - e->used_ms <= c->age_ms &&
        crypto_equal(str_n((const char *)e->tag, TAG_BYTES),
                     str_n((const char *)tag, TAG_BYTES))) {
        e->used_ms = now_ms;
        hit = true;
    }
    CHECK(pthread_mutex_unlock(&c->lock) == 0);
    return hit;
}

void login_cache_put(struct login_cache *c, int64_t account, str_t hash, str_t password,
                     int64_t now_ms)
{
    unsigned char tag[CRYPTO_SHA256_BYTES];
    struct entry *e;

    if (c->sets == 0 || !make_tag(c, account, hash, password, tag))
        return;
    CHECK(pthread_mutex_lock(&c->lock) == 0);
    e = find(c, account);
    if (e == NULL)
        e = victim(c, account);
    e->account = account;
    e->used_ms = now_ms;
    memcpy(e->tag, tag, TAG_BYTES);
    CHECK(pthread_mutex_unlock(&c->lock) == 0);
}
