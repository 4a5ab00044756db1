/* job_queue.c - a list for each share under one mutex, and a stack of sleeping takers.
 *
 * A job that finds a sleeper is handed to it directly: nobody else can snatch it between
 * the wake-up and the lock, and nobody wakes for nothing.
 */
#include "work/job_queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

struct sleeper {
    pthread_cond_t wake;
    struct sleeper *below;
    struct job *job;
    bool called;
};

/* In the line while a job of it waits and may run, so who takes never searches. */
struct share {
    struct share *behind; /* in the line */
    struct job *first, *last;
    uint64_t key;
    unsigned running, max;
    bool in_line;
};

struct job_queue {
    pthread_mutex_t lock;
    struct map *shares;  /* those with jobs, by key */
    struct share nobody; /* key 0 */
    struct share *line, *line_end;
    size_t count, max;
    unsigned share_max;
    struct sleeper *sleepers; /* the last to fall asleep is on top */
    bool closed;
};

struct job_queue *job_queue_new(size_t max_count, unsigned share_max)
{
    struct job_queue *q = mem_alloc(sizeof(*q));

    CHECK(share_max > 0);
    pthread_mutex_init(&q->lock, NULL);
    q->shares = map_new();
    q->nobody.max = UINT_MAX;
    q->max = max_count;
    q->share_max = share_max;
    return q;
}

void job_queue_free(struct job_queue **q)
{
    if (*q == NULL)
        return;
    CHECK((*q)->count == 0 && (*q)->sleepers == NULL && map_count((*q)->shares) == 0);
    map_free(&(*q)->shares);
    pthread_mutex_destroy(&(*q)->lock);
    mem_free(*q);
    *q = NULL;
}

/* The rest with the lock held. */

static struct share *share_of(struct job_queue *q, uint64_t key)
{
    struct share *s = key == 0 ? &q->nobody : map_get(q->shares, key);

    if (s == NULL) {
        s = mem_alloc(sizeof(*s));
        s->key = key;
        s->max = q->share_max;
        map_set(q->shares, key, s);
    }
    return s;
}

static void forget_if_idle(struct job_queue *q, struct share *s)
{
    if (s->key == 0 || s->running > 0 || s->first != NULL)
        return;
    map_set(q->shares, s->key, NULL);
    mem_free(s);
}

/* The sleeper leaves the stack here, not when it runs. */
static void call_sleeper(struct job_queue *q, struct job *j)
{
    struct sleeper *s = q->sleepers;

    q->sleepers = s->below;
    s->job = j;
    s->called = true;
    pthread_cond_signal(&s->wake);
}

static void append(struct job_queue *q, struct share *s, struct job *j)
{
    if (s->first == NULL)
        s->first = j;
    else
        s->last->next = j;
    s->last = j;
    q->count++;
}

static struct job *take_first(struct job_queue *q, struct share *s)
{
    struct job *j = s->first;

    s->first = j->next;
    s->running++;
    q->count--;
    return j;
}

static void get_in_line(struct job_queue *q, struct share *s)
{
    if (s->in_line || s->first == NULL || s->running >= s->max)
        return;
    s->in_line = true;
    s->behind = NULL;
    if (q->line == NULL)
        q->line = s;
    else
        q->line_end->behind = s;
    q->line_end = s;
}

static struct job *take_from_line(struct job_queue *q)
{
    struct share *s = q->line;
    struct job *j = take_first(q, s);

    q->line = s->behind;
    s->in_line = false;
    get_in_line(q, s);
    return j;
}

static enum rc put(struct job_queue *q, struct job *j)
{
    struct share *s;

    if (q->closed)
        return RC_CLOSED;
    s = share_of(q, j->share);
    if (q->count >= q->max && (q->sleepers == NULL || s->running >= s->max)) {
        forget_if_idle(q, s);
        return RC_LIMIT;
    }
    j->next = NULL;
    j->queued_us = clock_monotonic_us();
    append(q, s, j);
    get_in_line(q, s);
    if (q->sleepers != NULL && q->line != NULL)
        call_sleeper(q, take_from_line(q));
    return RC_OK;
}

enum rc job_queue_put(struct job_queue *q, struct job *j)
{
    enum rc rc;

    pthread_mutex_lock(&q->lock);
    rc = put(q, j);
    pthread_mutex_unlock(&q->lock);
    return rc;
}

static struct job *sleep_until_called(struct job_queue *q)
{
    struct sleeper me = { .wake = PTHREAD_COND_INITIALIZER, .below = q->sleepers };

    q->sleepers = &me;
    while (!me.called)
        pthread_cond_wait(&me.wake, &q->lock);
    pthread_cond_destroy(&me.wake);
    return me.job;
}

struct job *job_queue_take(struct job_queue *q)
{
    struct job *j = NULL;

    pthread_mutex_lock(&q->lock);
    if (q->line != NULL)
        j = take_from_line(q);
    else if (!q->closed)
        j = sleep_until_called(q);
    pthread_mutex_unlock(&q->lock);
    return j;
}

void job_queue_done(struct job_queue *q, uint64_t share)
{
    struct share *s;

    pthread_mutex_lock(&q->lock);
    s = share_of(q, share);
    CHECK(s->running > 0);
    s->running--;
    get_in_line(q, s);
    if (q->sleepers != NULL && q->line != NULL)
        call_sleeper(q, take_from_line(q));
    forget_if_idle(q, s);
    pthread_mutex_unlock(&q->lock);
}

void job_queue_close(struct job_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    while (q->sleepers != NULL)
        call_sleeper(q, NULL);
    pthread_mutex_unlock(&q->lock);
}

size_t job_queue_count(struct job_queue *q)
{
    size_t n;

    pthread_mutex_lock(&q->lock);
    n = q->count;
    pthread_mutex_unlock(&q->lock);
    return n;
}
