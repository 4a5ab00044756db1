/* reroute.c - what waits for other hosts follows the routes of today. */
#include "reroute.h"

#include "base/arena.h"
#include "base/log.h"
#include "store/store_remote.h"
#include "svc/routes.h"

/* All rows that shall go this way and do not yet; each is asked about once. */
static enum rc change(struct arena *a, struct db *db, struct store_remote_way *ways,
                      const str_t *wanted, size_t first, size_t n, size_t *rows)
{
    int64_t *ids = arena_array(a, n - first, sizeof(*ids));
    size_t count = 0, changed;
    enum rc rc;

    for (size_t i = first; i < n; i++)
        if (str_eq(wanted[i], wanted[first]) && !str_eq(ways[i].transport, wanted[i])) {
            ids[count++] = ways[i].id;
            ways[i].transport = wanted[i];
        }
    rc = store_remote_reroute(db, ids, count, wanted[first], &changed);
    *rows += changed;
    return rc;
}

enum rc reroute(struct db *db, const struct routes *routes, int64_t *after, size_t *rows)
{
    struct arena *a = arena_new();
    struct store_remote_way *ways;
    size_t n;
    enum rc rc = store_remote_ways(a, db, *after, &ways, &n);
    str_t *wanted = arena_array(a, n + 1, sizeof(*wanted));

    *rows = 0;
    for (size_t i = 0; i < n; i++)
        wanted[i] = routes_find(routes, ways[i].domain);
    for (size_t i = 0; i < n && rc == RC_OK; i++)
        if (!str_eq(ways[i].transport, wanted[i]))
            rc = change(a, db, ways, wanted, i, n, rows);
    if (rc == RC_OK)
        *after = n == STORE_REMOTE_WAYS_MAX ? ways[n - 1].id : 0;
    if (*rows > 0)
        log_info("queue.rerouted", "rows=%zu", *rows);
    arena_free(&a);
    return rc;
}
