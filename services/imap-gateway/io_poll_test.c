/* io_poll_test.c - who idles is asked for in slices, and nobody is left out. */
#include "session_private.h"
#include "session_test.h"

enum {
    ACCOUNTS = 12,
    CLIENTS = ACCOUNTS * TEST_SESSIONS,
    SLICES = (CLIENTS + IO_POLL_SLICE_MIN - 1) / IO_POLL_SLICE_MIN,
};

static struct client clients[CLIENTS];

static const char *name_of(size_t i)
{
    return arena_printf(test_arena, "poll%05zu", i / TEST_SESSIONS);
}

/* ---- from inside ---- */

struct inside {
    struct io_poll poll;
    bool fresh;
};

static void look_inside(void *arg)
{
    struct inside *out = arg;

    *out = (struct inside){ .poll = test_gateway.ios[0]->poll };
    for (struct session *s = test_gateway.ios[0]->sessions; s != NULL;
         s = session_links(s)->next)
        out->fresh |= session_is_fresh(s);
}

static struct inside inside(void)
{
    struct inside i;

    loop_call(test_gateway.ios[0]->loop, look_inside, &i);
    return i;
}

static bool anything_happens(void)
{
    struct inside i = inside();

    return i.fresh || i.poll.busy || i.poll.hurry;
}

static bool sessions_are_there(void)
{
    return atomic_load(&test_gateway.sessions) > 0;
}

static int64_t queries(void)
{
    struct buf *text = arena_buf(test_arena, 1 << 20);
    const char *line;

    metric_render(text);
    line = strstr(arena_cstr(test_arena, buf_str(text)),
                  "seconds_count{statement=\"mailbox_poll\"} ");
    return line == NULL ? 0 : atoll(strchr(line, ' ') + 1);
}

/* All workers wait at the gate. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int waiting;
static struct job blockers[TEST_WORKERS];

static void block(struct job *j, struct worker *w)
{
    (void)j;
    (void)w;
    atomic_fetch_add(&waiting, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static bool all_wait(void)
{
    return atomic_load(&waiting) == TEST_WORKERS;
}

static void close_gate(void)
{
    atomic_store(&waiting, 0);
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < TEST_WORKERS; i++) {
        blockers[i] = (struct job){ .run = block };
        assert_int_equal(worker_pool_submit(test_gateway.commands, &blockers[i]), RC_OK);
    }
    wait_for(all_wait, true);
}

/* ---- the tests ---- */

/* The tests tick themselves. */
static void stop_timer(void *unused)
{
    (void)unused;
    loop_timer_stop(&test_gateway.ios[0]->poll.slice_timer);
}

static int all_idle(void **state)
{
    (void)state;
    loop_call(test_gateway.ios[0]->loop, stop_timer, NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = with_inbox(name_of(i));
        idle(&clients[i]);
    }
    wait_for(anything_happens, false);
    return 0;
}

static int all_leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++)
        if (clients[i].stream != NULL)
            hang_up(&clients[i]);
    wait_for(sessions_are_there, false);
    arena_reset(test_arena);
    return 0;
}

static void all_hear_of(size_t messages)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].until = deadline_in_ms(TEST_WAIT_MS);
        expect(&clients[i], arena_printf(test_arena, "* %zu EXISTS", messages));
    }
}

static void when_hints_were_lost_slice_follows_slice(void **state)
{
    int64_t before = queries();

    (void)state;
    for (size_t i = 0; i < CLIENTS; i += TEST_SESSIONS)
        deliver_silently(name_of(i));
    io_post_all(test_gateway.ios[0]);
    all_hear_of(1);
    wait_for(anything_happens, false);
    assert_int_equal(queries() - before, SLICES);
    assert_null(inside().poll.next);
}

static void tick(void *unused)
{
    struct loop_timer *t = &test_gateway.ios[0]->poll.slice_timer;

    (void)unused;
    t->run(t);
}

/* A round is due with the last of its ticks; then each tick is a slice. */
static void a_round_is_spread_over_its_ticks(void **state)
{
    int64_t before = queries();

    (void)state;
    for (size_t i = 0; i < CLIENTS; i += TEST_SESSIONS)
        deliver_silently(name_of(i));
    for (int i = 1; i < IO_POLL_SLICES; i++) {
        loop_call(test_gateway.ios[0]->loop, tick, NULL);
        wait_for(anything_happens, false);
        assert_int_equal(queries() - before, 0);
    }
    for (int i = 1; i <= IO_POLL_SLICES - 1; i++) {
        loop_call(test_gateway.ios[0]->loop, tick, NULL);
        wait_for(anything_happens, false);
        assert_int_equal(queries() - before, i < SLICES ? i : SLICES);
    }
    all_hear_of(2);
}

/* Those who were asked for, those whose turn it is and those after them. */
static void who_leaves_amidst_a_round_is_forgotten(void **state)
{
    (void)state;
    close_gate();
    io_post_all(test_gateway.ios[0]);
    while (!inside().poll.busy)
        poll(NULL, 0, 1);
    assert_non_null(inside().poll.next);
    for (size_t i = 0; i < CLIENTS; i++)
        hang_up(&clients[i]);
    wait_for(sessions_are_there, false);
    assert_null(inside().poll.next);
    pthread_mutex_unlock(&gate);
    wait_for(anything_happens, false);
}

static void nothing(struct job *j, struct worker *w)
{
    (void)j;
    (void)w;
}

/* As who has just come to a range that nobody here was subscribed to. */
static void make_fresh(void *unused)
{
    struct io *io = test_gateway.ios[0];

    (void)unused;
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        s->fresh = true;
    io->poll.settle_timer.run(&io->poll.settle_timer);
}

/* Nobody else looks after the subscription has taken effect. */
static void who_is_fresh_stays_so_until_a_worker_is_asked(void **state)
{
    static struct job fillers[TEST_QUEUE + 1];
    size_t n = 0;
    bool fresh;

    (void)state;
    for (size_t i = 0; i < CLIENTS; i += TEST_SESSIONS)
        deliver_silently(name_of(i));
    close_gate();
    for (fillers[0].run = nothing;
         worker_pool_submit(test_gateway.commands, &fillers[n]) == RC_OK;
         fillers[n].run = nothing)
        n++;
    loop_call(test_gateway.ios[0]->loop, make_fresh, NULL);
    fresh = inside().fresh;
    pthread_mutex_unlock(&gate);
    assert_true(fresh);
    wait_for(anything_happens, false);
    all_hear_of(3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(when_hints_were_lost_slice_follows_slice,
                                        all_idle, all_leave),
        cmocka_unit_test_setup_teardown(a_round_is_spread_over_its_ticks, all_idle,
                                        all_leave),
        cmocka_unit_test_setup_teardown(who_is_fresh_stays_so_until_a_worker_is_asked,
                                        all_idle, all_leave),
        cmocka_unit_test_setup_teardown(who_leaves_amidst_a_round_is_forgotten, all_idle,
                                        all_leave),
    };

    (void)argc;
    test_database_enter(argv);
    test_name = test_database_new();
    return cmocka_run_group_tests(tests, test_start, test_stop);
}
