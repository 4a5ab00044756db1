/* Two and three processes' worth of buses in one, over loopback, and strangers who speak
 * ZeroMQ but are not of the cluster. */
#include "bus/bus.h"

#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/buf.h"
#include "bus/keys.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

#define SECRET_A "0123456789abcdef0123456789abcdef-a"
#define SECRET_B "0123456789abcdef0123456789abcdef-b"

/* The tests know accounts by small numbers, a hundred of each range. */
enum { WAIT_MS = 20000, OF_RANGE = 100, ACCOUNTS = MSG_RANGES * OF_RANGE };

struct member {
    struct bus *bus;
    atomic_int messages, event_peers;
    _Atomic int64_t last, at_us; /* account or queue of the last message; its arrival */
    atomic_int only;             /* the account that is wanted; 0: all are */
    atomic_uchar seen[ACCOUNTS];
};

static int64_t account_of(int number)
{
    return (int64_t)(number / OF_RANGE) << 36 | number % OF_RANGE;
}

static int64_t number_of(int64_t account)
{
    return (account >> 36) * OF_RANGE + (account & 0xfffffffff);
}

static void on_message(void *user, const struct msg *m)
{
    struct member *me = user;
    int64_t id = m->kind == MSG_mailbox_changed ? number_of(m->mailbox_changed.account)
                                                : m->mail_queued.queue;

    atomic_store(&me->at_us, clock_monotonic_us());
    atomic_store(&me->last, id);
    if (id >= 0 && id < ACCOUNTS)
        atomic_store(&me->seen[id], 1);
    atomic_fetch_add(&me->messages, 1);
}

static bool wants_account(void *user, int64_t account)
{
    int only = atomic_load(&((struct member *)user)->only);

    return only == 0 || only == number_of(account);
}

static void on_event_peer(void *user)
{
    atomic_fetch_add(&((struct member *)user)->event_peers, 1);
}

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* ports: 0 = does not bind; peers: texts, NULL ends. */
static struct member *join_with(const char *secret, const char *previous, int work_port,
                                int event_port, const char *work_peers,
                                const char *event_peers)
{
    struct member *me = mem_alloc(sizeof(*me));
    struct bus_options o = { .address = "*",
                             .work_port = work_port,
                             .event_port = event_port,
                             .secret = secret,
                             .secret_previous = previous,
                             .peers_interval_ms = 50,
                             .user = me,
                             .wants_account = wants_account,
                             .on_message = on_message,
                             .on_event_peer = on_event_peer };
    char error[BUS_ERROR_BYTES] = "";

    if (work_peers != NULL)
        o.peers[o.peer_count++] = (struct bus_peer){ "work", work_peers, MSG_WORK };
    if (event_peers != NULL)
        o.peers[o.peer_count++] = (struct bus_peer){ "events", event_peers, MSG_EVENT };
    if (bus_start(&o, &me->bus, error) != RC_OK)
        fail_msg("%s", error);
    return me;
}

static struct member *join(int work_port, int event_port, const char *work_peers,
                           const char *event_peers)
{
    return join_with(SECRET_A, NULL, work_port, event_port, work_peers, event_peers);
}

static void leave(struct member **me)
{
    bus_stop(&(*me)->bus);
    mem_free(*me);
    *me = NULL;
}

static char *text_of(char *to, int first, int second)
{
    if (second == 0)
        snprintf(to, 100, "static:127.0.0.1:%d", first);
    else
        snprintf(to, 100, "static:127.0.0.1:%d,127.0.0.1:%d", first, second);
    return to;
}

static bool pause_until(struct deadline until)
{
    nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
    return !deadline_passed(until);
}

#define WAIT_FOR(condition)                                                              \
    do {                                                                                 \
        struct deadline wait_until = deadline_in_ms(WAIT_MS);                            \
        while (!(condition) && pause_until(wait_until))                                  \
            continue;                                                                    \
        if (!(condition))                                                                \
            fail_msg("in vain: %s", #condition);                                         \
    } while (0)

static bool is_complete(struct member *m)
{
    const char *names[BUS_PEERS_MAX];

    return bus_missing(m->bus, names) == 0;
}

static void subscribe(struct member *m, int number)
{
    bus_subscribe(m->bus, account_of(number));
}

static void publish(struct member *m, int number)
{
    struct msg hint = { .kind = MSG_mailbox_changed };

    hint.mailbox_changed.account = account_of(number);
    bus_publish(m->bus, &hint);
}

static void send_work(struct member *m, int64_t queue)
{
    struct msg hint = { .kind = MSG_mail_queued };

    hint.mail_queued.queue = queue;
    bus_send_work(m->bus, &hint);
}

/* Subscriptions take a moment: say it again until it is heard. */
static void publish_until_heard(struct member *from, struct member *to, int number)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    do {
        publish(from, number);
    } while (atomic_load(&to->last) != number && pause_until(until));
    assert_int_equal(atomic_load(&to->last), number);
}

