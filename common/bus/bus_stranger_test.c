/* bus_stranger_test.c - who speaks ZeroMQ but is not of the cluster, or of another
 * release of it. */
#include "bus/bus_test.h"

#include "bus/keys.h"

#include <zmq.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changing_the_secret),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_a_consumer_of_one_account_hears_it),
        cmocka_unit_test(test_strangers_are_dropped_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
