/* bus.c - one thread, four sockets: PUSH and XPUB bind, PULL and SUB connect.
 *
 * Other threads leave orders in an inbox and ring its bell.  The same thread answers
 * ZeroMQ's questions whether a key is admitted, so that no socket can be open without
 * them being answered.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "bus/bus_inbox.h"
#include "bus/bus_links.h"
#include "bus/bus_socket.h"
#include "bus/bus_zap.h"
#include "bus/peers.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#ifdef __SANITIZE_THREAD__
/* libzmq's own queues are lock-free and not instrumented: what it hands from thread to
 * thread looks like a race. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so.5\n"
           "race:msg_decode\n"
           "race:msg_topic_read\n"
           "race:bus_zap_answer\n"
           "race:bus_links_read_monitor\n"
           "race:read_subscription\n";
}
#endif

enum {
    LOOK_MS = 1000,  /* longest wait */
    ROUND_MAX = 256, /* messages from one socket before the others have their turn */
};

struct bus {
    struct bus_options options;
    struct bus_zap_keys keys;
    void *context, *push, *xpub, *pull, *sub, *pull_monitor, *sub_monitor, *zap;
    struct bus_inbox inbox;
    struct peers *peers;
    pthread_t thread;
    _Atomic int subscribed; /* topics that somebody wants */
    struct bus_links links;
    bool stopping; /* bus thread only */
};

static struct metric sent = { .kind = METRIC_COUNTER,
                              .name = "postbus_bus_sent",
                              .labels = "",
                              .help = "Hints handed to the bus." };
static struct metric dropped = { .kind = METRIC_COUNTER,
                                 .name = "postbus_bus_dropped",
                                 .labels = "",
                                 .help = "Hints lost because nobody was there or a queue "
                                         "was full; the polls find what they told." };
static struct metric received = { .kind = METRIC_COUNTER,
                                  .name = "postbus_bus_received",
                                  .labels = "",
                                  .help = "Hints that arrived." };
static struct metric strangers = { .kind = METRIC_COUNTER,
                                   .name = "postbus_bus_strangers",
                                   .labels = "",
                                   .help = "Hints about accounts that nobody has here, "
                                           "not read." };
static struct metric bad = { .kind = METRIC_COUNTER,
                             .name = "postbus_bus_malformed",
                             .labels = "",
                             .help = "Messages of a member that could not be read." };
static struct metric refused = { .kind = METRIC_COUNTER,
                                 .name = "postbus_bus_refused",
                                 .labels = "",
                                 .help = "Peers without the cluster's key." };
static struct metric topics = { .kind = METRIC_GAUGE,
                                .name = "postbus_bus_topics",
                                .labels = "",
                                .help = "Topics that somebody subscribes to here." };
static pthread_once_t metrics_once = PTHREAD_ONCE_INIT;

static void register_metrics(void)
{
    metric_register(&sent);
    metric_register(&dropped);
    metric_register(&received);
    metric_register(&strangers);
    metric_register(&bad);
    metric_register(&refused);
    metric_register(&topics);
    bus_links_register_metrics();
}

static void order(struct bus *b, const struct bus_order *o)
{
    if (!bus_inbox_put(&b->inbox, o))
        metric_add(&dropped, 1);
}

/* ---- sockets ---- */

static enum rc open_binders(struct bus *b, char error[BUS_ERROR_BYTES])
{
    enum rc rc = RC_OK;

    if (b->options.work_port != 0) {
        b->push = bus_socket_binder(b->context, ZMQ_PUSH, &b->keys.key[0]);
        rc = bus_socket_bind(b->push, b->options.address, b->options.work_port, error);
    }
    if (rc == RC_OK && b->options.event_port != 0) {
        b->xpub = bus_socket_binder(b->context, ZMQ_XPUB, &b->keys.key[0]);
        /* Subscriptions obey the limit too, and those above it vanish silently. */
        bus_socket_set_int(b->xpub, ZMQ_RCVHWM, 0);
        bus_socket_set_int(b->xpub, ZMQ_SNDHWM, 10000);
        rc = bus_socket_bind(b->xpub, b->options.address, b->options.event_port, error);
    }
    return rc;
}

