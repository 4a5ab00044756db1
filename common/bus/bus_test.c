/* bus_test.c - what members of one cluster hear of each other. */
#include "bus/bus_test.h"

static void test_two_replicas_each_side(void **state)
{
    int w1 = free_port(), w2 = free_port(), e1 = free_port(), e2 = free_port();
    char works[100], events[100];
    struct member *p1 = join(w1, e1, NULL, NULL), *p2 = join(w2, e2, NULL, NULL);
    struct member *c1 = join(0, 0, text_of(works, w1, w2), text_of(events, e1, e2));
    struct member *c2 = join(0, 0, works, events);

    (void)state;
    WAIT_FOR(is_complete(c1) && is_complete(c2));
    subscribe(c1, 31100);
    subscribe(c2, 32200);
    publish_until_heard(p1, c1, 31100);
    publish_until_heard(p2, c1, 31100);
    publish_until_heard(p1, c2, 32200);
    publish_until_heard(p2, c2, 32200);
    assert_false(atomic_load(&c1->seen[32200]) || atomic_load(&c2->seen[31100]));
    WAIT_FOR(metric_value("postbus_bus_peers") == 8);
    /* A work hint wakes one, and in turn each of them. */
    for (int i = 1000; i < 1010; i++) {
        send_work(p1, i);
        send_work(p2, i + 100);
    }
    for (int i = 1000; i < 1010; i++) {
        WAIT_FOR(atomic_load(&c1->seen[i]) || atomic_load(&c2->seen[i]));
        WAIT_FOR(atomic_load(&c1->seen[i + 100]) || atomic_load(&c2->seen[i + 100]));
        assert_false(atomic_load(&c1->seen[i]) && atomic_load(&c2->seen[i]));
    }
    /* After draining, work goes to the other one and events still come. */
    bus_drain(c1->bus);
    WAIT_FOR(!is_complete(c1));
    WAIT_FOR(metric_value("postbus_bus_peers") == 6);
    for (int i = 0; i < 10; i++) {
        struct deadline until = deadline_in_ms(WAIT_MS);

        do {
            send_work(p1, 2000 + i);
        } while (!atomic_load(&c2->seen[2000 + i]) && pause_until(until));
        assert_true(atomic_load(&c2->seen[2000 + i]));
    }
    assert_false(atomic_load(&c1->seen[2009]));
    publish_until_heard(p1, c1, 31100);
    leave(&c1);
    leave(&c2);
    leave(&p1);
    leave(&p2);
}

static void test_general_events_need_no_subscription(void **state)
{
    int e = free_port();
    char events[100];
    struct member *p = join(0, e, NULL, NULL),
                  *c = join(0, 0, NULL, text_of(events, e, 0));
    struct msg m = { .kind = MSG_config_changed };
    struct deadline until = deadline_in_ms(WAIT_MS);

    (void)state;
    WAIT_FOR(is_complete(c));
    do {
        bus_publish(p->bus, &m);
    } while (atomic_load(&c->messages) == 0 && pause_until(until));
    assert_true(atomic_load(&c->messages) > 0);
    leave(&c);
    leave(&p);
}

/* Who asks for a range hears all accounts of it and none of another. */
static void test_ranges_do_not_leak(void **state)
{
    enum { RANGE = 0x0c, LAST = MSG_RANGES - 1 };
    int e = free_port();
    char events[100];
    struct member *p = join(0, e, NULL, NULL),
                  *c = join(0, 0, NULL, text_of(events, e, 0));

    (void)state;
    WAIT_FOR(is_complete(c));
    subscribe(c, LAST * OF_RANGE);
    subscribe(c, RANGE * OF_RANGE);
    publish_until_heard(p, c, RANGE * OF_RANGE + 1);
    for (int i = 0; i < MSG_RANGES; i++) {
        publish(p, i * OF_RANGE);
        publish(p, i * OF_RANGE + 77);
    }
    publish_until_heard(p, c, ACCOUNTS - 1); /* they were sent before this one */
    for (int i = 0; i < MSG_RANGES; i++) {
        bool heard = i == RANGE || i == LAST;

        assert_true(atomic_load(&c->seen[i * OF_RANGE]) == heard);
        assert_true(atomic_load(&c->seen[i * OF_RANGE + 77]) == heard);
    }
    leave(&c);
    leave(&p);
}

static void restart_binder(const char *host)
{
    int e = free_port();
    char events[100];
    struct member *p = join(0, e, NULL, NULL), *c;

    snprintf(events, sizeof(events), "static:%s:%d", host, e);
    c = join(0, 0, NULL, events);
    WAIT_FOR(atomic_load(&c->event_peers) == 1);
    subscribe(c, 5);
    publish_until_heard(p, c, 5);
    leave(&p);
    WAIT_FOR(!is_complete(c));
    p = join(0, e, NULL, NULL);
    WAIT_FOR(atomic_load(&c->event_peers) == 2);
    assert_true(is_complete(c));
    atomic_store(&c->last, 0);
    publish(p, 5); /* subscriptions are in force when on_event_peer is called */
    WAIT_FOR(atomic_load(&c->last) == 5);
    leave(&c);
    leave(&p);
}

