/* commit.c - one leader, and a list that fills while it commits. */
#include "commit.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <pthread.h>

enum {
    BATCH_MAX = 32,
    BATCH_MAX_BYTES = 2 * 1024 * 1024,
    /* A message above this size goes by itself, so that small ones do not wait for it. */
    ALONE_BYTES = 256 * 1024,
    /* Time for PostgreSQL to come back; the client waits for minutes (RFC 5321
     * 4.5.3.2.6). */
    STORE_WAIT_MS = 15000,
};

struct commit {
    pthread_mutex_t lock;
    struct commit_item *first, **last; /* wait for a leader */
    bool led;                          /* somebody commits */
    void (*committed)(void *user, int64_t body_id, uint32_t count);
    void *user;
    int wait_ms;
};

static struct metric batches = { .kind = METRIC_COUNTER,
                                 .name = "postbus_smtp_commits",
                                 .labels = "",
                                 .help = "Transactions that made messages durable." };
static pthread_once_t registered = PTHREAD_ONCE_INIT;

static void register_metrics(void)
{
    metric_register(&batches);
}

/* Under the lock: cut the next batch off the list. */
static size_t take(struct commit *c, struct commit_item *out[BATCH_MAX])
{
    size_t n = 0, bytes = 0;

    while (c->first != NULL && n < BATCH_MAX) {
        bytes += c->first->bytes;
        if (n > 0 && bytes > BATCH_MAX_BYTES)
            break;
        out[n++] = c->first;
        c->first = c->first->next;
    }
    if (c->first == NULL)
        c->last = &c->first;
    return n;
}

static void run_batch(const struct commit *c, struct db *db, struct commit_item **items,
                      size_t n)
{
    struct store_accept messages[BATCH_MAX];
    int64_t body_id = 0;
    uint32_t accepted = 0;

    for (size_t i = 0; i < n; i++)
        messages[i] = items[i]->message;
    /* The first one has waited longest; a long list must not add up one wait for each of
     * its batches. */
    if (store_accept(db, messages, n, (int)deadline_left_ms(items[0]->until)) != RC_OK)
        log_debug("smtp.commit_failed", "messages=%zu", n); /* each has its own rc */
    metric_add(&batches, 1);
    for (size_t i = 0; i < n; i++) {
        items[i]->message = messages[i];
        if (messages[i].rc == RC_OK) {
            body_id = messages[i].body_id;
            accepted++;
        }
    }
    if (accepted > 0 && c->committed != NULL)
        c->committed(c->user, body_id, accepted);
    for (size_t i = 0; i < n; i++)
        items[i]->done(items[i]);
}

static void lead(struct commit *c, struct db *db)
{
    struct commit_item *items[BATCH_MAX];
    size_t n;

    for (;;) {
        CHECK(pthread_mutex_lock(&c->lock) == 0);
        n = take(c, items);
        c->led = n > 0;
        CHECK(pthread_mutex_unlock(&c->lock) == 0);
        if (n == 0)
            return;
        run_batch(c, db, items, n);
    }
}

struct commit *commit_new(void (*committed)(void *user, int64_t body_id, uint32_t count),
                          void *user)
{
    struct commit *c = mem_alloc(sizeof(*c));

    CHECK(pthread_once(&registered, register_metrics) == 0);
    CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    c->last = &c->first;
    c->committed = committed;
    c->user = user;
    c->wait_ms = STORE_WAIT_MS;
    return c;
}

void commit_free(struct commit **c)
{
    if (*c == NULL)
        return;
    CHECK((*c)->first == NULL);
    CHECK(pthread_mutex_destroy(&(*c)->lock) == 0);
    mem_free(*c);
    *c = NULL;
}

void commit_wait(struct commit *c, int ms)
{
    c->wait_ms = ms;
}

void commit_add(struct commit *c, struct db *db, struct commit_item *item)
{
    bool leads;

    item->until = deadline_in_ms(c->wait_ms);
    item->bytes = item->message.head.n + item->message.body.n;
    if (item->bytes > ALONE_BYTES) {
        run_batch(c, db, &item, 1);
        return;
    }
    item->next = NULL;
    CHECK(pthread_mutex_lock(&c->lock) == 0);
    *c->last = item;
    c->last = &item->next;
    leads = !c->led;
    c->led = true;
    CHECK(pthread_mutex_unlock(&c->lock) == 0);
    if (leads)
        lead(c, db);
}
