/* door_test.c - who goes when there is no place left.  The clock is the test's. */
#include "net/door.h"

#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#define SECOND INT64_C(1000)

static int64_t now_ms;
static int woken;

static void wake(struct door_exit *e)
{
    (void)e;
    woken++;
}

static struct door_exit way_out;
static struct door *door;

static int setup(void **state)
{
    (void)state;
    now_ms = 1000 * SECOND;
    woken = 0;
    way_out = (struct door_exit){ .wake = wake };
    return 0;
}

static void open_door(size_t max, size_t max_per_network)
{
    door = door_new(
        &(struct door_options){ .max = max, .max_per_network = max_per_network });
}

/* 198.51.x.y */
static struct addr network(unsigned n)
{
    return (struct addr){ .family = 4, .ip = { 198, 51, (uint8_t)(n >> 8), (uint8_t)n } };
}

/* What becomes of somebody who comes now, a second after the last one. */
static enum rc come(struct door_guest *g, unsigned from)
{
    struct addr client = network(from);
    enum rc rc;

    now_ms += SECOND;
    memset(g, 0, sizeof(*g));
    rc = door_enter(door, g, &way_out, now_ms);
    if (rc == RC_OK)
        rc = door_introduce(g, &client, now_ms);
    if (rc != RC_OK)
        door_leave(g);
    return rc;
}

static void comes_in(struct door_guest *g, unsigned from)
{
    assert_int_equal(come(g, from), RC_OK);
}

static void nobody_goes(void)
{
    assert_null(door_next_out(&way_out, now_ms));
}

static void goes(struct door_guest *g)
{
    assert_ptr_equal(door_next_out(&way_out, now_ms), g);
    assert_null(g->door);
    nobody_goes();
}

static void all_leave(struct door_guest *g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        door_leave(&g[i]);
    assert_int_equal(door_count(door), 0);
    door_free(&door);
}

static void the_longest_silent_goes_not_the_newcomer(void **state)
{
    struct door_guest g[5];

    (void)state;
    open_door(3, 0);
    for (unsigned i = 0; i < 3; i++)
        comes_in(&g[i], i);
    nobody_goes();
    now_ms += SECOND;
    door_step(&g[0], now_ms);
    comes_in(&g[3], 3);
    assert_int_equal(woken, 1);
    goes(&g[1]);
    comes_in(&g[4], 4);
    assert_int_equal(woken, 2);
    goes(&g[2]);
    assert_int_equal(door_count(door), 3);
    all_leave(g, ARRAY_LEN(g));
}

static void who_logged_in_for_good_does_not_go_for_strangers(void **state)
{
    struct door_guest g[5];

    (void)state;
    open_door(3, 0);
    for (unsigned i = 0; i < 3; i++)
        comes_in(&g[i], i);
    door_prove(&g[0], DOOR_KEPT, now_ms);
    door_prove(&g[2], DOOR_KEPT, now_ms);
    now_ms += 3600 * SECOND;
    comes_in(&g[3], 3);
    goes(&g[1]);
    door_prove(&g[3], DOOR_KEPT, now_ms);
    door_prove(&g[3], DOOR_FRIEND, now_ms); /* is less */
    assert_int_equal(come(&g[4], 4), RC_LIMIT);
    assert_int_equal(come(&g[4], 0), RC_LIMIT);
    nobody_goes();
    all_leave(g, ARRAY_LEN(g));
}

/* Not for ever: a place is held by nobody's name alone. */
static void a_friend_has_more_patience(void **state)
{
    struct door_guest g[6];

    (void)state;
    open_door(2, 0);
    comes_in(&g[0], 7);
    door_prove(&g[0], DOOR_FRIEND, now_ms);
    now_ms += 10 * SECOND;
    comes_in(&g[1], 1);
    comes_in(&g[2], 2);
    goes(&g[1]);
    now_ms += 20 * SECOND;
    door_step(&g[2], now_ms);
    comes_in(&g[3], 3);
    goes(&g[0]);
    /* Whoever comes from its network is a friend from the beginning, for a day. */
    comes_in(&g[4], 7);
    goes(&g[2]);
    comes_in(&g[5], 5);
    goes(&g[3]);
    door_leave(&g[4]);
    door_leave(&g[5]);
    now_ms += 24 * 3600 * SECOND;
    comes_in(&g[0], 7);
    comes_in(&g[1], 1);
    comes_in(&g[2], 2);
    goes(&g[0]);
    all_leave(g, ARRAY_LEN(g));
}

