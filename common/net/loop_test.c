/* loop_test.c - messages, calls and timers of an event loop. */
#include "net/loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

enum { WAIT_MS = 20 * 1000, SENDERS = 3, POSTS = 20000 };

struct message {
    struct loop_post post;
    int sender, number;
};

static struct loop *loop;
static int next_number[SENDERS];
static _Atomic int received, disorder;

static void on_message(struct loop_post *post)
{
    struct message *m = (struct message *)post;

    if (!loop_is_current(loop) || m->number != next_number[m->sender]++)
        atomic_fetch_add(&disorder, 1);
    mem_free(m);
    atomic_fetch_add(&received, 1);
}

static void *send_many(void *arg)
{
    int sender = (int)(intptr_t)arg;

    for (int i = 0; i < POSTS; i++) {
        struct message *m = mem_alloc(sizeof(*m));

        *m = (struct message){ { .run = on_message }, sender, i };
        loop_post(loop, &m->post);
    }
    return NULL;
}

static void test_posts_arrive_once_and_in_order(void **state)
{
    pthread_t threads[SENDERS];

    (void)state;
    loop = loop_new("test");
    loop_start(loop);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, send_many, (void *)(intptr_t)i), 0);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    loop_stop(loop); /* after what was posted before */
    assert_int_equal(atomic_load(&received), SENDERS * POSTS);
    assert_int_equal(atomic_load(&disorder), 0);
    loop_free(&loop);
}

static void note_thread(void *arg)
{
    *(bool *)arg = loop_is_current(loop);
}

static void test_call(void **state)
{
    bool on_loop = true;

    (void)state;
    loop = loop_new("test");
    loop_call(loop, note_thread, &on_loop);
    assert_false(on_loop); /* not started: at once, here */
    loop_start(loop);
    loop_call(loop, note_thread, &on_loop);
    assert_true(on_loop);
    loop_stop(loop);
    loop_free(&loop);
}

struct ticker {
    struct loop_timer timer;
    _Atomic int ticks;
    _Atomic bool closed;
};

static void on_closed(struct loop_timer *t)
{
    atomic_store(&((struct ticker *)t)->closed, true);
}

static void on_tick(struct loop_timer *t)
{
    struct ticker *k = (struct ticker *)t;

    if (atomic_fetch_add(&k->ticks, 1) == 2)
        loop_timer_close(t, on_closed);
}

static void start_ticker(void *arg)
{
    struct ticker *k = arg;

    loop_timer_init(loop, &k->timer, on_tick);
    loop_timer_start(&k->timer, 1, 1);
}

static void test_timer(void **state)
{
    struct ticker k = { 0 };
    struct deadline d = deadline_in_ms(WAIT_MS);

    (void)state;
    loop = loop_new("test");
    loop_start(loop);
    loop_call(loop, start_ticker, &k);
    while (!atomic_load(&k.closed) && !deadline_passed(d))
        poll(NULL, 0, 1);
    loop_stop(loop);
    assert_int_equal(atomic_load(&k.ticks), 3);
    loop_free(&loop);
}

static void hang(void *arg)
{
    struct deadline d = deadline_in_ms(*(int64_t *)arg);

    while (!deadline_passed(d))
        ;
}

static void test_heartbeat_stops_when_the_loop_hangs(void **state)
{
    struct deadline d = deadline_in_ms(WAIT_MS);
    int64_t hang_ms = 1500, first, before, after;

    (void)state;
    loop = loop_new("test");
    first = loop_heartbeat_ms(loop);
    loop_start(loop);
    while (loop_heartbeat_ms(loop) == first && !deadline_passed(d))
        poll(NULL, 0, 1);
    assert_true(loop_heartbeat_ms(loop) > first);
    before = loop_heartbeat_ms(loop);
    loop_call(loop, hang, &hang_ms);
    after = loop_heartbeat_ms(loop);
    assert_true(after == before || after - before >= hang_ms);
    loop_stop(loop);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_arrive_once_and_in_order),
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_timer),
        cmocka_unit_test(test_heartbeat_stops_when_the_loop_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
