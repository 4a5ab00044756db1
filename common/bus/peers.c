/* peers.c - the resolver's answers, compared from round to round.
 *
 * The thread is detached: getaddrinfo cannot be interrupted, and a dead resolver must
 * not hold up the end of the process.
 */
#include "bus/peers.h"

#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { INTERVAL_MS = 2000, ROUNDS_GONE = 3 };

struct entry {
    char endpoint[PEERS_ENDPOINT_BYTES];
    int missed; /* rounds */
    bool seen;  /* in this round */
};

struct name {
    struct peers_spec spec;
    struct entry entries[PEERS_PER_NAME];
    size_t count;
};

struct peers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopped; /* under lock */
    atomic_int owners;
    struct peers_options options;
    size_t count;
    struct name *names;
};

static bool parse_port(str_t text, int *out)
{
    uint64_t v;

    if (!str_to_u64(text, 65535, &v) || v == 0)
        return false;
    *out = (int)v;
    return true;
}

/* "HOST:PORT"; an IPv6 address stands in brackets. */
static bool parse_host(str_t text, struct peers_host *out)
{
    size_t colon = text.n;
    str_t host;

    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !parse_port(str_skip(text, colon), &out->port))
        return false;
    host = str_head(text, colon - 1);
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_n(host.p + 1, host.n - 2);
    else if (str_find_char(host, ':') != SIZE_MAX)
        return false;
    if (host.n == 0 || host.n >= sizeof(out->name) ||
        str_find_char(host, ' ') != SIZE_MAX || str_find_char(host, '\0') != SIZE_MAX)
        return false;
    memcpy(out->name, host.p, host.n);
    out->name[host.n] = '\0';
    return true;
}

static enum rc parse_static(str_t text, struct peers_spec *out, const char **why)
{
    str_t part;

    while (str_split(&text, ',', &part)) {
        if (out->count == PEERS_HOSTS) {
            *why = "more than 32 hosts";
            return RC_INVALID;
        }
        if (!parse_host(str_trim(part), &out->hosts[out->count++])) {
            *why = "not HOST:PORT";
            return RC_INVALID;
        }
    }
    *why = "no host";
    return out->count == 0 ? RC_INVALID : RC_OK;
}

enum rc peers_parse(str_t text, struct peers_spec *out, const char **why)
{
    memset(out, 0, sizeof(*out));
    text = str_trim(text);
    if (str_starts(text, S("dns:"))) {
        out->count = 1;
        *why = "not dns:NAME:PORT";
        return parse_host(str_skip(text, 4), &out->hosts[0]) ? RC_OK : RC_INVALID;
    }
    if (str_starts(text, S("static:")))
        return parse_static(str_skip(text, 7), out, why);
    *why = "begins with neither dns: nor static:";
    return RC_INVALID;
}

static bool format_endpoint(const struct addrinfo *a, int port,
                            char out[PEERS_ENDPOINT_BYTES])
{
    char ip[INET6_ADDRSTRLEN + 32];

    if (getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST))
        return false;
    snprintf(out, PEERS_ENDPOINT_BYTES,
             a->ai_family == AF_INET6 ? "tcp://[%s]:%d" : "tcp://%s:%d", ip, port);
    return true;
}

static enum rc resolve(const char *host, int port, char endpoints[][PEERS_ENDPOINT_BYTES],
                       size_t *count)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;
    int error = getaddrinfo(host, NULL, &hints, &all);

    *count = 0;
    if (error == EAI_NONAME || error == EAI_NODATA)
        return RC_NOT_FOUND;
    if (error != 0)
        return RC_RETRY;
    for (struct addrinfo *a = all; a != NULL && *count < PEERS_PER_NAME; a = a->ai_next)
        *count += format_endpoint(a, port, endpoints[*count]);
    freeaddrinfo(all);
    return RC_OK;
}

