/* http_stream.c - two buffers that change sides, and one lock. */
#include "net/http_stream.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <time.h>

struct http_stream {
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct http_stream_options options;
    struct http_stream_valve valve;
    struct buf filling; /* what came */
    struct buf reading; /* the reader's */
    uint64_t discarded; /* [bytes] after the answer */
    unsigned owners;
    bool asleep, ended, answered, gone;
};

struct http_stream *http_stream_new(const struct http_stream_options *o,
                                    const struct http_stream_valve *valve)
{
    struct http_stream *s = mem_alloc(sizeof(*s));
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->lock, NULL);
    s->options = *o;
    s->valve = *valve;
    s->owners = 2;
    buf_init(&s->filling, o->buffer_bytes);
    buf_init(&s->reading, o->buffer_bytes);
    return s;
}

void http_stream_drop(struct http_stream **stream)
{
    struct http_stream *s = *stream;
    bool last;

    if (s == NULL)
        return;
    *stream = NULL;
    pthread_mutex_lock(&s->lock);
    last = --s->owners == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    buf_fini(&s->filling);
    buf_fini(&s->reading);
    pthread_cond_destroy(&s->news);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* --- under the lock -------------------------------------------------------------------
 */

static void fall_asleep(struct http_stream *s)
{
    s->asleep = true;
    s->valve.sleep(s->valve.connection);
}

static void wake(struct http_stream *s)
{
    if (!s->asleep || s->gone)
        return;
    s->asleep = false;
    s->valve.wake(s->valve.connection);
}

static bool has(const struct http_stream *s, size_t bytes)
{
    return s->ended || s->filling.n >= bytes || s->filling.n == s->filling.max;
}

static enum rc wait_for(struct http_stream *s, size_t bytes, struct deadline d)
{
    struct timespec at = { .tv_sec = d.at_ms / 1000,
                           .tv_nsec = d.at_ms % 1000 * 1000000 };

    while (!s->gone && !has(s, bytes)) {
        if (deadline_passed(d))
            return RC_TIMEOUT;
        pthread_cond_timedwait(&s->news, &s->lock, &at);
    }
    return has(s, bytes) ? RC_OK : RC_CLOSED;
}

/* --- the reader's ---------------------------------------------------------------------
 */

enum rc http_stream_wait(struct http_stream *s, size_t bytes, struct deadline d)
{
    enum rc rc;

    pthread_mutex_lock(&s->lock);
    rc = wait_for(s, bytes, d);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

enum rc http_stream_read(struct http_stream *s, struct deadline d, str_t *piece)
{
    enum rc rc;

    pthread_mutex_lock(&s->lock);
    buf_clear(&s->reading);
    rc = wait_for(s, 1, d);
    if (rc == RC_OK && s->filling.n == 0)
        rc = RC_NOT_FOUND;
    if (rc == RC_OK) {
        buf_swap(&s->filling, &s->reading);
        if (!s->ended)
            wake(s);
    }
    pthread_mutex_unlock(&s->lock);
    *piece = buf_str(&s->reading);
    return rc;
}

void http_stream_answer(struct http_stream *s,
                        void (*fill)(struct http_exchange *x, void *user), void *user)
{
    pthread_mutex_lock(&s->lock);
    CHECK(!s->answered);
    s->answered = true;
    if (!s->gone) {
        fill(s->valve.exchange, user);
        wake(s);
    }
    pthread_mutex_unlock(&s->lock);
}

/* --- the server's ---------------------------------------------------------------------
 */

enum rc http_stream_put(struct http_stream *s, str_t piece, size_t *n)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&s->lock);
    *n = piece.n;
    if (s->answered) {
        s->discarded += piece.n;
        rc = s->discarded > s->options.discard_bytes ? RC_LIMIT : RC_OK;
    } else {
        if (*n > s->filling.max - s->filling.n)
            *n = s->filling.max - s->filling.n;
        CHECK(buf_put(&s->filling, str_head(piece, *n)) == RC_OK);
        if (*n < piece.n)
            fall_asleep(s);
        pthread_cond_signal(&s->news);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

bool http_stream_end(struct http_stream *s)
{
    bool answered;

    pthread_mutex_lock(&s->lock);
    answered = s->answered;
    s->ended = true;
    if (!answered)
        fall_asleep(s);
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
    return answered;
}

void http_stream_gone(struct http_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}
