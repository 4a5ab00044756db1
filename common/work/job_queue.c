/* job_queue.c - a list under a mutex, and a stack of sleeping takers.
 *
 * A job that finds a sleeper is handed to it directly: nobody else can snatch it between
 * the wake-up and the lock, and nobody wakes for nothing.
 */
#include "work/job_queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>

struct sleeper {
    pthread_cond_t wake;
    struct sleeper *below;
    struct job *job;
    bool called;
};

struct job_queue {
    pthread_mutex_t lock;
    struct job *first, *last;
    size_t count, max;
    struct sleeper *sleepers; /* the last to fall asleep is on top */
    bool closed;
};

struct job_queue *job_queue_new(size_t max_count)
{
    struct job_queue *q = mem_alloc(sizeof(*q));

    pthread_mutex_init(&q->lock, NULL);
    q->max = max_count;
    return q;
}

void job_queue_free(struct job_queue **q)
{
    if (*q == NULL)
        return;
    CHECK((*q)->count == 0 && (*q)->sleepers == NULL);
    pthread_mutex_destroy(&(*q)->lock);
    mem_free(*q);
    *q = NULL;
}

/* With the lock held; the sleeper leaves the stack here, not when it runs. */
static void call_sleeper(struct job_queue *q, struct job *j)
{
    struct sleeper *s = q->sleepers;

    q->sleepers = s->below;
    s->job = j;
    s->called = true;
    pthread_cond_signal(&s->wake);
}

static void append(struct job_queue *q, struct job *j)
{
    if (q->last == NULL)
        q->first = j;
    else
        q->last->next = j;
    q->last = j;
    q->count++;
}

enum rc job_queue_put(struct job_queue *q, struct job *j)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&q->lock);
    if (q->closed) {
        rc = RC_CLOSED;
    } else if (q->sleepers == NULL && q->count >= q->max) {
        rc = RC_LIMIT;
    } else {
        j->next = NULL;
        j->queued_us = clock_monotonic_us();
        if (q->sleepers != NULL)
            call_sleeper(q, j);
        else
            append(q, j);
    }
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
    struct job *j;

    pthread_mutex_lock(&q->lock);
    j = q->first;
    if (j != NULL) {
        q->first = j->next;
        if (q->first == NULL)
            q->last = NULL;
        q->count--;
    } else if (!q->closed) {
        j = sleep_until_called(q);
    }
    pthread_mutex_unlock(&q->lock);
    return j;
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
