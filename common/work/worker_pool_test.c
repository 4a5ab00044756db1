/* worker_pool_test.c - jobs through the queue and the pool, under load and at the end. */
#include "work/worker_pool.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { WAIT_MS = 20 * 1000, JOBS = 20000, SUBMITTERS = 4 };

struct context {
    int jobs;
    bool clean;
};

static _Atomic int contexts_alive, done, dirty;
static _Atomic int per_worker[8];

static void *context_new(void *user)
{
    struct context *c = mem_alloc(sizeof(*c));

    CHECK(user == &contexts_alive);
    c->clean = true;
    atomic_fetch_add(&contexts_alive, 1);
    return c;
}

static void context_after_job(void *context)
{
    ((struct context *)context)->clean = true;
}

static void context_free(void *context)
{
    mem_free(context);
    atomic_fetch_sub(&contexts_alive, 1);
}

static struct worker_pool *pool_new(unsigned count, size_t queue_max)
{
    struct worker_pool_options o = { .name = "test",
                                     .count = count,
                                     .queue_max = queue_max,
                                     .context_new = context_new,
                                     .context_after_job = context_after_job,
                                     .context_free = context_free,
                                     .user = &contexts_alive };

    atomic_store(&done, 0);
    atomic_store(&dirty, 0);
    for (size_t i = 0; i < ARRAY_LEN(per_worker); i++)
        atomic_store(&per_worker[i], 0);
    return worker_pool_new(&o);
}

static void count_job(struct job *j, struct worker *w)
{
    struct context *c = w->context;

    if (!c->clean || arena_used(w->arena) != 0)
        atomic_fetch_add(&dirty, 1);
    c->clean = false;
    arena_alloc(w->arena, 1000);
    atomic_fetch_add(&per_worker[w->index], 1);
    mem_free(j);
    atomic_fetch_add(&done, 1);
}

static struct job *job_new(void (*run)(struct job *, struct worker *))
{
    struct job *j = mem_alloc(sizeof(*j));

    j->run = run;
    return j;
}

static void *submit_many(void *arg)
{
    struct worker_pool *p = arg;

    for (int i = 0; i < JOBS / SUBMITTERS; i++) {
        struct job *j = job_new(count_job);

        while (worker_pool_submit(p, j) == RC_LIMIT)
            poll(NULL, 0, 1);
    }
    return NULL;
}

static void test_every_job_runs_once(void **state)
{
    struct worker_pool *p = pool_new(4, 64);
    pthread_t threads[SUBMITTERS];

    (void)state;
    for (size_t i = 0; i < SUBMITTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, p), 0);
    for (size_t i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(worker_pool_drain(p, deadline_in_ms(WAIT_MS)), RC_OK);
    worker_pool_free(&p);
    assert_int_equal(atomic_load(&done), JOBS);
    assert_int_equal(atomic_load(&dirty), 0);
    assert_int_equal(atomic_load(&contexts_alive), 0);
}

/* A job that holds its worker until the test says so. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int waiting;

static void gated_job(struct job *j, struct worker *w)
{
    (void)w;
    mem_free(j);
    atomic_fetch_add(&waiting, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    atomic_fetch_add(&done, 1);
}

static void wait_until(_Atomic int *n, int value)
{
    struct deadline d = deadline_in_ms(WAIT_MS);

    while (atomic_load(n) != value && !deadline_passed(d))
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(n), value);
}

static void test_limit_and_drain(void **state)
{
    struct worker_pool *p = pool_new(1, 2);
    struct job *extra = job_new(count_job);

    (void)state;
    atomic_store(&waiting, 0);
    pthread_mutex_lock(&gate);
    assert_int_equal(worker_pool_submit(p, job_new(gated_job)), RC_OK);
    wait_until(&waiting, 1);
    assert_int_equal(worker_pool_submit(p, job_new(gated_job)), RC_OK);
    assert_int_equal(worker_pool_submit(p, job_new(gated_job)), RC_OK);
    assert_int_equal(worker_pool_submit(p, extra), RC_LIMIT);
    assert_int_equal(worker_pool_queued(p), 2);
    assert_int_equal(worker_pool_drain(p, deadline_in_ms(20)), RC_TIMEOUT);
    assert_int_equal(worker_pool_submit(p, extra), RC_CLOSED);
    mem_free(extra);
    pthread_mutex_unlock(&gate);
    assert_int_equal(worker_pool_drain(p, deadline_in_ms(WAIT_MS)), RC_OK);
    assert_int_equal(atomic_load(&done), 3); /* what was queued is done, not dropped */
    worker_pool_free(&p);
}

