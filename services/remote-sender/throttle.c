/* throttle.c - so many messages a minute to one destination: which claimed rows may go.
 *
 * A rest is needed beside the rows' own time: of many thousands that are due, each claim
 * would otherwise take ten more, only to put them back.
 */
#include "throttle.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/rate.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { BURST_PART = 10 };

struct rest {
    char name[STORE_REMOTE_DESTINATION_BYTES];
    int64_t until_ms; /* monotonic */
};

struct throttle {
    struct rate *rate;
    struct rest rest[THROTTLE_RESTS_MAX];
    size_t count;
};

static struct metric put_back = { .kind = METRIC_COUNTER,
                                  .name = "postbus_remote_throttled",
                                  .labels = "",
                                  .help = "Times that a message was put back because "
                                          "its destination was over its rate." };

static void register_metrics(void)
{
    metric_register(&put_back);
}

struct throttle *throttle_new(int64_t per_minute)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct rate_options rate = { .per_minute = per_minute,
                                       .burst = per_minute / BURST_PART };
    struct throttle *t;

    if (per_minute == 0)
        return NULL;
    pthread_once(&once, register_metrics);
    t = mem_alloc(sizeof(*t));
    t->rate = rate_new(&rate);
    return t;
}

void throttle_free(struct throttle **t)
{
    if (*t == NULL)
        return;
    rate_free(&(*t)->rate);
    mem_free(*t);
    *t = NULL;
}

size_t throttle_busy(struct throttle *t, struct arena *a, int64_t now_ms, str_t **busy,
                     size_t n)
{
    size_t left = 0;
    str_t *all;

    if (t == NULL || t->count == 0)
        return n;
    all = arena_array(a, n + t->count, sizeof(*all));
    if (n > 0)
        memcpy(all, *busy, n * sizeof(*all));
    for (size_t i = 0; i < t->count; i++)
        if (t->rest[i].until_ms > now_ms) {
            t->rest[left] = t->rest[i];
            all[n++] = arena_str(a, str_of(t->rest[left++].name));
        }
    t->count = left;
    *busy = all;
    return n;
}

static uint64_t key_of(str_t destination)
{
    unsigned char hash[CRYPTO_SHA256_BYTES];
    uint64_t key;

    crypto_sha256(destination, hash);
    memcpy(&key, hash, sizeof(key));
    return key;
}

size_t throttle_admit(struct throttle *t, struct arena *a, struct store_remote_row *rows,
                      size_t n, int64_t now_us, struct store_remote_pause **late)
{
    struct store_remote_row *over;
    size_t go = 0, n_over = 0;

    *late = NULL;
    if (t == NULL)
        return n;
    *late = arena_array(a, n + 1, sizeof(**late));
    over = arena_array(a, n + 1, sizeof(*over));
    for (size_t i = 0; i < n; i++) {
        int64_t wait_ms;

        if (rate_take(t->rate, key_of(rows[i].destination), now_us, &wait_ms)) {
            rows[go++] = rows[i];
            continue;
        }
        if (wait_ms < THROTTLE_REST_MIN_MS)
            wait_ms = THROTTLE_REST_MIN_MS;
        (*late)[n_over] =
            (struct store_remote_pause){ rows[i].id, rows[i].lease, wait_ms };
        over[n_over++] = rows[i];
    }
    if (n_over > 0)
        memcpy(&rows[go], over, n_over * sizeof(*over));
    return go;
}

/* Its own, a free one, or the one that ends first. */
static struct rest *find_rest(struct throttle *t, str_t name)
{
    struct rest *first = &t->rest[0];

    for (size_t i = 0; i < t->count; i++) {
        if (str_eq(str_of(t->rest[i].name), name))
            return &t->rest[i];
        if (t->rest[i].until_ms < first->until_ms)
            first = &t->rest[i];
    }
    return t->count < THROTTLE_RESTS_MAX ? &t->rest[t->count++] : first;
}

static void begin_rest(struct throttle *t, str_t name, int64_t until_ms)
{
    struct rest *r = find_rest(t, name);

    snprintf(r->name, sizeof(r->name), "%.*s", STR_ARG(name));
    r->until_ms = until_ms;
}

enum rc throttle_put_off(struct throttle *t, struct db *db,
                         const struct store_remote_row *rows,
                         const struct store_remote_pause *late, size_t n)
{
    enum rc rc;
    int64_t now_ms;

    if (t == NULL || n == 0)
        return RC_OK;
    rc = store_remote_put_off(db, late, n);
    now_ms = clock_monotonic_ms(); /* behind it, so that the rows are due when it ends */
    for (size_t i = 0; i < n; i++) {
        begin_rest(t, rows[i].destination, now_ms + late[i].wait_ms);
        if (rows[i].is_unrouted) /* by which it is claimed, see roster_busy */
            begin_rest(t, rows[i].domain, now_ms + late[i].wait_ms);
    }
    metric_add(&put_back, (int64_t)n);
    log_debug("remote.throttled", "rows=%zu resting=%zu", n, t->count);
    return rc;
}

int64_t throttle_wait_ms(const struct throttle *t, int64_t now_ms, int64_t most_ms)
{
    int64_t least = most_ms;

    for (size_t i = 0; t != NULL && i < t->count; i++)
        if (t->rest[i].until_ms - now_ms < least)
            least = t->rest[i].until_ms - now_ms;
    return least < 1 ? 1 : least;
}