static void tell(struct peers *p, const struct name *n, const char *endpoint, bool added)
{
    pthread_mutex_lock(&p->lock);
    if (!p->stopped)
        p->options.on_change(p->options.user, (size_t)(n - p->names), endpoint, added);
    pthread_mutex_unlock(&p->lock);
}

static void note(struct peers *p, struct name *n, const char *endpoint)
{
    struct entry *e;

    for (size_t i = 0; i < n->count; i++) {
        e = &n->entries[i];
        if (strcmp(e->endpoint, endpoint) == 0) {
            e->seen = true;
            e->missed = 0;
            return;
        }
    }
    if (n->count == PEERS_PER_NAME)
        return;
    e = &n->entries[n->count++];
    *e = (struct entry){ .seen = true };
    snprintf(e->endpoint, sizeof(e->endpoint), "%s", endpoint);
    tell(p, n, endpoint, true);
}

static void remove_gone(struct peers *p, struct name *n)
{
    for (size_t i = 0; i < n->count;) {
        struct entry *e = &n->entries[i];

        if (e->seen || ++e->missed < ROUNDS_GONE) {
            i++;
            continue;
        }
        tell(p, n, e->endpoint, false);
        *e = n->entries[--n->count];
    }
}

static void look(struct peers *p, struct name *n)
{
    char(*found)[PEERS_ENDPOINT_BYTES] = mem_alloc(PEERS_PER_NAME * sizeof(*found));
    bool complete = true;

    for (size_t i = 0; i < n->count; i++)
        n->entries[i].seen = false;
    for (size_t h = 0; h < n->spec.count; h++) {
        const struct peers_host *host = &n->spec.hosts[h];
        size_t count = 0;

        complete &= p->options.resolve(host->name, host->port, found, &count) != RC_RETRY;
        for (size_t i = 0; i < count; i++)
            note(p, n, found[i]);
    }
    if (complete)
        remove_gone(p, n);
    mem_free(found);
}

/* False: stopped.  The jitter keeps replicas from asking the resolver in step. */
static bool wait_round(struct peers *p)
{
    uint32_t interval = (uint32_t)p->options.interval_ms;
    uint32_t ms = interval * 3 / 4 + crypto_random_below(interval / 2 + 1);
    struct timespec until;
    bool go_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&p->lock);
    while (!p->stopped && pthread_cond_timedwait(&p->wake, &p->lock, &until) == 0)
        continue;
    go_on = !p->stopped;
    pthread_mutex_unlock(&p->lock);
    return go_on;
}

static void release(struct peers *p)
{
    if (atomic_fetch_sub(&p->owners, 1) != 1)
        return;
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->names);
    mem_free(p);
}

static void *run(void *arg)
{
    struct peers *p = arg;

    pthread_setname_np(pthread_self(), "peers");
    do {
        for (size_t i = 0; i < p->count; i++)
            look(p, &p->names[i]);
    } while (wait_round(p));
    release(p);
    return NULL;
}

static void init_wake(struct peers *p)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
}

struct peers *peers_new(const struct peers_options *options)
{
    struct peers *p = mem_alloc(sizeof(*p));
    pthread_t thread;

    p->options = *options;
    if (p->options.interval_ms == 0)
        p->options.interval_ms = INTERVAL_MS;
    if (p->options.resolve == NULL)
        p->options.resolve = resolve;
    p->count = options->count;
    p->names = mem_alloc(options->count * sizeof(*p->names));
    for (size_t i = 0; i < p->count; i++)
        p->names[i].spec = options->specs[i];
    p->options.specs = NULL; /* borrowed for this call only */
    init_wake(p);
    atomic_store(&p->owners, 2);
    CHECK(pthread_create(&thread, NULL, run, p) == 0);
    pthread_detach(thread);
    return p;
}

void peers_free(struct peers **p)
{
    if (*p == NULL)
        return;
    pthread_mutex_lock(&(*p)->lock);
    (*p)->stopped = true;
    pthread_cond_signal(&(*p)->wake);
    pthread_mutex_unlock(&(*p)->lock);
    release(*p);
    *p = NULL;
}