static void test_binder_restarts(void **state)
{
    (void)state;
    restart_binder("127.0.0.1");
    restart_binder("[::1]");
}

/* The second connects while the first one's time runs: it has a time of its own. */
static void test_each_peer_settles(void **state)
{
    int first = free_port(), second = free_port();
    char events[100];
    struct member *p = join(0, first, NULL, NULL), *q = join(0, second, NULL, NULL);
    struct member *c = join(0, 0, NULL, text_of(events, first, second));

    (void)state;
    WAIT_FOR(atomic_load(&c->event_peers) == 2);
    leave(&c);
    leave(&q);
    leave(&p);
}

static void test_all_subscriptions_arrive(void **state)
{
    int e = free_port();
    char events[100];
    struct member *p = join(0, e, NULL, NULL),
                  *c = join(0, 0, NULL, text_of(events, e, 0));
    int64_t before = metric_value("postbus_bus_topics");

    (void)state;
    WAIT_FOR(is_complete(c));
    for (int i = 0; i < MSG_RANGES; i++)
        subscribe(c, i * OF_RANGE);
    WAIT_FOR(metric_value("postbus_bus_topics") >= before + MSG_RANGES);
    publish_until_heard(p, c, 1);
    publish_until_heard(p, c, ACCOUNTS / 2);
    publish_until_heard(p, c, ACCOUNTS - 1);
    /* And again to a peer that comes back. */
    leave(&p);
    WAIT_FOR(!is_complete(c));
    before = metric_value("postbus_bus_topics");
    p = join(0, e, NULL, NULL);
    WAIT_FOR(metric_value("postbus_bus_topics") >= before + MSG_RANGES);
    publish_until_heard(p, c, ACCOUNTS - 1);
    leave(&c);
    leave(&p);
}

static void test_what_cannot_start(void **state)
{
    char error[BUS_ERROR_BYTES], text[100];
    int port = free_port();
    struct member *p = join(port, 0, NULL, NULL);
    struct bus *b = NULL;
    struct bus_options o = { .address = "127.0.0.1",
                             .work_port = port,
                             .secret = SECRET_A };

    (void)state;
    assert_int_equal(bus_start(&o, &b, error), RC_EXISTS);
    assert_non_null(strstr(error, "in use"));
    o.work_port = 0;
    o.secret = "short";
    assert_int_equal(bus_start(&o, &b, error), RC_INVALID);
    o.secret = SECRET_A;
    o.peers[0] = (struct bus_peer){ "x", "nonsense", MSG_WORK };
    o.peer_count = 1;
    assert_int_equal(bus_start(&o, &b, error), RC_INVALID);
    assert_null(b);
    (void)text;
    leave(&p);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void test_is_fast(void **state)
{
    enum { ROUNDS = 1000 };
    static int64_t us[ROUNDS];
    struct deadline until;
    int e = free_port();
    char events[100];
    struct member *p = join(0, e, NULL, NULL),
                  *c = join(0, 0, NULL, text_of(events, e, 0));

    (void)state;
    WAIT_FOR(is_complete(c));
    for (int i = 0; i <= ROUNDS; i += OF_RANGE)
        subscribe(c, i);
    publish_until_heard(p, c, ROUNDS);
    until = deadline_in_ms(WAIT_MS);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_monotonic_us();

        atomic_store(&c->last, 0);
        publish(p, i + 1);
        while (atomic_load(&c->last) != i + 1 && !deadline_passed(until))
            sched_yield();
        assert_int_equal(atomic_load(&c->last), i + 1);
        us[i] = atomic_load(&c->at_us) - start;
    }
    qsort(us, ROUNDS, sizeof(us[0]), compare);
    print_message("publish to callback: p50 %" PRId64 " us, p99 %" PRId64 " us\n",
                  us[ROUNDS / 2], us[ROUNDS * 99 / 100]);
    assert_true(us[ROUNDS / 2] < 20000); /* a timer on the way would show */
    leave(&c);
    leave(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_start),
        cmocka_unit_test(test_is_fast),
        cmocka_unit_test(test_two_replicas_each_side),
        cmocka_unit_test(test_general_events_need_no_subscription),
        cmocka_unit_test(test_ranges_do_not_leak),
        cmocka_unit_test(test_binder_restarts),
        cmocka_unit_test(test_each_peer_settles),
        cmocka_unit_test(test_all_subscriptions_arrive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
