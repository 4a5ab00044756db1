/* door.c - lines in the order of the last step: who stands first goes first.
 *
 * A guest stands in the line of its rank and in that of its network, and after each step
 * at the end of both, so finding out who goes needs no search.  Who is kept stands in
 * neither.
 *
 * Whoever goes belongs to another thread, which may be freeing it at this moment.  So its
 * place is given away under the lock, and it waits at its thread's exit, where door_leave
 * finds it as well.
 */
#include "net/door.h"

#include "base/crypto.h"
#include "base/lately.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <pthread.h>
#include <sys/resource.h>

enum {
    FRIEND_MS = 30 * 1000, /* of silence that count for nothing */
    LATELY_MS = 24 * 3600 * 1000,
    LATELY_KEYS = 65536,
    BUSY_LOOKS = 64, /* at guests who cannot go, before the newcomer is refused */
    GOING_MAX = 256, /* who were told and are not gone */
    OWN_DESCRIPTORS = 512,
    BUCKETS_MIN = 64,
    BUCKETS_MAX = 65536,
};

enum where { OF_RANK, OF_NETWORK };

struct door_network {
    struct door_network *next; /* of its bucket */
    uint64_t key;
    size_t guests;  /* of any rank */
    size_t waiting; /* of them, in the line */
    struct door_line line;
};

struct door {
    struct door_options options;
    size_t guests;
    size_t going;                    /* no guests any more, but not outside yet */
    struct door_line all[DOOR_KEPT]; /* by rank */
    struct door *next;
    uint64_t seed;
    size_t buckets; /* a power of two */
    struct door_network *networks[];
};

static struct metric shown_out = {
    .kind = METRIC_COUNTER,
    .name = "postbus_connections_shown_out",
    .labels = "",
    .help = "Connections that were ended because others needed the place.",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under lock, as all that is behind it: */
static struct door *doors;
static struct lately *proven; /* networks; NULL: there is no door */
static size_t descriptors, descriptors_max;

/* Lines. */

static void append(struct door_line *l, struct door_guest *g, enum where w)
{
    g->at[w].before = l->last;
    g->at[w].after = NULL;
    if (l->last != NULL)
        l->last->at[w].after = g;
    else
        l->first = g;
    l->last = g;
}

static void take_out(struct door_line *l, struct door_guest *g, enum where w)
{
    struct door_guest *before = g->at[w].before, *after = g->at[w].after;

    if (before != NULL)
        before->at[w].after = after;
    else
        l->first = after;
    if (after != NULL)
        after->at[w].before = before;
    else
        l->last = before;
}

static void stand_last(struct door_guest *g, int64_t now_ms)
{
    g->step_ms = now_ms;
    if (g->rank == DOOR_KEPT)
        return;
    append(&g->door->all[g->rank], g, OF_RANK);
    if (g->network == NULL)
        return;
    append(&g->network->line, g, OF_NETWORK);
    g->network->waiting++;
}

static void stand_aside(struct door_guest *g)
{
    if (g->rank == DOOR_KEPT)
        return;
    take_out(&g->door->all[g->rank], g, OF_RANK);
    if (g->network == NULL)
        return;
    take_out(&g->network->line, g, OF_NETWORK);
    g->network->waiting--;
}

/* Networks. */

/* Where it is, or would be. */
static struct door_network **find_network(struct door *d, uint64_t key)
{
    uint64_t hash = (key ^ d->seed) * UINT64_C(0x9e3779b97f4a7c15);
    struct door_network **at = &d->networks[(hash >> 32) & (d->buckets - 1)];

