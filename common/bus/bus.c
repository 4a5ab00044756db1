/* bus.c - one thread, four sockets: PUSH and XPUB bind, PULL and SUB connect.
 *
 * Other threads leave orders in an inbox and ring an eventfd.  The same thread answers
 * ZeroMQ's questions whether a key is admitted (ZAP, ZeroMQ RFC 27), so that no socket
 * can be open without them being answered.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "bus/keys.h"
#include "bus/own_address.h"
#include "bus/peers.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#ifdef __SANITIZE_THREAD__
/* libzmq's own queues are lock-free and not instrumented: what it hands from thread to
 * thread looks like a race. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so.5\n"
           "race:msg_decode\n"
           "race:answer_zap\n"
           "race:read_monitor\n"
           "race:read_subscription\n";
}
#endif

enum {
    HINTS_MAX = 16384,    /* orders that may be lost */
    ORDERS_MAX = 2000000, /* subscriptions of all sessions that a gateway can hold */
    KEEP_ORDERS = 4096,   /* a larger inbox gives its memory back */
    LOOK_MS = 1000,       /* longest wait */
    ROUND_MAX = 256,      /* messages from one socket before the others have their turn */
    SETTLE_MS = 250,      /* from handshake to subscriptions in force */
    RETRY_KEY_MS = 1000,  /* when a handshake failed and there is another key */
    RETRY_MS = 4000,      /* and up to half as much again */
    CURVE_BYTES = 32,
    KEYS_MAX = 2,
};

enum order_kind {
    ORDER_SEND,
    ORDER_SUBSCRIBE,
    ORDER_UNSUBSCRIBE,
    ORDER_CONNECT,
    ORDER_DISCONNECT,
    ORDER_DRAIN,
    ORDER_STOP,
};

struct order {
    enum order_kind kind;
    union {
        struct msg msg;
        int64_t account;
        struct {
            size_t peer;
            char endpoint[PEERS_ENDPOINT_BYTES];
        } at;
    };
};

struct inbox {
    pthread_mutex_t lock;
    struct order *orders;
    size_t n, cap;
    bool rung;
    int bell; /* eventfd */
};

struct key {
    char public_text[KEYS_Z85_BYTES], secret_text[KEYS_Z85_BYTES];
    unsigned char public_raw[CURVE_BYTES];
};

struct endpoint {
    char text[PEERS_ENDPOINT_BYTES];
    size_t peer;
    size_t key; /* which of ours is tried */
    bool own;   /* leads to ourselves: never connected, counts as there */
    bool connected;
    int64_t retry_ms; /* when to connect anew; meaningless while connected */
    struct endpoint *next;
};

struct bus {
    struct bus_options options;
    struct key keys[KEYS_MAX];
    size_t key_count;
    void *context, *push, *xpub, *pull, *sub, *pull_monitor, *sub_monitor, *zap;
    struct inbox inbox;
    struct peers *peers;
    pthread_t thread;
    _Atomic int connected[BUS_PEERS_MAX]; /* replicas of each peer */
    _Atomic int subscribed;               /* topics that somebody wants */
    /* The rest belongs to the bus thread. */
    struct endpoint *endpoints;
    int64_t settle_ms; /* when to call on_event_peer; 0: not due */
    bool settle_again; /* one more connected meanwhile and needs as long */
    bool draining, stopping;
};

static struct metric sent = {
    METRIC_COUNTER, "postbus_bus_sent", "", "Hints handed to the bus.", 0, { 0 }, 0, NULL
};
static struct metric dropped = { METRIC_COUNTER,
                                 "postbus_bus_dropped",
                                 "",
                                 "Hints lost because nobody was there or a queue was "
                                 "full; the polls find what they told.",
                                 0,
                                 { 0 },
                                 0,
                                 NULL };
static struct metric received = {
    METRIC_COUNTER, "postbus_bus_received", "", "Hints that arrived.", 0, { 0 }, 0, NULL
};
static struct metric bad = { METRIC_COUNTER,
                             "postbus_bus_malformed",
                             "",
                             "Messages of a member that could not be read.",
                             0,
                             { 0 },
                             0,
                             NULL };
