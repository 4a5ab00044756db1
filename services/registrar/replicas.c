/* replicas.c - a short list, changed by what the resolver says. */
#include "replicas.h"

#include "base/log.h"
#include "base/mem.h"
#include "bus/peers.h"

#include <pthread.h>
#include <string.h>

enum { REPLICAS_MAX = PEERS_PER_NAME };

struct replicas {
    pthread_mutex_t lock;
    struct peers *peers;
    size_t count, turn;
    struct addr at[REPLICAS_MAX];
};

static size_t find(const struct replicas *r, const struct addr *a)
{
    size_t i = 0;

    while (i < r->count && memcmp(&r->at[i], a, sizeof(*a)) != 0)
        i++;
    return i;
}

static void on_change(void *user, size_t spec, const char *endpoint, bool added)
{
    struct replicas *r = user;
    struct addr a;
    size_t i;

    (void)spec;
    if (addr_parse_port(str_skip(str_of(endpoint), strlen("tcp://")), 0, &a) != RC_OK)
        return;
    pthread_mutex_lock(&r->lock);
    i = find(r, &a);
    if (added && i == r->count && r->count < REPLICAS_MAX)
        r->at[r->count++] = a;
    else if (!added && i < r->count)
        r->at[i] = r->at[--r->count];
    pthread_mutex_unlock(&r->lock);
}

struct replicas *replicas_new(str_t text)
{
    struct replicas *r = mem_alloc(sizeof(*r));
    struct peers_spec *spec = mem_alloc(sizeof(*spec));
    struct peers_options o = {
        .specs = spec, .count = 1, .user = r, .on_change = on_change
    };
    const char *why;

    CHECK(peers_parse(text, spec, &why) == RC_OK);
    pthread_mutex_init(&r->lock, NULL);
    r->peers = peers_new(&o);
    mem_free(spec);
    return r;
}

void replicas_free(struct replicas **r)
{
    if (*r == NULL)
        return;
    peers_free(&(*r)->peers);
    pthread_mutex_destroy(&(*r)->lock);
    mem_free(*r);
    *r = NULL;
}

void replicas_begin(struct replicas *r, struct replicas_walk *walk)
{
    pthread_mutex_lock(&r->lock);
    *walk = (struct replicas_walk){ .first = r->turn++ };
    pthread_mutex_unlock(&r->lock);
}

bool replicas_next(struct replicas *r, struct replicas_walk *walk, struct addr *out)
{
    bool found;

    pthread_mutex_lock(&r->lock);
    found = walk->gone < r->count;
    if (found)
        *out = r->at[(walk->first + walk->gone++) % r->count];
    pthread_mutex_unlock(&r->lock);
    return found;
}