static int64_t metric_value(const char *name)
{
    struct buf text;
    char *at;
    int64_t v = -1;
    char needle[80];

    buf_init(&text, 1 << 20);
    metric_render(&text);
    buf_putc(&text, '\0');
    snprintf(needle, sizeof(needle), "\n%s ", name);
    at = strstr(text.p, needle);
    if (at != NULL)
        v = strtoll(at + strlen(needle), NULL, 10);
    buf_fini(&text);
    return v;
}

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

static void curve_client(void *socket, const char *secret, const char *server_secret)
{
    char own_public[41], own_secret[41], server[41], server_key[41];

    keys_derive(str_of(secret), own_secret);
    assert_int_equal(zmq_curve_public(own_public, own_secret), 0);
    keys_derive(str_of(server_secret), server_key);
    assert_int_equal(zmq_curve_public(server, server_key), 0);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own_public, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own_secret, 40);
}

/* A stranger's PULL and SUB on our ports, a stranger's PUSH that our PULL connects to. */
static void try_stranger(const char *own_secret, const char *server_secret, bool admitted)
{
    int w = free_port(), e = free_port(), theirs = free_port();
    char text[100], endpoint[100], got[256];
    struct member *p = join(w, e, NULL, NULL), *honest, *victim;
    void *context = zmq_ctx_new(), *pull = zmq_socket(context, ZMQ_PULL);
    void *sub = zmq_socket(context, ZMQ_SUB), *push = zmq_socket(context, ZMQ_PUSH);
    int zero = 0, wait = admitted ? WAIT_MS : 300;

    if (own_secret != NULL) {
        curve_client(pull, own_secret, server_secret);
        curve_client(sub, own_secret, server_secret);
    }
    zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", w);
    assert_int_equal(zmq_connect(pull, endpoint), 0);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", e);
    assert_int_equal(zmq_connect(sub, endpoint), 0);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", theirs);
    assert_int_equal(zmq_bind(push, endpoint), 0);
    victim = join(0, 0, text_of(text, theirs, 0), NULL);
    honest = join(0, 0, NULL, text_of(text, e, 0));
    WAIT_FOR(is_complete(honest));
    subscribe(honest, 3);
    publish_until_heard(p, honest, 3); /* meanwhile the stranger has tried, too */
    for (int i = 0; i < 20; i++)
        send_work(p, 4);
    zmq_setsockopt(pull, ZMQ_RCVTIMEO, &wait, sizeof(wait));
    zmq_setsockopt(sub, ZMQ_RCVTIMEO, &wait, sizeof(wait));
    if (admitted) {
        publish(p, 3);
        assert_true(zmq_recv(sub, got, sizeof(got), 0) > 0);
    } else {
        assert_int_equal(zmq_recv(pull, got, sizeof(got), 0), -1);
        assert_int_equal(zmq_recv(sub, got, sizeof(got), ZMQ_DONTWAIT), -1);
    }
    /* Plain ZeroMQ at the other end: our PULL gives it nothing and takes nothing. */
    zmq_send(push, "x", 1, ZMQ_DONTWAIT);
    assert_false(is_complete(victim));
    assert_int_equal(atomic_load(&victim->messages), 0);
    zmq_setsockopt(push, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_close(push);
    zmq_close(pull);
    zmq_close(sub);
    zmq_ctx_term(context);
    leave(&victim);
    leave(&honest);
    leave(&p);
}

static void test_strangers(void **state)
{
    int64_t before = metric_value("postbus_bus_refused_total");

    (void)state;
    try_stranger(NULL, NULL, false);         /* no key */
    try_stranger(SECRET_B, SECRET_B, false); /* another cluster */
    assert_int_equal(metric_value("postbus_bus_refused_total"), before < 0 ? 0 : before);
    try_stranger(SECRET_B, SECRET_A, false); /* knows our public key only */
    assert_true(metric_value("postbus_bus_refused_total") > before);
    try_stranger(SECRET_A, SECRET_A, true); /* the test itself can see a success */
}

/* Replicas of a release that asked for each account. */
static void test_a_consumer_of_one_account_hears_it(void **state)
{
    int e = free_port(), wait = 1;
    char topic[MSG_TOPIC_BYTES], endpoint[100], got[256];
    struct member *p = join(0, e, NULL, NULL);
    void *context = zmq_ctx_new(), *sub = zmq_socket(context, ZMQ_SUB);
    struct deadline until = deadline_in_ms(WAIT_MS);
    int n;

    (void)state;
    curve_client(sub, SECRET_A, SECRET_A);
    msg_topic_account(topic, account_of(777));
    assert_int_equal(strlen(topic), 16);
    assert_int_equal(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, topic, 16), 0);
    zmq_setsockopt(sub, ZMQ_RCVTIMEO, &wait, sizeof(wait));
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", e);
    assert_int_equal(zmq_connect(sub, endpoint), 0);
    do {
        publish(p, 776);
        publish(p, 777);
        n = zmq_recv(sub, got, sizeof(got), 0);
    } while (n < 0 && !deadline_passed(until));
    assert_int_equal(n, 16);
    assert_memory_equal(got, topic, 16);
    n = zmq_recv(sub, got, sizeof(got), 0);
    assert_true(n > 0 &&
                str_find(str_n(got, (size_t)n), S("mailbox_changed")) < SIZE_MAX);
    zmq_close(sub);
    zmq_ctx_term(context);
    leave(&p);
}

