/* loop.c - libuv in a thread; messages are a lock-free stack that is reversed when read.
 *
 * uv_async_send is called only for the message that finds the stack empty: a burst costs
 * one wake-up.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { TICK_MS = 1000, TURNS_TO_CLOSE = 10 };

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    struct loop_timer tick;
    _Atomic(struct loop_post *) posts; /* newest first */
    _Atomic int64_t heartbeat_ms;
    pthread_t thread;
    bool started;
    bool stopping; /* loop thread only */
    char name[16];
};

static _Thread_local const struct loop *current;

/* A peer that closes must cost an error code, never the process. */
static void ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

static void *uv_alloc(size_t bytes)
{
    return mem_alloc(bytes);
}

static void *uv_array(size_t count, size_t bytes)
{
    CHECK(bytes == 0 || count <= SIZE_MAX / bytes);
    return mem_alloc(count * bytes);
}

/* The library ends the process where it gets no memory, so it gets ours. */
static void lend_memory(void)
{
    CHECK(uv_replace_allocator(uv_alloc, mem_realloc, uv_array, mem_free) == 0);
}

static struct loop_post *take_in_order(struct loop *l)
{
    struct loop_post *p = atomic_exchange_explicit(&l->posts, NULL, memory_order_acquire);
    struct loop_post *in_order = NULL;

    while (p != NULL) {
        struct loop_post *next = p->next;

        p->next = in_order;
        in_order = p;
        p = next;
    }
    return in_order;
}

static void run_posts(struct loop *l)
{
    struct loop_post *p = take_in_order(l);

    while (p != NULL) {
        struct loop_post *next = p->next; /* p may be gone or posted again after run */

        p->run(p);
        p = next;
    }
}

static void on_wake(uv_async_t *async)
{
    struct loop *l = async->data;

    run_posts(l);
}

static void on_tick(struct loop_timer *t)
{
    struct loop *l = t->uv.loop->data;

    atomic_store_explicit(&l->heartbeat_ms, clock_monotonic_ms(), memory_order_relaxed);
}

struct loop *loop_new(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loop *l = mem_alloc(sizeof(*l));

    ignore_sigpipe();
    pthread_once(&once, lend_memory);
    snprintf(l->name, sizeof(l->name), "%s", name);
    CHECK(uv_loop_init(&l->uv) == 0);
    l->uv.data = l;
    CHECK(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
    l->wake.data = l;
    loop_timer_init(l, &l->tick, on_tick);
    loop_timer_start(&l->tick, TICK_MS, TICK_MS);
    on_tick(&l->tick);
    return l;
}

static void *thread_main(void *arg)
{
    struct loop *l = arg;

    current = l;
    pthread_setname_np(pthread_self(), l->name);
    while (!l->stopping)
        uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

void loop_start(struct loop *l)
{
    CHECK(!l->started);
    l->stopping = false;
    l->started = true;
    CHECK(pthread_create(&l->thread, NULL, thread_main, l) == 0);
}

struct stop_post {
    struct loop_post post;
    struct loop *loop;
};

static void stop_now(struct loop_post *post)
{
    struct loop *l = ((struct stop_post *)post)->loop;

    l->stopping = true;
    uv_stop(&l->uv);
}

void loop_stop(struct loop *l)
{
    struct stop_post stop = { .post.run = stop_now, .loop = l };

    if (!l->started)
        return;
    CHECK(!loop_is_current(l));
    loop_post(l, &stop.post);
    pthread_join(l->thread, NULL);
    l->started = false;
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;

    if (l == NULL)
        return;
    CHECK(!l->started);
    run_posts(l);
    loop_timer_close(&l->tick, NULL);
    uv_close((uv_handle_t *)&l->wake, NULL);
    /* A handle that somebody forgot shall be an abort, not a hang. */
    for (int turn = 0; turn < TURNS_TO_CLOSE && uv_loop_alive(&l->uv); turn++)
        uv_run(&l->uv, UV_RUN_NOWAIT);
    CHECK(uv_loop_close(&l->uv) == 0);
    mem_free(l);
    *loop = NULL;
}

void loop_post(struct loop *l, struct loop_post *node)
{
    struct loop_post *head = atomic_load_explicit(&l->posts, memory_order_relaxed);

    do
        node->next = head;
    while (!atomic_compare_exchange_weak_explicit(
        &l->posts, &head, node, memory_order_release, memory_order_relaxed));
    if (head == NULL)
        uv_async_send(&l->wake);
}

struct call_post {
    struct loop_post post;
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done_now;
    bool done;
};

static void call_now(struct loop_post *post)
{
    struct call_post *c = (struct call_post *)post;

    c->fn(c->arg);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->done_now);
    pthread_mutex_unlock(&c->lock);
}

void loop_call(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct call_post c = { .post.run = call_now,
                           .fn = fn,
                           .arg = arg,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .done_now = PTHREAD_COND_INITIALIZER };

    if (loop_is_current(l) || !l->started) {
        fn(arg);
        return;
    }
    loop_post(l, &c.post);
    pthread_mutex_lock(&c.lock);
    while (!c.done)
        pthread_cond_wait(&c.done_now, &c.lock);
    pthread_mutex_unlock(&c.lock);
    pthread_cond_destroy(&c.done_now);
    pthread_mutex_destroy(&c.lock);
}

bool loop_is_running(const struct loop *l)
{
    return l->started;
}

bool loop_is_current(const struct loop *l)
{
    return current == l;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

int64_t loop_heartbeat_ms(const struct loop *l)
{
    return atomic_load_explicit(&l->heartbeat_ms, memory_order_relaxed);
}

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *t = (struct loop_timer *)uv;

    t->run(t);
}

void loop_timer_init(struct loop *l, struct loop_timer *t,
                     void (*run)(struct loop_timer *))
{
    CHECK(uv_timer_init(&l->uv, &t->uv) == 0);
    t->run = run;
    t->closed = NULL;
}

void loop_timer_start(struct loop_timer *t, int64_t in_ms, int64_t repeat_ms)
{
    /* The loop's cached time may lag behind by the length of its current turn. */
    uv_update_time(t->uv.loop);
    CHECK(uv_timer_start(&t->uv, timer_fired, (uint64_t)in_ms, (uint64_t)repeat_ms) == 0);
}

void loop_timer_stop(struct loop_timer *t)
{
    uv_timer_stop(&t->uv);
}

static void timer_closed(uv_handle_t *h)
{
    struct loop_timer *t = (struct loop_timer *)h;

    if (t->closed != NULL)
        t->closed(t);
}

void loop_timer_close(struct loop_timer *t, void (*closed)(struct loop_timer *))
{
    t->closed = closed;
    uv_close((uv_handle_t *)&t->uv, timer_closed);
}
