/* hints_test.c - news reach the loops that hold the account, and no others. */
#include "hints.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/metric.h"
#include "bus/bus.h"
#include "store/store_ids.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPS = 3, SESSIONS_MAX = 3 };

static unsigned delivered[LOOPS];

static void deliver(void *user, size_t loop, const struct hints_news *news)
{
    (void)user;
    assert_int_equal(news->account, 7);
    delivered[loop]++;
}

static struct hints *new_hints(void)
{
    struct hints_options o = { .sessions_per_account = SESSIONS_MAX, .deliver = deliver };

    return hints_new(&o);
}

static enum rc join(struct hints *h, size_t loop, int64_t account)
{
    int64_t subscribed_ms;

    return hints_join(h, loop, account, &subscribed_ms);
}

static void tell(struct hints *h, int64_t account, unsigned a, unsigned b, unsigned c)
{
    struct hints_news news = { .account = account };

    for (size_t i = 0; i < LOOPS; i++)
        delivered[i] = 0;
    hints_dispatch(h, &news);
    assert_int_equal(delivered[0], a);
    assert_int_equal(delivered[1], b);
    assert_int_equal(delivered[2], c);
}

static void test_delivery(void **state)
{
    struct hints *h = new_hints();

    (void)state;
    tell(h, 7, 0, 0, 0);
    assert_int_equal(join(h, 0, 7), RC_OK);
    assert_int_equal(join(h, 2, 7), RC_OK);
    assert_int_equal(join(h, 1, 8), RC_OK);
    tell(h, 7, 1, 0, 1);
    tell(h, 9, 0, 0, 0);
    hints_leave(h, 0, 7);
    tell(h, 7, 0, 0, 1);
    hints_leave(h, 2, 7);
    tell(h, 7, 0, 0, 0);
    hints_leave(h, 1, 8);
    hints_free(&h);
}

static void test_everybody_once(void **state)
{
    struct hints *h = new_hints();
    int64_t *accounts;
    size_t n;

    (void)state;
    accounts = hints_accounts(h, &n);
    assert_int_equal(n, 0);
    free(accounts);
    assert_int_equal(join(h, 0, 7), RC_OK);
    assert_int_equal(join(h, 2, 7), RC_OK);
    assert_int_equal(join(h, 1, 8), RC_OK);
    accounts = hints_accounts(h, &n);
    assert_int_equal(n, 2);
    assert_int_equal(accounts[0] + accounts[1], 7 + 8);
    free(accounts);
    hints_leave(h, 1, 8);
    hints_leave(h, 0, 7);
    hints_leave(h, 2, 7);
    hints_free(&h);
}

/* Two sessions on one loop: the first that leaves does not take the other's news. */
static void test_two_on_one_loop(void **state)
{
    struct hints *h = new_hints();

    (void)state;
    assert_int_equal(join(h, 1, 7), RC_OK);
    assert_int_equal(join(h, 1, 7), RC_OK);
    tell(h, 7, 0, 1, 0);
    hints_leave(h, 1, 7);
    tell(h, 7, 0, 1, 0);
    hints_leave(h, 1, 7);
    tell(h, 7, 0, 0, 0);
    hints_free(&h);
}

/* What a session did itself is news for the others only. */
static void test_others(void **state)
{
    struct hints *h = new_hints();
    struct hints_news news = { .account = 7 };

    (void)state;
    assert_int_equal(join(h, 0, 7), RC_OK);
    delivered[0] = 0;
    hints_tell_others(h, &news);
    assert_int_equal(delivered[0], 0);
    assert_int_equal(join(h, 0, 7), RC_OK);
    hints_tell_others(h, &news);
    assert_int_equal(delivered[0], 1);
    hints_leave(h, 0, 7);
    hints_leave(h, 0, 7);
    hints_free(&h);
}

static void test_limit(void **state)
{
    struct hints *h = new_hints();

    (void)state;
    for (int i = 0; i < SESSIONS_MAX; i++)
        assert_int_equal(join(h, (size_t)i, 7), RC_OK);
    assert_int_equal(join(h, 0, 7), RC_LIMIT);
    assert_int_equal(join(h, 0, 8), RC_OK);
    hints_leave(h, 1, 7);
    assert_int_equal(join(h, 0, 7), RC_OK);
    hints_free(&h);
}