static void send_raw(void *pub, int number, const char *body)
{
    char topic[MSG_TOPIC_BYTES];

    msg_topic_account(topic, account_of(number));
    assert_int_equal(zmq_send(pub, topic, strlen(topic), ZMQ_SNDMORE), 16);
    assert_int_equal(zmq_send(pub, body, strlen(body), 0), strlen(body));
}

static void *raw_publisher(void *context, int port)
{
    void *pub = zmq_socket(context, ZMQ_PUB);
    char key[41], endpoint[100];
    int yes = 1;

    keys_derive(S(SECRET_A), key);
    zmq_setsockopt(pub, ZMQ_CURVE_SERVER, &yes, sizeof(yes));
    zmq_setsockopt(pub, ZMQ_CURVE_SECRETKEY, key, 40);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", port);
    assert_int_equal(zmq_bind(pub, endpoint), 0);
    return pub;
}

/* What a publisher of another release sends, and that the topic alone decides: what is
 * behind a stranger's is not even looked at. */
static void test_strangers_are_dropped_unread(void **state)
{
    int e = free_port();
    char events[100];
    void *context = zmq_ctx_new(), *pub = raw_publisher(context, e);
    struct member *c = join(0, 0, NULL, text_of(events, e, 0));
    struct deadline until = deadline_in_ms(WAIT_MS);
    int64_t strangers, bad;

    (void)state;
    WAIT_FOR(is_complete(c));
    atomic_store(&c->only, 777);
    subscribe(c, 777);
    do {
        send_raw(pub, 777, "{\"message\":\"mailbox_changed\",\"account\":481036337229}");
    } while (atomic_load(&c->last) != 777 && pause_until(until));
    assert_int_equal(atomic_load(&c->last), 777);
    strangers = metric_value("postbus_bus_strangers_total");
    bad = metric_value("postbus_bus_malformed_total");
    for (int i = 0; i < 10; i++)
        send_raw(pub, 770, "nonsense");
    send_raw(pub, 777, "nonsense"); /* behind them */
    WAIT_FOR(metric_value("postbus_bus_malformed_total") > bad);
    assert_int_equal(metric_value("postbus_bus_malformed_total"), bad + 1);
    assert_int_equal(metric_value("postbus_bus_strangers_total"), strangers + 10);
    assert_int_equal(atomic_load(&c->last), 777);
    leave(&c);
    zmq_close(pub);
    zmq_ctx_term(context);
}

/* Rolling change: old (A) | both, A first | both, B first | new (B). */
static void test_changing_the_secret(void **state)
{
    static const char *const steps[][2] = { { SECRET_A, NULL },
                                            { SECRET_A, SECRET_B },
                                            { SECRET_B, SECRET_A },
                                            { SECRET_B, NULL } };

    (void)state;
    for (size_t i = 0; i + 1 < ARRAY_LEN(steps); i++) {
        for (size_t binder = i; binder <= i + 1; binder++) {
            size_t other = binder == i ? i + 1 : i;
            int e = free_port();
            char text[100];
            struct member *p =
                join_with(steps[binder][0], steps[binder][1], 0, e, NULL, NULL);
            struct member *c = join_with(steps[other][0], steps[other][1], 0, 0, NULL,
                                         text_of(text, e, 0));

            WAIT_FOR(is_complete(c));
            subscribe(c, 8);
            publish_until_heard(p, c, 8);
            leave(&c);
            leave(&p);
        }
    }
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
        cmocka_unit_test(test_changing_the_secret),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_each_peer_settles),
        cmocka_unit_test(test_all_subscriptions_arrive),
        cmocka_unit_test(test_a_consumer_of_one_account_hears_it),
        cmocka_unit_test(test_strangers_are_dropped_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
