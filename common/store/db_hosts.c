/* db_hosts.c - one thread for one name, which may outlive whoever asked.
 *
 * A resolver that is dead holds getaddrinfo for half a minute.  Neither a worker nor the
 * end of the process may wait for that, so the thread is detached and frees what both
 * used when it is the last.
 */
#include "store/db_hosts.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    ADDRESSES_MAX = 8, /* of one name */
    STALE_MS = 10000,  /* an answer that nobody fetched for so long says nothing */
};

struct lookup {
    char *name;
    atomic_int owners; /* the thread, and who waits for it */
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool done;       /* under lock, as what follows */
    int64_t done_ms; /* monotonic */
    int error;       /* getaddrinfo's */
    size_t count;
    char addresses[ADDRESSES_MAX][DB_HOSTS_ADDRESS_BYTES];
};

struct host {
    char *text;
    bool is_name; /* not an address and not a folder */
    struct lookup *lookup;
};

struct db_hosts {
    struct host hosts[DB_HOSTS_MAX];
    size_t count;
};

/* ---- one name ---- */

static void release(struct lookup *l)
{
    if (atomic_fetch_sub(&l->owners, 1) != 1)
        return;
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->name);
    mem_free(l);
}

static void take_answer(struct lookup *l, int error, const struct addrinfo *all)
{
    pthread_mutex_lock(&l->lock);
    for (; all != NULL && l->count < ADDRESSES_MAX; all = all->ai_next)
        l->count += getnameinfo(all->ai_addr, all->ai_addrlen, l->addresses[l->count],
                                DB_HOSTS_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST) == 0;
    l->error = error;
    l->done = true;
    l->done_ms = clock_monotonic_ms();
    pthread_cond_signal(&l->ready);
    pthread_mutex_unlock(&l->lock);
}

static void *run(void *arg)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;
    struct lookup *l = arg;
    int error = getaddrinfo(l->name, NULL, &hints, &all);

    take_answer(l, error, error == 0 ? all : NULL);
    if (error == 0)
        freeaddrinfo(all);
    release(l);
    return NULL;
}

static struct lookup *start(const char *name)
{
    struct lookup *l = mem_alloc(sizeof(*l));
    pthread_t thread;

    l->name = mem_cstr(name, strlen(name));
    atomic_store(&l->owners, 2);
    pthread_mutex_init(&l->lock, NULL);
    cond_init(&l->ready);
    if (pthread_create(&thread, NULL, run, l) == 0) {
        pthread_detach(thread);
    } else { /* as if nobody had answered */
        take_answer(l, EAI_AGAIN, NULL);
        release(l);
    }
    return l;
}

static bool is_stale(struct lookup *l)
{
    bool yes;

    pthread_mutex_lock(&l->lock);
    yes = l->done && clock_monotonic_ms() - l->done_ms > STALE_MS;
    pthread_mutex_unlock(&l->lock);
    return yes;
}

static void refresh(struct host *h)
{
    if (h->lookup != NULL && is_stale(h->lookup)) {
        release(h->lookup);
        h->lookup = NULL;
    }
    if (h->lookup == NULL)
        h->lookup = start(h->text);
}

/* False: no answer yet; the lookup goes on. */
static bool wait_answer(struct lookup *l, struct deadline until)
{
    bool done;

    pthread_mutex_lock(&l->lock);
    while (!l->done && cond_wait(&l->ready, &l->lock, until))
        continue;
    done = l->done;
    pthread_mutex_unlock(&l->lock);
    return done;
}

/* ---- all of them ---- */

static bool is_address(const char *text)
{
    struct in_addr ignored;

    return strchr(text, ':') != NULL || inet_pton(AF_INET, text, &ignored) == 1;
}

struct db_hosts *db_hosts_new(const char *list)
{
    struct db_hosts *h = mem_alloc(sizeof(*h));
    str_t rest = str_of(list), one;

    while (h->count < DB_HOSTS_MAX && str_split(&rest, ',', &one)) {
        struct host *to = &h->hosts[h->count];

        one = str_trim(one);
        if (one.n == 0)
            continue;
        to->text = mem_cstr(one.p, one.n);
        to->is_name = one.p[0] != '/' && one.p[0] != '@' && !is_address(to->text);
        h->count++;
    }
    return h;
}

void db_hosts_free(struct db_hosts **h)
{
    if (*h == NULL)
        return;
    for (size_t i = 0; i < (*h)->count; i++) {
        if ((*h)->hosts[i].lookup != NULL)
            release((*h)->hosts[i].lookup);
        mem_free((*h)->hosts[i].text);
    }
    mem_free(*h);
    *h = NULL;
}

static size_t add(const struct host *h, const char *address, struct db_place *out)
{
    out->host = h->text;
    snprintf(out->address, sizeof(out->address), "%s", address);
    return 1;
}

static void explain(struct buf *why, const struct host *h, const char *reason)
{
    buf_printf(why, "%sno address for %s: %s (database_host)", why->n > 0 ? "; " : "",
               h->text, reason);
}

static size_t add_answer(struct host *h, struct deadline until, struct db_place *out,
                         size_t room, struct buf *why)
{
    struct lookup *l = h->lookup;
    size_t n = 0;

    if (!wait_answer(l, until)) {
        explain(why, h, "the resolver has not answered yet");
        return 0;
    }
    for (size_t i = 0; i < l->count && n < room; i++)
        n += add(h, l->addresses[i], &out[n]);
    if (l->count == 0)
        explain(why, h, gai_strerror(l->error));
    h->lookup = NULL;
    release(l);
    return n;
}

size_t db_hosts_find(struct db_hosts *h, struct deadline until,
                     struct db_place out[DB_HOSTS_PLACES_MAX], struct buf *why)
{
    size_t n = 0;

    /* All at once, so that one that is slow costs the others nothing. */
    for (size_t i = 0; i < h->count; i++) {
        if (h->hosts[i].is_name)
            refresh(&h->hosts[i]);
    }
    for (size_t i = 0; i < h->count && n < DB_HOSTS_PLACES_MAX; i++) {
        struct host *one = &h->hosts[i];

        if (one->is_name)
            n += add_answer(one, until, out + n, DB_HOSTS_PLACES_MAX - n, why);
        else
            n += add(one, is_address(one->text) ? one->text : "", &out[n]);
    }
    return n;
}
