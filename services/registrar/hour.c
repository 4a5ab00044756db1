/* hour.c - one connection, and what it was told last. */
#include "hour.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_account.h"
#include "svc/svc.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ASK_EVERY_MS = 1000 };

struct hour {
    struct svc *svc;
    pthread_mutex_t lock;
    struct db *db;    /* under lock */
    int64_t asked_ms; /* under lock; 0: never */
    atomic_bool full;
};

struct hour *hour_new(struct svc *svc)
{
    struct hour *h = mem_alloc(sizeof(*h));

    h->svc = svc;
    CHECK(pthread_mutex_init(&h->lock, NULL) == 0);
    h->db = svc_db_new(svc);
    return h;
}

void hour_free(struct hour **h)
{
    if (*h == NULL)
        return;
    db_free(&(*h)->db);
    CHECK(pthread_mutex_destroy(&(*h)->lock) == 0);
    mem_free(*h);
    *h = NULL;
}

static bool ask(struct hour *h)
{
    int64_t most = h->svc->options->new_private_accounts_per_hour, made = 0;
    enum rc rc = RC_RETRY;

    if (most == 0)
        return false;
    if (svc_database_ok(h->svc)) {
        rc = store_account_private_made(h->db, &made);
        db_reset(h->db);
    }
    return rc == RC_OK && made >= most;
}

bool hour_is_full(struct hour *h)
{
    if (h == NULL)
        return false;
    if (pthread_mutex_trylock(&h->lock) == 0) {
        int64_t now_ms = clock_monotonic_ms();

        if (h->asked_ms == 0 || now_ms - h->asked_ms >= ASK_EVERY_MS) {
            atomic_store(&h->full, ask(h));
            h->asked_ms = now_ms;
        }
        pthread_mutex_unlock(&h->lock);
    }
    return atomic_load(&h->full);
}