static struct metric refused = { METRIC_COUNTER,
                                 "postbus_bus_refused",
                                 "",
                                 "Peers without the cluster's key.",
                                 0,
                                 { 0 },
                                 0,
                                 NULL };
static struct metric topics = { METRIC_GAUGE,
                                "postbus_bus_topics",
                                "",
                                "Topics that somebody subscribes to here.",
                                0,
                                { 0 },
                                0,
                                NULL };
static struct metric replicas = { METRIC_GAUGE,
                                  "postbus_bus_peers",
                                  "",
                                  "Replicas of other services that are connected.",
                                  0,
                                  { 0 },
                                  0,
                                  NULL };
static pthread_once_t metrics_once = PTHREAD_ONCE_INIT;

static void register_metrics(void)
{
    metric_register(&sent);
    metric_register(&dropped);
    metric_register(&received);
    metric_register(&bad);
    metric_register(&refused);
    metric_register(&topics);
    metric_register(&replicas);
}

/* --- inbox ----------------------------------------------------------------------------
 */

static void inbox_init(struct inbox *in)
{
    pthread_mutex_init(&in->lock, NULL);
    in->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(in->bell >= 0);
}

static void inbox_fini(struct inbox *in)
{
    close(in->bell);
    mem_free(in->orders);
    pthread_mutex_destroy(&in->lock);
}

static void inbox_put(struct inbox *in, const struct order *o)
{
    size_t max = o->kind == ORDER_SEND ? HINTS_MAX : ORDERS_MAX;
    bool ring, full;

    pthread_mutex_lock(&in->lock);
    full = in->n >= max;
    if (!full && in->n == in->cap) {
        in->cap = in->cap == 0 ? 64 : in->cap * 2;
        in->orders = mem_realloc(in->orders, in->cap * sizeof(*o));
    }
    if (!full)
        in->orders[in->n++] = *o;
    ring = !in->rung;
    in->rung = true;
    pthread_mutex_unlock(&in->lock);
    if (full)
        metric_add(&dropped, 1);
    if (ring)
        CHECK(eventfd_write(in->bell, 1) == 0);
}

/* Takes all orders; mem_free the result. */
static struct order *inbox_take(struct inbox *in, size_t *n)
{
    struct order *orders;
    eventfd_t ignored;

    if (eventfd_read(in->bell, &ignored) < 0)
        CHECK(errno == EAGAIN);
    pthread_mutex_lock(&in->lock);
    orders = in->orders;
    *n = in->n;
    in->orders = NULL;
    in->n = in->cap = 0;
    in->rung = false;
    pthread_mutex_unlock(&in->lock);
    return orders;
}

/* Gives the memory back for the next orders, unless a burst has made it large. */
static void inbox_return(struct inbox *in, struct order *orders, size_t n)
{
    pthread_mutex_lock(&in->lock);
    if (in->orders == NULL && n <= KEEP_ORDERS) {
        in->orders = orders;
        in->cap = n;
        orders = NULL;
    }
    pthread_mutex_unlock(&in->lock);
    mem_free(orders);
}

/* --- sockets --------------------------------------------------------------------------
 */

static void set_int(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

static void set_text(void *socket, int option, const char *value)
{
    CHECK(zmq_setsockopt(socket, option, value, strlen(value)) == 0);
}

static void *open_socket(struct bus *b, int type)
{
    void *s = zmq_socket(b->context, type);

    CHECK(s != NULL);
    set_int(s, ZMQ_LINGER, 0);
    set_int(s, ZMQ_HEARTBEAT_IVL, 5000);
    set_int(s, ZMQ_HEARTBEAT_TIMEOUT, 10000);
    set_int(s, ZMQ_HEARTBEAT_TTL, 20000);
    set_int(s, ZMQ_HANDSHAKE_IVL, 5000);
    set_int(s, ZMQ_SNDHWM, 1000);
    set_int(s, ZMQ_RCVHWM, 1000);
    CHECK(zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &(int64_t){ MSG_BODY_MAX },
                         sizeof(int64_t)) == 0);
    return s;
}

