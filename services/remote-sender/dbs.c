/* dbs.c - a few database connections, lent to many threads. */
#include "dbs.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"

#include <pthread.h>
#include <stddef.h>

struct dbs {
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct db *free[DBS_MAX]; /* the last one given is taken first: it is warm */
    size_t free_count, count;
};

struct dbs *dbs_new(void)
{
    struct dbs *d = mem_alloc(sizeof(*d));

    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->given, NULL);
    return d;
}

void dbs_free(struct dbs **pd)
{
    struct dbs *d = *pd;

    if (d == NULL)
        return;
    CHECK(d->free_count == d->count);
    for (size_t i = 0; i < d->count; i++)
        db_free(&d->free[i]);
    pthread_cond_destroy(&d->given);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *pd = NULL;
}

void dbs_add(struct dbs *d, struct db *db)
{
    CHECK(d->count < DBS_MAX);
    pthread_mutex_lock(&d->lock);
    d->free[d->free_count++] = db;
    d->count++;
    pthread_mutex_unlock(&d->lock);
}

struct db *dbs_take(struct dbs *d)
{
    struct db *db;

    pthread_mutex_lock(&d->lock);
    while (d->free_count == 0)
        pthread_cond_wait(&d->given, &d->lock);
    db = d->free[--d->free_count];
    pthread_mutex_unlock(&d->lock);
    return db;
}

void dbs_give(struct dbs *d, struct db *db)
{
    db_reset(db);
    pthread_mutex_lock(&d->lock);
    d->free[d->free_count++] = db;
    pthread_cond_signal(&d->given);
    pthread_mutex_unlock(&d->lock);
}
