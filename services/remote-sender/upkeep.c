/* upkeep.c - what only time brings up in the queue for other hosts. */
#include "upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "parcel.h"
#include "store/store_remote.h"

#include <pthread.h>

enum {
    EXPIRE_MAX = 500, /* rows in one round */
    EXPIRE_MS = 1000, /* between two rounds that leave nothing */
    /* After a long standstill whoever is reachable gets his mail before it is returned.
     */
    EXPIRE_FIRST_MS = 10 * 1000,
    AHEAD_MS = 5000, /* between two looks for what a wrong clock has put far away */
    SPARE_S = 60,
};

static struct metric ahead = { .kind = METRIC_COUNTER,
                               .name = "postbus_queue_ahead",
                               .labels = "queue=\"remote\"",
                               .help =
                                   "Messages whose time lay further ahead than it can, "
                                   "because a clock had been ahead." };

static void register_metrics(void)
{
    metric_register(&ahead);
}

void upkeep_init(struct upkeep *u)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_metrics);
    *u = (struct upkeep){ .expire_at_ms = clock_monotonic_ms() + EXPIRE_FIRST_MS };
}

/* What is past its lifetime goes back without another attempt: a destination that answers
 * nothing would keep the rest of its messages waiting for their turn. */
static enum rc expire(struct upkeep *u, struct db *db,
                      const struct destination_rules *rules, bool *more)
{
    size_t rows = 0, recipients;
    enum rc rc;

    if (clock_monotonic_ms() < u->expire_at_ms)
        return RC_OK;
    rc = store_remote_expire(db, EXPIRE_MAX, &rows, &recipients);
    if (rc != RC_OK)
        return rc;
    if (rows > 0)
        log_info("remote.expired", "rows=%zu recipients=%zu", rows, recipients);
    destination_note_failed(rules, recipients);
    u->expire_at_ms = clock_monotonic_ms() + EXPIRE_MS;
    if (rows == EXPIRE_MAX) {
        u->expire_at_ms = 0;
        *more = true;
    }
    return RC_OK;
}

/* What is put off waits for a backoff at most (backoff_ms), what is held for a lease. */
static enum rc call_back(struct upkeep *u, struct db *db,
                         const struct destination_rules *rules)
{
    int64_t wait_ms = rules->backoff.max_ms + rules->backoff.max_ms / 4;
    int64_t now_ms = clock_monotonic_ms();
    size_t n;
    enum rc rc;

    if (now_ms < u->ahead_at_ms)
        return RC_OK;
    u->ahead_at_ms = now_ms + AHEAD_MS;
    if (wait_ms < PARCEL_LEASE_S * 1000)
        wait_ms = PARCEL_LEASE_S * 1000;
    rc = store_remote_call_back(db, wait_ms / 1000 + SPARE_S, PARCEL_LEASE_S, &n);
    metric_add(&ahead, (int64_t)n);
    if (n > 0)
        log_warn("remote.ahead",
                 "rows=%zu reason=\"their time lay further ahead than it "
                 "can; a clock was ahead\"",
                 n);
    return rc;
}

enum rc upkeep_run(struct upkeep *u, struct db *db, const struct destination_rules *rules,
                   bool *more)
{
    enum rc rc = expire(u, db, rules, more);

    return rc == RC_OK ? call_back(u, db, rules) : rc;
}
