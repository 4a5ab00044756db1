/* hand_over_test.c - how long a command takes from a loop to a worker and back. */
#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "work/worker_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>

enum { WAIT_MS = 60 * 1000, ROUNDS = 2000 };

struct round {
    struct job job;
    struct loop_post post;
    struct loop *loop;
    struct worker_pool *pool;
    int64_t began_us;
    int64_t took_us[ROUNDS];
    int count;
    _Atomic bool done;
};

static void begin_round(struct round *r)
{
    r->began_us = clock_monotonic_us();
    CHECK(worker_pool_submit(r->pool, &r->job) == RC_OK);
}

static void on_worker(struct job *j, struct worker *w)
{
    struct round *r = (struct round *)j;

    (void)w;
    loop_post(r->loop, &r->post);
}

static void on_loop(struct loop_post *post)
{
    struct round *r =
        (struct round *)(void *)((char *)post - offsetof(struct round, post));

    r->took_us[r->count++] = clock_monotonic_us() - r->began_us;
    if (r->count < ROUNDS)
        begin_round(r);
    else
        atomic_store(&r->done, true);
}

static void begin_on_loop(void *arg)
{
    begin_round(arg);
}

static int compare_us(const void *a, const void *b)
{
    const int64_t *l = a, *r = b;

    return *l < *r ? -1 : *l > *r;
}

static void test_hand_over(void **state)
{
    struct worker_pool_options o = { .name = "hand", .count = 4, .queue_max = 10 };
    static struct round r;
    struct deadline d = deadline_in_ms(WAIT_MS);

    (void)state;
    r = (struct round){ .job.run = on_worker, .post.run = on_loop };
    r.loop = loop_new("test");
    r.pool = worker_pool_new(&o);
    loop_start(r.loop);
    loop_call(r.loop, begin_on_loop, &r);
    while (!atomic_load(&r.done) && !deadline_passed(d))
        poll(NULL, 0, 1);
    assert_true(atomic_load(&r.done));
    worker_pool_free(&r.pool);
    loop_stop(r.loop);
    loop_free(&r.loop);
    qsort(r.took_us, ROUNDS, sizeof(r.took_us[0]), compare_us);
    print_message("loop to worker to loop: p50 %lld us, p99 %lld us\n",
                  (long long)r.took_us[ROUNDS / 2],
                  (long long)r.took_us[ROUNDS * 99 / 100]);
    /* A hand-over that waits for a timer tick would take milliseconds. */
    assert_in_range(r.took_us[ROUNDS / 2], 0, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hand_over) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