static void *open_binder(struct bus *b, int type)
{
    void *s = open_socket(b, type);

    set_int(s, ZMQ_CURVE_SERVER, 1);
    set_text(s, ZMQ_CURVE_SECRETKEY, b->keys[0].secret_text);
    set_text(s, ZMQ_ZAP_DOMAIN, "postbus");
    return s;
}

static void *open_connector(struct bus *b, int type)
{
    void *s = open_socket(b, type);

    /* Nothing is kept for a peer that is not there: it gets all subscriptions anew. */
    set_int(s, ZMQ_IMMEDIATE, 1);
    set_int(s, ZMQ_RECONNECT_IVL, 200);
    set_int(s, ZMQ_RECONNECT_IVL_MAX, 2000);
    set_int(s, ZMQ_CONNECT_TIMEOUT, 3000);
    return s;
}

static void *open_monitor(struct bus *b, void *socket, const char *name)
{
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_DISCONNECTED;
    void *pair = zmq_socket(b->context, ZMQ_PAIR);

    CHECK(pair != NULL && zmq_socket_monitor(socket, name, events) == 0);
    set_int(pair, ZMQ_RCVHWM, 0);
    CHECK(zmq_connect(pair, name) == 0);
    return pair;
}

static enum rc bind_port(struct bus *b, void *socket, int port,
                         char error[BUS_ERROR_BYTES])
{
    bool bare_ipv6 =
        strchr(b->options.address, ':') != NULL && b->options.address[0] != '[';
    char endpoint[300];

    set_int(socket, ZMQ_IPV6, strspn(b->options.address, "0123456789.") == 0);
    snprintf(endpoint, sizeof(endpoint), bare_ipv6 ? "tcp://[%s]:%d" : "tcp://%s:%d",
             b->options.address, port);
    if (zmq_bind(socket, endpoint) == 0)
        return RC_OK;
    snprintf(error, BUS_ERROR_BYTES, "cannot listen on %s: %s", endpoint,
             zmq_strerror(errno));
    return RC_EXISTS;
}

static enum rc open_binders(struct bus *b, char error[BUS_ERROR_BYTES])
{
    enum rc rc = RC_OK;

    if (b->options.work_port != 0) {
        b->push = open_binder(b, ZMQ_PUSH);
        rc = bind_port(b, b->push, b->options.work_port, error);
    }
    if (rc == RC_OK && b->options.event_port != 0) {
        b->xpub = open_binder(b, ZMQ_XPUB);
        /* Subscriptions obey the limit too, and those above it vanish silently. */
        set_int(b->xpub, ZMQ_RCVHWM, 0);
        set_int(b->xpub, ZMQ_SNDHWM, 10000);
        rc = bind_port(b, b->xpub, b->options.event_port, error);
    }
    return rc;
}

static void open_all_but_binders(struct bus *b)
{
    b->zap = zmq_socket(b->context, ZMQ_REP);
    CHECK(b->zap != NULL && zmq_bind(b->zap, "inproc://zeromq.zap.01") == 0);
    set_int(b->zap, ZMQ_LINGER, 0);
    b->pull = open_connector(b, ZMQ_PULL);
    b->pull_monitor = open_monitor(b, b->pull, "inproc://pull-monitor");
    b->sub = open_connector(b, ZMQ_SUB);
    set_int(b->sub, ZMQ_SNDHWM, 0); /* see XPUB */
    set_int(b->sub, ZMQ_RCVHWM, 10000);
    b->sub_monitor = open_monitor(b, b->sub, "inproc://sub-monitor");
    for (int kind = 0; kind < MSG_KIND_COUNT; kind++) {
        if (msg_pattern(kind) == MSG_EVENT)
            set_text(b->sub, ZMQ_SUBSCRIBE, msg_name(kind));
    }
}

static void close_all(struct bus *b)
{
    void *sockets[] = { b->push,         b->xpub,        b->pull, b->sub,
                        b->pull_monitor, b->sub_monitor, b->zap };

    if (b->pull != NULL)
        zmq_socket_monitor(b->pull, NULL, 0);
    if (b->sub != NULL)
        zmq_socket_monitor(b->sub, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        if (sockets[i] != NULL)
            zmq_close(sockets[i]);
    }
    while (zmq_ctx_term(b->context) != 0 && errno == EINTR)
        continue;
}

