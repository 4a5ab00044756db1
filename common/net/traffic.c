/* traffic.c - a rate and a count for each scope. */
#include "net/traffic.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rate.h"
#include "net/limit.h"

enum { BURST_PART = 10 };

struct traffic {
    size_t count;
    struct rate *rates[TRAFFIC_SCOPES_MAX];
    struct limit *limits[TRAFFIC_SCOPES_MAX];
};

struct traffic *traffic_new(const struct traffic_scope *scopes, size_t count)
{
    struct traffic *t = mem_alloc(sizeof(*t));

    CHECK(count <= TRAFFIC_SCOPES_MAX);
    t->count = count;
    for (size_t i = 0; i < count; i++) {
        struct rate_options rate = { .per_minute = scopes[i].per_minute,
                                     .burst = scopes[i].per_minute / BURST_PART };

        t->rates[i] = rate_new(&rate);
        t->limits[i] = limit_new(0, (size_t)scopes[i].at_once);
    }
    return t;
}

void traffic_free(struct traffic **t)
{
    if (*t == NULL)
        return;
    for (size_t i = 0; i < (*t)->count; i++) {
        rate_free(&(*t)->rates[i]);
        limit_free(&(*t)->limits[i]);
    }
    mem_free(*t);
    *t = NULL;
}

static bool enter_scope(struct traffic *t, size_t i, uint64_t key, int64_t now_us)
{
    int64_t ignored;

    if (limit_take_key(t->limits[i], key) != RC_OK)
        return false;
    if (rate_take(t->rates[i], key, now_us, &ignored))
        return true;
    limit_give_key(t->limits[i], key);
    return false;
}

bool traffic_enter(struct traffic *t, const uint64_t *keys, int64_t now_us,
                   struct traffic_pass *out)
{
    *out = (struct traffic_pass){ .traffic = t };
    for (size_t i = 0; i < t->count; i++) {
        if (keys[i] == 0)
            continue;
        if (!enter_scope(t, i, keys[i], now_us)) {
            for (size_t k = 0; k < i; k++)
                if (keys[k] != 0)
                    rate_give_back(t->rates[k], keys[k], now_us);
            traffic_leave(out);
            return false;
        }
        out->keys[i] = keys[i];
    }
    return true;
}

void traffic_leave(struct traffic_pass *p)
{
    for (size_t i = 0; p->traffic != NULL && i < p->traffic->count; i++)
        if (p->keys[i] != 0)
            limit_give_key(p->traffic->limits[i], p->keys[i]);
    *p = (struct traffic_pass){ .traffic = NULL };
}