static void open_all_but_binders(struct bus *b)
{
    b->zap = bus_zap_open(b->context);
    b->pull = bus_socket_connector(b->context, ZMQ_PULL);
    b->pull_monitor = bus_socket_monitor(b->context, b->pull, "inproc://pull-monitor");
    b->sub = bus_socket_connector(b->context, ZMQ_SUB);
    bus_socket_set_int(b->sub, ZMQ_SNDHWM, 0); /* see XPUB */
    bus_socket_set_int(b->sub, ZMQ_RCVHWM, 10000);
    b->sub_monitor = bus_socket_monitor(b->context, b->sub, "inproc://sub-monitor");
    for (int kind = 0; kind < MSG_KIND_COUNT; kind++) {
        if (msg_pattern(kind) == MSG_EVENT)
            bus_socket_set_text(b->sub, ZMQ_SUBSCRIBE, msg_name(kind));
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

static void on_peer_change(void *user, size_t spec, const char *endpoint, bool added)
{
    struct bus *b = user;
    struct bus_order o = { .kind = added ? BUS_ORDER_CONNECT : BUS_ORDER_DISCONNECT };

    o.at.peer = spec;
    snprintf(o.at.endpoint, sizeof(o.at.endpoint), "%s", endpoint);
    order(b, &o);
}

/* ---- messages ---- */

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

/* A range that was subscribed to holds many accounts that are not of interest. */
static bool is_of_stranger(struct bus *b, str_t topic)
{
    int64_t account;

    return b->options.wants_account != NULL && msg_topic_read(topic, &account) &&
           !b->options.wants_account(b->options.user, account);
}

static bool read_hint(struct bus *b, void *socket)
{
    zmq_msg_t parts[2];
    size_t n = bus_socket_receive(socket, parts, ARRAY_LEN(parts));
    struct msg m;

    if (n == 0)
        return false;
    if (n == ARRAY_LEN(parts) && is_of_stranger(b, bus_socket_part(&parts[0]))) {
        metric_add(&strangers, 1);
    } else if (n == ARRAY_LEN(parts) &&
               msg_decode(bus_socket_part(&parts[1]), &m) == RC_OK) {
        metric_add(&received, 1);
        if (b->options.on_message != NULL)
            b->options.on_message(b->options.user, &m);
    } else {
        metric_add(&bad, 1);
    }
    bus_socket_close_parts(parts, n);
    return true;
}

/* XPUB hands up each first subscription (1 and the topic) and last cancellation (0): read
 * and counted, or they would pile up. */
static bool read_subscription(struct bus *b)
{
    zmq_msg_t part;
    size_t n = bus_socket_receive(b->xpub, &part, 1);

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

static void subscribe(struct bus *b, int64_t account)
{
    char topic[MSG_TOPIC_BYTES];

    msg_topic_range(topic, account);
    bus_socket_set_text(b->sub, ZMQ_SUBSCRIBE, topic);
}

static void obey(struct bus *b, const struct bus_order *o)
{
    switch (o->kind) {
    case BUS_ORDER_SEND:
        send_hint(b, &o->msg);
        break;
    case BUS_ORDER_SUBSCRIBE:
        subscribe(b, o->account);
        break;
    case BUS_ORDER_CONNECT:
        bus_links_add(&b->links, o->at.peer, o->at.endpoint);
        break;
    case BUS_ORDER_DISCONNECT:
        bus_links_remove(&b->links, o->at.peer, o->at.endpoint);
        break;
    case BUS_ORDER_DRAIN:
        bus_links_drain(&b->links);
        break;
    case BUS_ORDER_STOP:
        b->stopping = true;
        break;
    }
}

static void obey_all(struct bus *b)
{
    size_t n;
    struct bus_order *orders = bus_inbox_take(&b->inbox, &n);

    for (size_t i = 0; i < n; i++)
        obey(b, &orders[i]);
    bus_inbox_return(&b->inbox, orders, n);
}

/* ---- the thread ---- */

static long ms_until_due(const struct bus *b)
{
    int64_t due = bus_links_due_ms(&b->links), left;

    left = due == INT64_MAX ? LOOK_MS : due - clock_monotonic_ms();
    return left < 0 ? 0 : left < LOOK_MS ? (long)left : LOOK_MS;
}

/* True: a socket was touched. */
static bool do_due(struct bus *b)
{
    if (bus_links_have_settled(&b->links) && b->options.on_event_peer != NULL)
        b->options.on_event_peer(b->options.user);
    return bus_links_retry(&b->links);
}

/* Each reads until there is no more, or a round is full (true: there may be more).  Only
 * reading to the end makes the socket's descriptor tell of the next message. */
static bool drain_zap(struct bus *b)
{
    bool no;

    while (bus_zap_answer(&b->keys, b->zap, &no))
        metric_add(&refused, no);
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
    while (bus_links_read_monitor(&b->links, b->sub_monitor, b->sub))
        continue;
    while (bus_links_read_monitor(&b->links, b->pull_monitor, b->pull))
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
 * sockets that orders touch are read as well, and all of them after a reconnect and when
 * for a second (or until a reconnect is due) nothing was told at all. */
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

/* ---- start and stop ---- */

static enum rc add_keys(struct bus *b, char error[BUS_ERROR_BYTES])
{
    const char *previous = b->options.secret_previous;
    enum rc rc = bus_zap_add(&b->keys, b->options.secret, error);

    if (rc == RC_OK && previous != NULL && previous[0] != '\0')
        rc = bus_zap_add(&b->keys, previous, error);
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
    bus_links_clear(&b->links);
    bus_inbox_fini(&b->inbox);
    explicit_bzero(&b->keys, sizeof(b->keys));
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
    bus_inbox_init(&b->inbox);
    rc = add_keys(b, error);
    if (rc == RC_OK) {
        open_all_but_binders(b);
        b->links = (struct bus_links){
            .options = &b->options, .keys = &b->keys, .pull = b->pull, .sub = b->sub
        };
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
    order(bus, &(struct bus_order){ .kind = BUS_ORDER_SEND, .msg = *m });
}

void bus_publish(struct bus *bus, const struct msg *m)
{
    CHECK(msg_pattern(m->kind) == MSG_EVENT);
    if (atomic_load(&bus->subscribed) > 0)
        order(bus, &(struct bus_order){ .kind = BUS_ORDER_SEND, .msg = *m });
}

void bus_subscribe(struct bus *bus, int64_t account)
{
    order(bus, &(struct bus_order){ .kind = BUS_ORDER_SUBSCRIBE, .account = account });
}

size_t bus_missing(struct bus *bus, const char *names[BUS_PEERS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < bus->options.peer_count; i++) {
        if (bus_links_connected(&bus->links, i) == 0)
            names[n++] = bus->options.peers[i].name;
    }
    return n;
}

void bus_drain(struct bus *bus)
{
    order(bus, &(struct bus_order){ .kind = BUS_ORDER_DRAIN });
}

void bus_stop(struct bus **bus)
{
    if (*bus == NULL)
        return;
    peers_free(&(*bus)->peers);
    order(*bus, &(struct bus_order){ .kind = BUS_ORDER_STOP });
    CHECK(pthread_join((*bus)->thread, NULL) == 0);
    destroy(*bus);
    *bus = NULL;
}