/* --- who may come in ------------------------------------------------------------------
 */

static bool is_member(const struct bus *b, const void *key, size_t n)
{
    for (size_t i = 0; i < b->key_count; i++) {
        if (n == CURVE_BYTES && memcmp(key, b->keys[i].public_raw, CURVE_BYTES) == 0)
            return true;
    }
    return false;
}

/* Receives a whole message into parts; what does not fit is dropped.  Returns the number
 * of parts, 0 when there is none. */
static size_t receive(void *socket, zmq_msg_t *parts, size_t max)
{
    size_t n = 0;
    bool more = true;

    while (more) {
        zmq_msg_t part;

        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            break;
        }
        more = zmq_msg_more(&part);
        if (n < max)
            parts[n++] = part;
        else
            zmq_msg_close(&part);
    }
    return n;
}

static void close_parts(zmq_msg_t *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        zmq_msg_close(&parts[i]);
}

static str_t part_str(zmq_msg_t *part)
{
    return str_n(zmq_msg_data(part), zmq_msg_size(part));
}

/* ZeroMQ RFC 27: version, request id, domain, address, identity, mechanism, key. */
static bool answer_zap(struct bus *b)
{
    zmq_msg_t parts[7];
    size_t n = receive(b->zap, parts, ARRAY_LEN(parts));
    bool yes = false;

    if (n == 0)
        return false;
    if (n == ARRAY_LEN(parts) && str_eq(part_str(&parts[5]), S("CURVE")))
        yes = is_member(b, zmq_msg_data(&parts[6]), zmq_msg_size(&parts[6]));
    metric_add(&refused, !yes);
    zmq_send(b->zap, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(b->zap, n > 1 ? zmq_msg_data(&parts[1]) : "",
             n > 1 ? zmq_msg_size(&parts[1]) : 0, ZMQ_SNDMORE);
    zmq_send(b->zap, yes ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(b->zap, "", 0, ZMQ_SNDMORE);
    zmq_send(b->zap, "", 0, ZMQ_SNDMORE);
    zmq_send(b->zap, "", 0, 0);
    close_parts(parts, n);
    return true;
}

/* --- peers ----------------------------------------------------------------------------
 */

static void *peer_socket(const struct bus *b, size_t peer)
{
    return b->options.peers[peer].pattern == MSG_WORK ? b->pull : b->sub;
}

static void connect_endpoint(struct bus *b, struct endpoint *e)
{
    void *socket = peer_socket(b, e->peer);

    /* With the option on, libzmq 4.3.4 does not come back to an IPv4 address. */
    set_int(socket, ZMQ_IPV6, strchr(e->text, '[') != NULL);
    e->retry_ms = clock_monotonic_ms() + RETRY_MS + crypto_random_below(RETRY_MS / 2);
    set_text(socket, ZMQ_CURVE_SERVERKEY, b->keys[e->key].public_text);
    set_text(socket, ZMQ_CURVE_PUBLICKEY, b->keys[e->key].public_text);
    set_text(socket, ZMQ_CURVE_SECRETKEY, b->keys[e->key].secret_text);
    if (zmq_connect(socket, e->text) != 0)
        log_warn("bus.connect_failed", "peer=%s reason=\"%s\"",
                 b->options.peers[e->peer].name, zmq_strerror(errno));
}

static void set_connected(struct bus *b, struct endpoint *e, bool connected)
{
    if (e->connected == connected)
        return;
    e->connected = connected;
    atomic_fetch_add(&b->connected[e->peer], connected ? 1 : -1);
    metric_add(&replicas, connected ? 1 : -1);
}

static bool is_own(const struct bus *b, size_t peer, const char *text)
{
    const struct bus_options *o = &b->options;
    bool work = o->peers[peer].pattern == MSG_WORK;

    return own_address_is(text, work ? o->work_port : o->event_port);
}

static void add_endpoint(struct bus *b, size_t peer, const char *text)
{
    struct endpoint *e;

    if (b->draining && b->options.peers[peer].pattern == MSG_WORK)
        return;
    e = mem_alloc(sizeof(*e));
    snprintf(e->text, sizeof(e->text), "%s", text);
    e->peer = peer;
    e->next = b->endpoints;
    b->endpoints = e;
    e->own = is_own(b, peer, text);
    if (e->own)
        set_connected(b, e, true);
    else
        connect_endpoint(b, e);
}

static void remove_endpoint(struct bus *b, struct endpoint **at)
{
    struct endpoint *e = *at;

    *at = e->next;
    if (!e->own)
        zmq_disconnect(peer_socket(b, e->peer), e->text);
    set_connected(b, e, false);
    mem_free(e);
}

static void remove_endpoint_of(struct bus *b, size_t peer, const char *text)
{
    for (struct endpoint **at = &b->endpoints; *at != NULL; at = &(*at)->next) {
        if ((*at)->peer == peer && strcmp((*at)->text, text) == 0) {
            remove_endpoint(b, at);
            return;
        }
    }
}

static void remove_all_work(struct bus *b)
{
    struct endpoint **at = &b->endpoints;

    while (*at != NULL) {
        if (b->options.peers[(*at)->peer].pattern == MSG_WORK)
            remove_endpoint(b, at);
        else
            at = &(*at)->next;
    }
    b->draining = true;
}

static void on_peer_change(void *user, size_t spec, const char *endpoint, bool added)
{
    struct bus *b = user;
    struct order o = { .kind = added ? ORDER_CONNECT : ORDER_DISCONNECT };

    o.at.peer = spec;
    snprintf(o.at.endpoint, sizeof(o.at.endpoint), "%s", endpoint);
    inbox_put(&b->inbox, &o);
}

static void note_event(struct bus *b, void *socket, struct endpoint *e, unsigned event)
{
    bool succeeded = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    bool was_connected = e->connected;
    int64_t now = clock_monotonic_ms();

    set_connected(b, e, succeeded);
    if (succeeded && socket == b->sub && b->settle_ms == 0)
        b->settle_ms = now + SETTLE_MS;
    else if (succeeded && socket == b->sub)
        b->settle_again = true;
    if (was_connected)
        e->retry_ms = now + RETRY_MS;
    /* Perhaps a peer that was started with the other secret. */
    else if (event != ZMQ_EVENT_DISCONNECTED && b->key_count > 1 &&
             e->retry_ms > now + RETRY_KEY_MS)
        e->retry_ms = now + RETRY_KEY_MS;
}

static bool read_monitor(struct bus *b, void *monitor, void *socket)
{
    zmq_msg_t parts[2];
    size_t n = receive(monitor, parts, ARRAY_LEN(parts));
    uint16_t event;

    if (n == ARRAY_LEN(parts) && zmq_msg_size(&parts[0]) >= sizeof(event)) {
        memcpy(&event, zmq_msg_data(&parts[0]), sizeof(event));
        for (struct endpoint *e = b->endpoints; e != NULL; e = e->next) {
            if (peer_socket(b, e->peer) == socket &&
                str_eq(part_str(&parts[1]), str_of(e->text)))
                note_event(b, socket, e, event);
        }
    }
    close_parts(parts, n);
    return n > 0;
}

/* --- messages -------------------------------------------------------------------------
 */

static void send_hint(struct bus *b, const struct msg *m)
{
    void *socket = msg_pattern(m->kind) == MSG_WORK ? b->push : b->xpub;
    char topic[MSG_TOPIC_BYTES], body[1024];
    size_t n = msg_encode(m, body, sizeof(body));

    CHECK(socket != NULL && n != SIZE_MAX);
    msg_topic(topic, m);
    if (zmq_send(socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(socket, body, n, ZMQ_DONTWAIT) < 0)
        metric_add(&dropped, 1);
    else
        metric_add(&sent, 1);
}

static bool read_hint(struct bus *b, void *socket)
{
    zmq_msg_t parts[2];
    size_t n = receive(socket, parts, ARRAY_LEN(parts));
    struct msg m;

    if (n == 0)
        return false;
    if (n == ARRAY_LEN(parts) && msg_decode(part_str(&parts[1]), &m) == RC_OK) {
        metric_add(&received, 1);
        if (b->options.on_message != NULL)
            b->options.on_message(b->options.user, &m);
    } else {
        metric_add(&bad, 1);
    }
    close_parts(parts, n);
    return true;
}

/* XPUB hands up each first subscription (1 and the topic) and last cancellation (0): read
 * and counted, or they would pile up. */
static bool read_subscription(struct bus *b)
{
    zmq_msg_t part;
    size_t n = receive(b->xpub, &part, 1);

    if (n == 0)
        return false;
    if (zmq_msg_size(&part) > 0) {
        int change = *(char *)zmq_msg_data(&part) == 1 ? 1 : -1;

        atomic_fetch_add(&b->subscribed, change);
        metric_add(&topics, change);
    }
    zmq_msg_close(&part);
    return true;
}

static void subscribe(struct bus *b, int option, int64_t account)
{
    char topic[MSG_TOPIC_BYTES];

    msg_topic_account(topic, account);
    set_text(b->sub, option, topic);
}

static void obey(struct bus *b, const struct order *o)
{
    switch (o->kind) {
    case ORDER_SEND:
        send_hint(b, &o->msg);
        break;
    case ORDER_SUBSCRIBE:
        subscribe(b, ZMQ_SUBSCRIBE, o->account);
        break;
    case ORDER_UNSUBSCRIBE:
        subscribe(b, ZMQ_UNSUBSCRIBE, o->account);
        break;
    case ORDER_CONNECT:
        add_endpoint(b, o->at.peer, o->at.endpoint);
        break;
    case ORDER_DISCONNECT:
        remove_endpoint_of(b, o->at.peer, o->at.endpoint);
        break;
    case ORDER_DRAIN:
        remove_all_work(b);
        break;
    case ORDER_STOP:
        b->stopping = true;
        break;
    }
}

static void obey_all(struct bus *b)
{
    size_t n;
    struct order *orders = inbox_take(&b->inbox, &n);

    for (size_t i = 0; i < n; i++)
        obey(b, &orders[i]);
    inbox_return(&b->inbox, orders, n);
}

/* --- the thread -----------------------------------------------------------------------
 */

static long ms_until_due(const struct bus *b)
{
    int64_t due = b->settle_ms == 0 ? INT64_MAX : b->settle_ms, left;

    for (const struct endpoint *e = b->endpoints; e != NULL; e = e->next) {
        if (!e->connected && e->retry_ms < due)
            due = e->retry_ms;
    }
    left = due == INT64_MAX ? LOOK_MS : due - clock_monotonic_ms();
    return left < 0 ? 0 : left < LOOK_MS ? (long)left : LOOK_MS;
}

/* True: a socket was touched. */
static bool do_due(struct bus *b)
{
    int64_t now = clock_monotonic_ms();
    bool touched = false;

    if (b->settle_ms != 0 && now >= b->settle_ms) {
        b->settle_ms = b->settle_again ? now + SETTLE_MS : 0;
        b->settle_again = false;
        if (b->options.on_event_peer != NULL)
            b->options.on_event_peer(b->options.user);
    }
    for (struct endpoint *e = b->endpoints; e != NULL; e = e->next) {
        if (e->connected || now < e->retry_ms)
            continue;
        touched = true;
        /* libzmq itself tries again after most failures but gives up for good after
         * others, such as an answer that is not ZeroMQ's. */
        zmq_disconnect(peer_socket(b, e->peer), e->text);
        e->key = (e->key + 1) % b->key_count;
        connect_endpoint(b, e);
    }
    return touched;
}

/* Each reads until there is no more, or a round is full (true: there may be more).  Only
 * reading to the end makes the socket's descriptor tell of the next message. */
static bool drain_zap(struct bus *b)
{
    while (answer_zap(b))
        continue;
    return false;
}

static bool drain_hints(struct bus *b, void *socket)
{
    for (int i = 0; i < ROUND_MAX; i++) {
        if (!read_hint(b, socket))
            return false;
    }
    return true;
}

static bool drain_sub(struct bus *b)
{
    return drain_hints(b, b->sub);
}

static bool drain_pull(struct bus *b)
{
    return drain_hints(b, b->pull);
}

static bool drain_monitors(struct bus *b)
{
    while (read_monitor(b, b->sub_monitor, b->sub))
        continue;
    while (read_monitor(b, b->pull_monitor, b->pull))
        continue;
    return false;
}

static bool drain_subscriptions(struct bus *b)
{
    for (int i = 0; i < ROUND_MAX && b->xpub != NULL; i++) {
        if (!read_subscription(b))
            return false;
    }
    return b->xpub != NULL;
}

enum {
    WATCH_BELL,
    WATCH_SUB,
    WATCH_PULL,
    WATCH_XPUB,
    WATCH_ZAP,
    WATCH_MONITORS,
    WATCH_MONITOR_2,
    WATCHES
};

static bool (*const drains[WATCHES])(struct bus *b) = {
    [WATCH_SUB] = drain_sub,
    [WATCH_PULL] = drain_pull,
    [WATCH_XPUB] = drain_subscriptions,
    [WATCH_ZAP] = drain_zap,
    [WATCH_MONITORS] = drain_monitors,
    [WATCH_MONITOR_2] = drain_monitors,
};

static void watch(struct pollfd *p, void *socket)
{
    size_t n = sizeof(p->fd);

    *p = (struct pollfd){ .fd = -1, .events = POLLIN };
    if (socket != NULL)
        CHECK(zmq_getsockopt(socket, ZMQ_FD, &p->fd, &n) == 0);
}

/* zmq_poll asks every socket before and after it waits, with a system call each, which
 * costs more than the hint itself.  Instead the descriptors are waited for here.  They
 * tell of changes only, and any call on a socket may swallow one: after orders, the
 * sockets that orders touch are read as well, and all of them after a reconnect and once
 * a second. */
static void *run(void *arg)
{
    struct bus *b = arg;
    struct pollfd fds[WATCHES];
    unsigned again = UINT_MAX; /* bit n: drain n without being told */

    pthread_setname_np(pthread_self(), "bus");
    fds[WATCH_BELL] = (struct pollfd){ .fd = b->inbox.bell, .events = POLLIN };
    watch(&fds[WATCH_SUB], b->sub);
    watch(&fds[WATCH_PULL], b->pull);
    watch(&fds[WATCH_XPUB], b->xpub);
    watch(&fds[WATCH_ZAP], b->zap);
    watch(&fds[WATCH_MONITORS], b->sub_monitor);
    watch(&fds[WATCH_MONITOR_2], b->pull_monitor);
    while (!b->stopping) {
        int n = poll(fds, WATCHES, again != 0 ? 0 : (int)ms_until_due(b));
        unsigned now = n == 0 && again == 0 ? UINT_MAX : again;

        CHECK(n >= 0 || errno == EINTR);
        if (fds[WATCH_BELL].revents != 0) {
            obey_all(b);
            now |= 1u << WATCH_SUB | 1u << WATCH_PULL | 1u << WATCH_XPUB;
        }
        again = 0;
        for (unsigned i = WATCH_SUB; i < WATCHES; i++) {
            if (((now >> i & 1) || fds[i].revents != 0) && drains[i](b))
                again |= 1u << i;
        }
        if (do_due(b))
            again = UINT_MAX;
    }
    return NULL;
}

/* --- start and stop -------------------------------------------------------------------
 */

static enum rc add_key(struct bus *b, const char *secret, char error[BUS_ERROR_BYTES])
{
    struct key *k = &b->keys[b->key_count];

    if (str_trim(str_of(secret)).n < KEYS_SECRET_MIN) {
        snprintf(error, BUS_ERROR_BYTES,
                 "the cluster's secret must have at least %d characters; `postbusctl "
                 "secret` prints a good one",
                 KEYS_SECRET_MIN);
        return RC_INVALID;
    }
    keys_derive(str_of(secret), k->secret_text);
    CHECK(zmq_curve_public(k->public_text, k->secret_text) == 0);
    CHECK(zmq_z85_decode(k->public_raw, k->public_text) != NULL);
    b->key_count++;
    return RC_OK;
}

static enum rc add_keys(struct bus *b, char error[BUS_ERROR_BYTES])
{
    const char *previous = b->options.secret_previous;
    enum rc rc = add_key(b, b->options.secret, error);

    if (rc == RC_OK && previous != NULL && previous[0] != '\0')
        rc = add_key(b, previous, error);
    b->options.secret = b->options.secret_previous = NULL;
    return rc;
}

static enum rc start_peers(struct bus *b, char error[BUS_ERROR_BYTES])
{
    struct peers_spec *specs = mem_alloc(BUS_PEERS_MAX * sizeof(*specs));
    struct peers_options options = { .specs = specs,
                                     .count = b->options.peer_count,
                                     .interval_ms = b->options.peers_interval_ms,
                                     .user = b,
                                     .on_change = on_peer_change };
    const char *why;
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < options.count; i++) {
        rc = peers_parse(str_of(b->options.peers[i].text), &specs[i], &why);
        if (rc != RC_OK)
            snprintf(error, BUS_ERROR_BYTES, "peers of %s: %s", b->options.peers[i].name,
                     why);
    }
    if (rc == RC_OK)
        b->peers = peers_new(&options);
    mem_free(specs);
    return rc;
}

static void destroy(struct bus *b)
{
    close_all(b);
    while (b->endpoints != NULL) {
        struct endpoint *e = b->endpoints;

        b->endpoints = e->next;
        set_connected(b, e, false);
        mem_free(e);
    }
    inbox_fini(&b->inbox);
    explicit_bzero(b->keys, sizeof(b->keys));
    mem_free(b);
}

enum rc bus_start(const struct bus_options *options, struct bus **out,
                  char error[BUS_ERROR_BYTES])
{
    struct bus *b = mem_alloc(sizeof(*b));
    enum rc rc;

    CHECK(options->peer_count <= BUS_PEERS_MAX);
    pthread_once(&metrics_once, register_metrics);
    b->options = *options;
    b->context = zmq_ctx_new();
    CHECK(b->context != NULL);
    zmq_ctx_set(b->context, ZMQ_MAX_SOCKETS, 1023);
    inbox_init(&b->inbox);
    rc = add_keys(b, error);
    if (rc == RC_OK) {
        open_all_but_binders(b);
        rc = open_binders(b, error);
    }
    if (rc == RC_OK)
        rc = start_peers(b, error);
    if (rc != RC_OK) {
        destroy(b);
        return rc;
    }
    CHECK(pthread_create(&b->thread, NULL, run, b) == 0);
    *out = b;
    return RC_OK;
}

void bus_send_work(struct bus *bus, const struct msg *m)
{
    CHECK(msg_pattern(m->kind) == MSG_WORK);
    inbox_put(&bus->inbox, &(struct order){ .kind = ORDER_SEND, .msg = *m });
}

void bus_publish(struct bus *bus, const struct msg *m)
{
    CHECK(msg_pattern(m->kind) == MSG_EVENT);
    if (atomic_load(&bus->subscribed) > 0)
        inbox_put(&bus->inbox, &(struct order){ .kind = ORDER_SEND, .msg = *m });
}

void bus_subscribe(struct bus *bus, int64_t account)
{
    inbox_put(&bus->inbox,
              &(struct order){ .kind = ORDER_SUBSCRIBE, .account = account });
}

void bus_unsubscribe(struct bus *bus, int64_t account)
{
    inbox_put(&bus->inbox,
              &(struct order){ .kind = ORDER_UNSUBSCRIBE, .account = account });
}

size_t bus_missing(struct bus *bus, const char *names[BUS_PEERS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < bus->options.peer_count; i++) {
        if (atomic_load(&bus->connected[i]) == 0)
            names[n++] = bus->options.peers[i].name;
    }
    return n;
}

void bus_drain(struct bus *bus)
{
    inbox_put(&bus->inbox, &(struct order){ .kind = ORDER_DRAIN });
}

void bus_stop(struct bus **bus)
{
    if (*bus == NULL)
        return;
    peers_free(&(*bus)->peers);
    inbox_put(&(*bus)->inbox, &(struct order){ .kind = ORDER_STOP });
    CHECK(pthread_join((*bus)->thread, NULL) == 0);
    destroy(*bus);
    *bus = NULL;
}