/* Written down in the order in which they run; by one worker, so without a lock. */
static uint64_t ran[16];

static void note(uint64_t share)
{
    ran[atomic_fetch_add(&done, 1)] = share;
}

static void noted_job(struct job *j, struct worker *w)
{
    (void)w;
    note(j->share);
    mem_free(j);
}

static void submit(struct worker_pool *p, void (*run)(struct job *, struct worker *),
                   uint64_t share)
{
    struct job *j = job_new(run);

    j->share = share;
    assert_int_equal(worker_pool_submit(p, j), RC_OK);
}

static void test_shares_take_turns(void **state)
{
    static const uint64_t wanted[] = { 7, 8, 0, 7, 8, 7 };
    struct worker_pool *p = pool_new(1, 64);

    (void)state;
    atomic_store(&waiting, 0);
    pthread_mutex_lock(&gate);
    submit(p, gated_job, 0);
    wait_until(&waiting, 1);
    atomic_store(&done, -1); /* the gated one */
    for (int i = 0; i < 3; i++)
        submit(p, noted_job, 7);
    submit(p, noted_job, 8);
    submit(p, noted_job, 8);
    submit(p, noted_job, 0);
    pthread_mutex_unlock(&gate);
    wait_until(&done, ARRAY_LEN(wanted));
    assert_memory_equal(ran, wanted, sizeof wanted);
    worker_pool_free(&p);
}

enum { TURNS = 6, HEAVY = 3 };
static struct worker_pool *turning;

/* What SEARCH does: comes back for its next turn as long as there is work.  Amidst the
 * first one somebody else comes. */
static void turning_job(struct job *j, struct worker *w)
{
    int turn = atomic_load(&done);

    (void)w;
    if (turn == 0)
        submit(turning, noted_job, 8);
    note(j->share);
    if (turn < TURNS)
        assert_int_equal(worker_pool_submit(turning, j), RC_OK);
    else
        mem_free(j);
}

static void test_another_share_runs_before_the_next_turn(void **state)
{
    static const uint64_t wanted[] = { 7, 8, 7, 7, 7 };

    (void)state;
    turning = pool_new(1, 64);
    atomic_store(&waiting, 0);
    pthread_mutex_lock(&gate);
    submit(turning, gated_job, 0);
    wait_until(&waiting, 1);
    atomic_store(&done, -1); /* the gated one */
    for (int i = 0; i < HEAVY; i++)
        submit(turning, turning_job, 7);
    pthread_mutex_unlock(&gate);
    wait_until(&done, TURNS + HEAVY); /* each ends with a turn of its own */
    worker_pool_free(&turning);
    assert_memory_equal(ran, wanted, sizeof wanted);
}

static void test_a_share_holds_a_quarter_of_the_workers(void **state)
{
    struct worker_pool *p = pool_new(8, 64);

    (void)state;
    atomic_store(&waiting, 0);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 8; i++)
        submit(p, gated_job, 7);
    wait_until(&waiting, 2);
    /* The others run meanwhile, one after the other and two at once. */
    for (int i = 0; i < 4; i++)
        submit(p, count_job, 8);
    wait_until(&done, 4);
    submit(p, gated_job, 9);
    submit(p, gated_job, 0);
    wait_until(&waiting, 4);
    assert_int_equal(worker_pool_queued(p), 6);
    pthread_mutex_unlock(&gate);
    assert_int_equal(worker_pool_drain(p, deadline_in_ms(WAIT_MS)), RC_OK);
    assert_int_equal(atomic_load(&done), 14);
    worker_pool_free(&p);
}

static void test_light_load_stays_with_one_worker(void **state)
{
    struct worker_pool *p = pool_new(4, 64);
    int most = 0;

    (void)state;
    wait_until(&contexts_alive, 4);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(worker_pool_submit(p, job_new(count_job)), RC_OK);
        wait_until(&done, i + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(per_worker); i++)
        if (atomic_load(&per_worker[i]) > most)
            most = atomic_load(&per_worker[i]);
    /* Round robin would give 50 each; a job that comes before its worker sleeps again
     * may go to another. */
    assert_true(most > 100);
    worker_pool_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_runs_once),
        cmocka_unit_test(test_limit_and_drain),
        cmocka_unit_test(test_shares_take_turns),
        cmocka_unit_test(test_another_share_runs_before_the_next_turn),
        cmocka_unit_test(test_a_share_holds_a_quarter_of_the_workers),
        cmocka_unit_test(test_light_load_stays_with_one_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