static void who_waits_for_us_does_not_go(void **state)
{
    struct door_guest g[5];

    (void)state;
    open_door(2, 0);
    comes_in(&g[0], 0);
    comes_in(&g[1], 1);
    door_busy(&g[0], true);
    comes_in(&g[2], 2);
    goes(&g[1]);
    door_busy(&g[2], true);
    assert_int_equal(come(&g[3], 3), RC_LIMIT);
    nobody_goes();
    door_busy(&g[0], false);
    comes_in(&g[3], 3);
    goes(&g[0]);
    /* Its command arrives, or its login succeeds, between the choice and the exit. */
    comes_in(&g[4], 4);
    door_busy(&g[3], true);
    nobody_goes();
    assert_int_equal(door_count(door), 3);
    door_leave(&g[2]);
    comes_in(&g[1], 1);
    door_prove(&g[4], DOOR_KEPT, now_ms);
    nobody_goes();
    assert_int_equal(door_count(door), 3);
    all_leave(g, ARRAY_LEN(g));
}

static void a_network_makes_room_for_itself(void **state)
{
    struct door_guest g[6];

    (void)state;
    open_door(100, 2);
    comes_in(&g[0], 8);
    comes_in(&g[1], 9);
    comes_in(&g[2], 9);
    comes_in(&g[3], 9);
    goes(&g[1]);
    door_prove(&g[2], DOOR_KEPT, now_ms);
    door_prove(&g[3], DOOR_KEPT, now_ms);
    assert_int_equal(come(&g[4], 9), RC_LIMIT);
    nobody_goes();
    comes_in(&g[4], 8);
    all_leave(g, ARRAY_LEN(g) - 1);
}

/* However fast a network comes again and again, it drives out its own only. */
static void who_has_many_there_drives_out_its_own(void **state)
{
    struct door_guest g[8], again[100];

    (void)state;
    open_door(5, 4);
    comes_in(&g[0], 1); /* the longest silent */
    for (unsigned i = 1; i < 5; i++)
        comes_in(&g[i], 9);
    for (unsigned i = 0; i < ARRAY_LEN(again); i++) {
        comes_in(&again[i], 9);
        goes(i < 4 ? &g[1 + i] : &again[i - 4]);
    }
    comes_in(&g[5], 2); /* 9 has four, so it is not spared because others were silent */
    goes(&g[0]);
    comes_in(&g[6], 9);
    goes(&again[96]);
    door_leave(&g[5]);
    door_leave(&g[6]);
    all_leave(again, ARRAY_LEN(again));
}

/* Five addresses, each with all that an address may have, of which half sends something
 * now and then: everybody else comes in, and has the time for a login. */
static void five_addresses_do_not_shut_the_door(void **state)
{
    enum { PLACES = 1000, HELD = 5 * 200, HONEST = 500, AT_ONCE = 10 };
    static struct door_guest held[HELD], honest[HONEST];

    (void)state;
    open_door(PLACES, PLACES / 5);
    for (unsigned i = 0; i < HELD; i++)
        comes_in(&held[i], i % 5);
    nobody_goes();
    for (unsigned i = 0; i < HONEST; i++) {
        struct door_guest *out;

        comes_in(&honest[i], 100 + i);
        out = door_next_out(&way_out, now_ms);
        assert_true(out == NULL || (out >= held && out < held + HELD));
        if (i >= AT_ONCE) {
            assert_non_null(honest[i - AT_ONCE].door);
            door_leave(&honest[i - AT_ONCE]);
        }
        /* who was shown out is back at once */
        if (out != NULL) {
            comes_in(out, (unsigned)(out - held) % 5);
            out = door_next_out(&way_out, now_ms);
            assert_true(out == NULL || (out >= held && out < held + HELD));
        }
    }
    for (unsigned i = 0; i < HONEST; i++)
        door_leave(&honest[i]);
    all_leave(held, HELD);
}

/* Behind a proxy that is trusted, or before its header is read, there is no network. */
static void without_a_network(void **state)
{
    struct door_guest g[4];

    (void)state;
    open_door(3, 1);
    for (int i = 0; i < 4; i++) {
        now_ms += SECOND;
        memset(&g[i], 0, sizeof(g[i]));
        assert_int_equal(door_enter(door, &g[i], &way_out, now_ms), RC_OK);
        assert_int_equal(door_introduce(&g[i], NULL, now_ms), RC_OK);
        door_prove(&g[i], DOOR_FRIEND, now_ms);
    }
    goes(&g[0]);
    all_leave(g, ARRAY_LEN(g));
}

