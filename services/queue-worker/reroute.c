/* reroute.c - what waits for other hosts follows the routes of today. */
#include "reroute.h"

#include "base/arena.h"
#include "base/log.h"
#include "store/store_remote.h"
#include "svc/routes.h"

enum rc reroute(struct db *db, const struct routes *routes, size_t *rows)
{
    struct arena *a = arena_new();
    struct store_remote_way *ways;
    size_t n, changed = 0;
    enum rc rc = store_remote_ways(a, db, &ways, &n);

    *rows = 0;
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        str_t wanted = routes_find(routes, ways[i].domain);

        if (!str_eq(ways[i].transport, wanted))
            ways[changed++] = (struct store_remote_way){ ways[i].domain, wanted };
    }
    if (changed > 0)
        rc = store_remote_reroute(a, db, ways, changed, rows);
    if (rc == RC_OK && *rows > 0)
        log_info("queue.rerouted", "rows=%zu", *rows);
    arena_free(&a);
    return rc;
}