/* Two buckets are a range: the topics' beginning and the ids' agree. */
static void test_a_range_is_two_buckets(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        char address[40];
        int64_t account;

        snprintf(address, sizeof(address), "user%d@example.org", i);
        account = store_ids_new_account(str_of(address));
        assert_int_equal(msg_range(account), store_ids_bucket(account) / 2);
    }
}

static int64_t topics(void)
{
    static const char name[] = "\npostbus_bus_topics ";
    struct buf text;
    const char *at;
    int64_t n;

    buf_init(&text, 1 << 20);
    metric_render(&text);
    buf_putc(&text, '\0');
    at = strstr(text.p, name);
    n = at == NULL ? -1 : atoll(at + strlen(name));
    buf_fini(&text);
    return n;
}

static void wait_for_topics(int64_t n)
{
    struct deadline late = deadline_in_ms(20000);

    while (topics() != n && !deadline_passed(late))
        poll(NULL, 0, 1);
    assert_int_equal(topics(), n);
}

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static const char *peers_text(char out[40], int port)
{
    snprintf(out, 40, "static:127.0.0.1:%d", port);
    return out;
}

/* Each bus subscribes to them by name. */
static int event_kinds(void)
{
    int n = 0;

    for (int kind = 0; kind < MSG_KIND_COUNT; kind++)
        n += msg_pattern(kind) == MSG_EVENT;
    return n;
}

static struct bus *start_bus(int event_port, const char *peers)
{
    struct bus_options o = { .address = "127.0.0.1",
                             .event_port = event_port,
                             .secret = "a secret that is long enough for a test" };
    char error[BUS_ERROR_BYTES];
    struct bus *bus;

    if (peers != NULL)
        o.peers[o.peer_count++] = (struct bus_peer){ "test", peers, MSG_EVENT };
    if (bus_start(&o, &bus, error) != RC_OK)
        fail_msg("%s", error);
    return bus;
}

/* What a publisher sees: one subscription for each range, however many come and go. */
static void test_a_range_is_subscribed_to_once(void **state)
{
    enum { ACCOUNTS = 200, RANGES = 3 };
    int port = free_port(), general = event_kinds();
    char peers[40];
    struct bus *publisher = start_bus(port, NULL);
    struct bus *bus = start_bus(0, peers_text(peers, port));
    struct hints_options o = { .bus = bus,
                               .sessions_per_account = SESSIONS_MAX,
                               .deliver = deliver };
    struct hints *h = hints_new(&o);
    int64_t first_ms[RANGES] = { 0 }, ms, before = clock_monotonic_ms();

    (void)state;
    wait_for_topics(general);
    for (int64_t i = 0; i < ACCOUNTS * RANGES; i++) {
        assert_int_equal(hints_join(h, 0, i % RANGES << 36 | i, &ms), RC_OK);
        if (i < RANGES)
            first_ms[i] = ms;
        assert_int_equal(ms, first_ms[i % RANGES]);
    }
    assert_in_range(first_ms[0], before, clock_monotonic_ms());
    for (int64_t i = 0; i < ACCOUNTS * RANGES; i++) {
        assert_true(hints_wants(h, i % RANGES << 36 | i));
        hints_leave(h, 0, i % RANGES << 36 | i);
        assert_false(hints_wants(h, i % RANGES << 36 | i));
    }
    /* Orders are obeyed in turn: when this one is, none was behind the others. */
    assert_int_equal(hints_join(h, 0, INT64_C(511) << 36, &ms), RC_OK);
    assert_true(ms >= first_ms[RANGES - 1]);
    wait_for_topics(general + RANGES + 1);
    hints_leave(h, 0, INT64_C(511) << 36);
    hints_free(&h);
    bus_stop(&bus);
    bus_stop(&publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery),
        cmocka_unit_test(test_everybody_once),
        cmocka_unit_test(test_two_on_one_loop),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_a_range_is_two_buckets),
        cmocka_unit_test(test_a_range_is_subscribed_to_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