    while (*at != NULL && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static enum rc join_network(struct door_guest *g, uint64_t key)
{
    struct door_network **at = find_network(g->door, key);

    if (*at == NULL) {
        *at = mem_try_alloc(sizeof(**at));
        if (*at == NULL)
            return RC_RETRY;
        (*at)->key = key;
    }
    g->network = *at;
    g->network->guests++;
    return RC_OK;
}

static void leave_network(struct door_guest *g)
{
    struct door_network *n = g->network, **at;

    g->network = NULL;
    if (n == NULL || --n->guests > 0)
        return;
    at = find_network(g->door, n->key);
    *at = n->next;
    mem_free(n);
}

/* Places. */

static void take_place(struct door *d, struct door_guest *g)
{
    g->door = d;
    d->guests++;
    descriptors += g->descriptors;
}

static void give_place(struct door_guest *g)
{
    leave_network(g);
    g->door->guests--;
    descriptors -= g->descriptors;
}

/* Who goes. */

/* Those who wait for us are sent to the end of the line: it is not they who are silent.
 */
static struct door_guest *first_idle(struct door_line *l, int64_t now_ms)
{
    for (int i = 0; i < BUSY_LOOKS && l->first != NULL; i++) {
        struct door_guest *g = l->first;

        if (!atomic_load_explicit(&g->busy, memory_order_relaxed))
            return g;
        stand_aside(g);
        stand_last(g, now_ms);
    }
    return NULL;
}

static int64_t patience_from_ms(const struct door_guest *g)
{
    return g->rank == DOOR_FRIEND ? g->step_ms + FRIEND_MS : g->step_ms;
}

static struct door_guest *sooner(struct door_guest *a, struct door_guest *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    return patience_from_ms(b) < patience_from_ms(a) ? b : a;
}

static struct door_guest *longest_silent(struct door *d, int64_t now_ms)
{
    return sooner(first_idle(&d->all[DOOR_STRANGER], now_ms),
                  first_idle(&d->all[DOOR_FRIEND], now_ms));
}

static struct door_guest *longest_silent_anywhere(int64_t now_ms)
{
    struct door_guest *found = NULL;

    for (struct door *d = doors; d != NULL; d = d->next)
        found = sooner(found, longest_silent(d, now_ms));
    return found;
}

/* For a newcomer from network n: one of its own, if it has more there than the network of
 * the longest silent of all. */
static struct door_guest *who_goes(struct door *d, struct door_network *n, int64_t now_ms)
{
    struct door_guest *g = longest_silent(d, now_ms), *own;
    size_t beside;

    if (g == NULL || n == NULL || n == g->network)
        return g;
    beside = g->network == NULL ? 0 : g->network->waiting;
    own = n->waiting > beside ? first_idle(&n->line, now_ms) : NULL;
    return own != NULL ? own : g;
}

static bool show_out(struct door_guest *g)
{
    struct door_exit *exit;

    if (g == NULL || g->door->going >= GOING_MAX)
        return false;
    exit = g->exit;
    stand_aside(g);
    give_place(g);
    g->going = true;
    g->door->going++;
    append(&exit->line, g, OF_RANK);
    if (!exit->woken)
        exit->wake(exit);
    exit->woken = true;
    metric_add(&shown_out, 1);
    return true;
}

/* It stood at its exit. */
static void gone(struct door_guest *g)
{
    take_out(&g->exit->line, g, OF_RANK);
    g->going = false;
    g->door->going--;
}

/* Doors. */

static void first_door(void)
{
    struct rlimit files = { 0 };
    size_t own;

    getrlimit(RLIMIT_NOFILE, &files);
    own = files.rlim_cur / 4 < OWN_DESCRIPTORS ? files.rlim_cur / 4 : OWN_DESCRIPTORS;
    descriptors_max = files.rlim_cur - own;
    proven = lately_new(LATELY_KEYS);
}

struct door *door_new(const struct door_options *o)
{
    size_t buckets = BUCKETS_MIN;
    struct door *d;

    while (buckets < o->max / 4 && buckets < BUCKETS_MAX)
        buckets *= 2;
    d = mem_alloc(sizeof(*d) + buckets * sizeof(d->networks[0]));
    d->options = *o;
    if (d->options.max == 0)
        d->options.max = SIZE_MAX;
    if (d->options.max_per_network == 0)
        d->options.max_per_network = SIZE_MAX;
    d->seed = crypto_random_u64();
    d->buckets = buckets;
    pthread_mutex_lock(&lock);
    if (doors == NULL)
        first_door();
    d->next = doors;
    doors = d;
    pthread_mutex_unlock(&lock);
    return d;
}

void door_free(struct door **door)
{
    struct door *d = *door, **at = &doors;

    if (d == NULL)
        return;
    pthread_mutex_lock(&lock);
    CHECK(d->guests == 0 && d->going == 0);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    if (doors == NULL)
        lately_free(&proven);
    pthread_mutex_unlock(&lock);
    mem_free(d);
    *door = NULL;
}

/* Guests. */

static enum rc make_descriptors(size_t more, int64_t now_ms)
{
    while (descriptors + more > descriptors_max)
        if (!show_out(longest_silent_anywhere(now_ms)))
            return RC_LIMIT;
    return RC_OK;
}

enum rc door_enter(struct door *d, struct door_guest *g, struct door_exit *exit,
                   int64_t now_ms)
{
    enum rc rc;

    pthread_mutex_lock(&lock);
    rc = make_descriptors(1, now_ms);
    if (rc == RC_OK) {
        g->exit = exit;
        g->descriptors = 1;
        take_place(d, g);
        stand_last(g, now_ms);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* For a guest that is counted already, and stands aside. */
static enum rc make_room(struct door_guest *g, int64_t now_ms)
{
    const struct door_options *o = &g->door->options;
    struct door_network *n = g->network;

    if (n != NULL && n->guests > o->max_per_network &&
        !show_out(first_idle(&n->line, now_ms)))
        return RC_LIMIT;
    while (g->door->guests > o->max)
        if (!show_out(who_goes(g->door, n, now_ms)))
            return RC_LIMIT;
    return RC_OK;
}

enum rc door_introduce(struct door_guest *g, const struct addr *client, int64_t now_ms)
{
    uint64_t key = client == NULL ? 0 : addr_network_key(client);
    enum rc rc = RC_CLOSED;

    if (g->door == NULL)
        return RC_OK;
    pthread_mutex_lock(&lock);
    if (!g->going) {
        stand_aside(g);
        rc = client == NULL ? RC_OK : join_network(g, key);
        if (rc == RC_OK)
            rc = make_room(g, now_ms);
        if (rc != RC_OK)
            leave_network(g);
        else if (client != NULL && lately_has(proven, key, now_ms - LATELY_MS))
            g->rank = DOOR_FRIEND;
        stand_last(g, now_ms);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

enum rc door_take_descriptors(struct door_guest *g, uint8_t more, int64_t now_ms)
{
    enum rc rc = RC_CLOSED;

    if (g->door == NULL)
        return RC_OK;
    pthread_mutex_lock(&lock);
    if (!g->going) {
        stand_aside(g);
        rc = make_descriptors(more, now_ms);
        stand_last(g, now_ms);
    }
    if (rc == RC_OK) {
        g->descriptors = (uint8_t)(g->descriptors + more);
        descriptors += more;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

void door_leave(struct door_guest *g)
{
    if (g->door == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (g->going) {
        gone(g);
    } else {
        stand_aside(g);
        give_place(g);
    }
    g->door = NULL;
    pthread_mutex_unlock(&lock);
}

struct door_guest *door_next_out(struct door_exit *exit, int64_t now_ms)
{
    struct door_guest *g;
    bool stays;

    pthread_mutex_lock(&lock);
    do {
        g = exit->line.first;
        if (g == NULL) {
            exit->woken = false;
            break;
        }
        gone(g);
        /* It began to wait for us, or logged in, at the same moment: one too many. */
        stays = g->rank == DOOR_KEPT || atomic_load(&g->busy);
        if (stays) {
            take_place(g->door, g);
            stand_last(g, now_ms);
        } else {
            g->door = NULL;
        }
    } while (stays);
    pthread_mutex_unlock(&lock);
    return g;
}

void door_step(struct door_guest *g, int64_t now_ms)
{
    if (g->door == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (!g->going) {
        stand_aside(g);
        stand_last(g, now_ms);
    }
    pthread_mutex_unlock(&lock);
}

void door_busy(struct door_guest *g, bool yes)
{
    atomic_store(&g->busy, yes);
}

void door_prove(struct door_guest *g, enum door_rank rank, int64_t now_ms)
{
    if (g->door == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (g->network != NULL)
        lately_note(proven, g->network->key, now_ms);
    if (!g->going)
        stand_aside(g);
    if (rank > g->rank)
        g->rank = (uint8_t)rank;
    if (!g->going)
        stand_last(g, now_ms);
    pthread_mutex_unlock(&lock);
}

size_t door_count(struct door *d)
{
    size_t n;

    pthread_mutex_lock(&lock);
    n = d->guests;
    pthread_mutex_unlock(&lock);
    return n;
}

void door_register_metrics(void)
{
    metric_register(&shown_out);
}