static void who_leaves_by_himself_is_not_looked_for(void **state)
{
    struct door_guest g[3];

    (void)state;
    open_door(1, 0);
    comes_in(&g[0], 0);
    comes_in(&g[1], 1); /* g[0] is to go, and goes before it is told */
    door_leave(&g[0]);
    nobody_goes();
    comes_in(&g[2], 2);
    goes(&g[1]);
    all_leave(g, ARRAY_LEN(g));
}

static void outside_nothing_happens(void **state)
{
    struct door_guest g = { 0 };

    (void)state;
    door_step(&g, now_ms);
    door_busy(&g, true);
    door_prove(&g, DOOR_KEPT, now_ms);
    assert_int_equal(door_take_descriptors(&g, 1, now_ms), RC_OK);
    assert_int_equal(door_introduce(&g, NULL, now_ms), RC_OK);
    door_leave(&g);
}

/* All doors of a process share its descriptors. */
static void descriptors_are_never_all_taken(void **state)
{
    enum { DESCRIPTORS = 40, FOR_GUESTS = 30 }; /* a quarter is the process's own */
    struct door_guest g[FOR_GUESTS], elsewhere = { 0 };
    struct rlimit normal, tight;
    struct door *other;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &normal), 0);
    tight = normal;
    tight.rlim_cur = DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    open_door(0, 0);
    other = door_new(&(struct door_options){ .max = 5 });
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &normal), 0);
    for (unsigned i = 0; i < FOR_GUESTS; i++)
        comes_in(&g[i], i);
    nobody_goes();
    assert_int_equal(door_enter(other, &elsewhere, &way_out, now_ms), RC_OK);
    goes(&g[0]);
    assert_int_equal(door_take_descriptors(&elsewhere, 1, now_ms), RC_OK);
    goes(&g[1]);
    door_leave(&elsewhere);
    comes_in(&g[0], 0);
    comes_in(&g[1], 1);
    nobody_goes();
    for (unsigned i = 0; i < FOR_GUESTS; i++)
        door_prove(&g[i], DOOR_KEPT, now_ms);
    assert_int_equal(door_enter(other, &elsewhere, &way_out, now_ms), RC_LIMIT);
    assert_int_equal(door_take_descriptors(&g[0], 1, now_ms), RC_LIMIT);
    assert_int_equal(door_count(other), 0);
    door_free(&other);
    all_leave(g, ARRAY_LEN(g));
}

/* Threads come and go; each looks after its own exit. */
static void *visit(void *arg)
{
    struct door_exit *mine = arg;
    struct door_guest g[50] = { 0 };

    for (unsigned i = 0; i < 20000; i++) {
        struct door_guest *x = &g[i % ARRAY_LEN(g)], *out;
        struct addr client = network(i % 7);
        int64_t at_ms = (int64_t)i * 200;

        door_leave(x);
        memset(x, 0, sizeof(*x));
        if (door_enter(door, x, mine, at_ms) == RC_OK &&
            door_introduce(x, &client, at_ms) != RC_OK)
            door_leave(x);
        if (i % 3 == 0)
            door_busy(x, true);
        if (i % 5 == 0)
            door_prove(x, i % 10 == 0 ? DOOR_KEPT : DOOR_FRIEND, at_ms);
        door_step(&g[i * 7 % ARRAY_LEN(g)], at_ms);
        door_busy(x, false);
        while (i % 4 == 0 && (out = door_next_out(mine, at_ms)) != NULL)
            assert_null(out->door);
    }
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        door_leave(&g[i]);
    return NULL;
}

static void quiet_wake(struct door_exit *e)
{
    (void)e;
}

static void many_threads(void **state)
{
    struct door_exit exits[3] = { { .wake = quiet_wake },
                                  { .wake = quiet_wake },
                                  { .wake = quiet_wake } };
    pthread_t threads[ARRAY_LEN(exits)];

    (void)state;
    open_door(90, 20);
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &exits[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        pthread_join(threads[i], NULL);
    all_leave(NULL, 0);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_longest_silent_goes_not_the_newcomer),
        TEST(who_logged_in_for_good_does_not_go_for_strangers),
        TEST(a_friend_has_more_patience),
        TEST(who_waits_for_us_does_not_go),
        TEST(a_network_makes_room_for_itself),
        TEST(who_has_many_there_drives_out_its_own),
        TEST(five_addresses_do_not_shut_the_door),
        TEST(without_a_network),
        TEST(who_leaves_by_himself_is_not_looked_for),
        TEST(outside_nothing_happens),
        TEST(descriptors_are_never_all_taken),
        TEST(many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
