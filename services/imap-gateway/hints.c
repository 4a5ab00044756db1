/* hints.c - which loops hold sessions of an account, and the bus subscriptions for them.
 */
#include "hints.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "bus/bus.h"

#include <pthread.h>

enum { LOOPS_MAX = 64 };

/* One for each account that is logged in. */
struct entry {
    uint64_t loops;    /* bit n: loop n has sessions */
    uint16_t sessions; /* in all loops */
    uint16_t count;    /* of .on */
    struct {
        uint16_t loop;
        uint16_t sessions;
    } on[];
};

struct hints {
    pthread_mutex_t lock;
    struct map *entries;
    int64_t subscribed_ms[MSG_RANGES]; /* 0: nobody of that range has come yet */
    struct hints_options o;
};

struct hints *hints_new(const struct hints_options *o)
{
    struct hints *h = mem_alloc(sizeof *h);

    pthread_mutex_init(&h->lock, NULL);
    h->entries = map_new();
    h->o = *o;
    return h;
}

void hints_free(struct hints **h)
{
    size_t at = 0;
    void *entry;
    uint64_t key;

    if (*h == NULL)
        return;
    while ((entry = map_next((*h)->entries, &at, &key)) != NULL)
        mem_free(entry);
    map_free(&(*h)->entries);
    pthread_mutex_destroy(&(*h)->lock);
    mem_free(*h);
    *h = NULL;
}

static struct entry *add(struct hints *h, struct entry *e, size_t loop, int64_t account)
{
    size_t count = e == NULL ? 0 : e->count;

    for (size_t i = 0; i < count; i++) {
        if (e->on[i].loop == loop) {
            e->on[i].sessions++;
            return e;
        }
    }
    if (e == NULL)
        e = mem_alloc(sizeof *e + sizeof e->on[0]);
    else
        e = mem_realloc(e, sizeof *e + (count + 1) * sizeof e->on[0]);
    e->on[count].loop = (uint16_t)loop;
    e->on[count].sessions = 1;
    e->count = (uint16_t)(count + 1);
    e->loops |= UINT64_C(1) << loop;
    map_set(h->entries, (uint64_t)account, e);
    return e;
}

/* Under the lock, so that nobody sees a time before which the bus was not told. */
static int64_t subscribe(struct hints *h, int64_t account)
{
    int64_t *ms = &h->subscribed_ms[msg_range(account)];

    if (*ms == 0) {
        if (h->o.bus != NULL)
            bus_subscribe(h->o.bus, account);
        *ms = clock_monotonic_ms();
    }
    return *ms;
}

enum rc hints_join(struct hints *h, size_t loop, int64_t account, int64_t *subscribed_ms)
{
    struct entry *e;
    bool full;

    CHECK(loop < LOOPS_MAX);
    pthread_mutex_lock(&h->lock);
    e = map_get(h->entries, (uint64_t)account);
    full = e != NULL && e->sessions >= h->o.sessions_per_account;
    if (!full) {
        e = add(h, e, loop, account);
        e->sessions++;
        *subscribed_ms = subscribe(h, account);
    }
    pthread_mutex_unlock(&h->lock);
    return full ? RC_LIMIT : RC_OK;
}

static void remove_loop(struct entry *e, size_t i)
{
    if (--e->on[i].sessions > 0)
        return;
    e->loops &= ~(UINT64_C(1) << e->on[i].loop);
    e->on[i] = e->on[--e->count];
}

void hints_leave(struct hints *h, size_t loop, int64_t account)
{
    struct entry *e;

    pthread_mutex_lock(&h->lock);
    e = map_get(h->entries, (uint64_t)account);
    CHECK(e != NULL);
    for (size_t i = 0; i < e->count; i++) {
        if (e->on[i].loop == loop) {
            remove_loop(e, i);
            break;
        }
    }
    if (--e->sessions == 0) {
        map_set(h->entries, (uint64_t)account, NULL);
        mem_free(e);
    }
    pthread_mutex_unlock(&h->lock);
}

int64_t *hints_accounts(struct hints *h, size_t *count)
{
    int64_t *accounts;
    size_t at = 0;
    uint64_t key;

    *count = 0;
    pthread_mutex_lock(&h->lock);
    accounts = mem_alloc((map_count(h->entries) + 1) * sizeof accounts[0]);
    while (map_next(h->entries, &at, &key) != NULL)
        accounts[(*count)++] = (int64_t)key;
    pthread_mutex_unlock(&h->lock);
    return accounts;
}

bool hints_wants(struct hints *h, int64_t account)
{
    bool wants;

    pthread_mutex_lock(&h->lock);
    wants = map_get(h->entries, (uint64_t)account) != NULL;
    pthread_mutex_unlock(&h->lock);
    return wants;
}

/* To the loops of an account that has at least so many sessions here. */
static void dispatch(struct hints *h, const struct hints_news *news, unsigned at_least)
{
    const struct entry *e;
    uint64_t loops;

    pthread_mutex_lock(&h->lock);
    e = map_get(h->entries, (uint64_t)news->account);
    loops = e == NULL || e->sessions < at_least ? 0 : e->loops;
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; loops != 0; i++, loops >>= 1)
        if (loops & 1)
            h->o.deliver(h->o.user, i, news);
}

void hints_dispatch(struct hints *h, const struct hints_news *news)
{
    dispatch(h, news, 1);
}

void hints_tell_others(struct hints *h, const struct hints_news *news)
{
    dispatch(h, news, 2);
}
