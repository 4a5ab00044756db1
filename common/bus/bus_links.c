/* bus_links.c - a list of endpoints; libzmq connects, we watch and try again. */
#include "bus/bus_links.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "bus/bus_socket.h"
#include "bus/own_address.h"
#include "bus/peers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SETTLE_MS = 250,     /* from handshake to subscriptions in force */
    RETRY_KEY_MS = 1000, /* when a handshake failed and there is another key */
    RETRY_MS = 4000,     /* and up to half as much again */
};

struct bus_link {
    char text[PEERS_ENDPOINT_BYTES];
    size_t peer;
    size_t key; /* which of ours is tried */
    bool own;   /* leads to ourselves: never connected, counts as there */
    bool connected;
    int64_t retry_ms; /* when to connect anew; meaningless while connected */
    struct bus_link *next;
};

static struct metric replicas = { .kind = METRIC_GAUGE,
                                  .name = "postbus_bus_peers",
                                  .labels = "",
                                  .help =
                                      "Replicas of other services that are connected." };

static void *peer_socket(const struct bus_links *l, size_t peer)
{
    return l->options->peers[peer].pattern == MSG_WORK ? l->pull : l->sub;
}

static void connect_link(struct bus_links *l, struct bus_link *e)
{
    void *socket = peer_socket(l, e->peer);

    /* With the option on, libzmq 4.3.4 does not come back to an IPv4 address. */
    bus_socket_set_int(socket, ZMQ_IPV6, strchr(e->text, '[') != NULL);
    e->retry_ms = clock_monotonic_ms() + RETRY_MS + crypto_random_below(RETRY_MS / 2);
    bus_socket_set_text(socket, ZMQ_CURVE_SERVERKEY, l->keys->key[e->key].public_text);
    bus_socket_set_text(socket, ZMQ_CURVE_PUBLICKEY, l->keys->key[e->key].public_text);
    bus_socket_set_text(socket, ZMQ_CURVE_SECRETKEY, l->keys->key[e->key].secret_text);
    if (zmq_connect(socket, e->text) != 0)
        log_warn("bus.connect_failed", "peer=%s reason=\"%s\"",
                 l->options->peers[e->peer].name, zmq_strerror(errno));
}

static void set_connected(struct bus_links *l, struct bus_link *e, bool connected)
{
    if (e->connected == connected)
        return;
    e->connected = connected;
    atomic_fetch_add(&l->connected[e->peer], connected ? 1 : -1);
    metric_add(&replicas, connected ? 1 : -1);
}

static bool is_own(const struct bus_links *l, size_t peer, const char *text)
{
    const struct bus_options *o = l->options;
    bool work = o->peers[peer].pattern == MSG_WORK;

    return own_address_is(text, work ? o->work_port : o->event_port);
}

void bus_links_add(struct bus_links *l, size_t peer, const char *text)
{
    struct bus_link *e;

    if (l->draining && l->options->peers[peer].pattern == MSG_WORK)
        return;
    e = mem_alloc(sizeof(*e));
    snprintf(e->text, sizeof(e->text), "%s", text);
    e->peer = peer;
    e->next = l->first;
    l->first = e;
    e->own = is_own(l, peer, text);
    if (e->own)
        set_connected(l, e, true);
    else
        connect_link(l, e);
}

static void remove_link(struct bus_links *l, struct bus_link **at)
{
    struct bus_link *e = *at;

    *at = e->next;
    if (!e->own)
        zmq_disconnect(peer_socket(l, e->peer), e->text);
    set_connected(l, e, false);
    mem_free(e);
}

void bus_links_remove(struct bus_links *l, size_t peer, const char *text)
{
    for (struct bus_link **at = &l->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->peer == peer && strcmp((*at)->text, text) == 0) {
            remove_link(l, at);
            return;
        }
    }
}

void bus_links_drain(struct bus_links *l)
{
    struct bus_link **at = &l->first;

    while (*at != NULL) {
        if (l->options->peers[(*at)->peer].pattern == MSG_WORK)
            remove_link(l, at);
        else
            at = &(*at)->next;
    }
    l->draining = true;
}

static void note_event(struct bus_links *l, void *socket, struct bus_link *e,
                       unsigned event)
{
    bool succeeded = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    bool was_connected = e->connected;
    int64_t now = clock_monotonic_ms();

    set_connected(l, e, succeeded);
    if (succeeded && socket == l->sub && l->settle_ms == 0)
        l->settle_ms = now + SETTLE_MS;
    else if (succeeded && socket == l->sub)
        l->settle_again = true;
    if (was_connected)
        e->retry_ms = now + RETRY_MS;
    /* Perhaps a peer that was started with the other secret. */
    else if (event != ZMQ_EVENT_DISCONNECTED && l->keys->count > 1 &&
             e->retry_ms > now + RETRY_KEY_MS)
        e->retry_ms = now + RETRY_KEY_MS;
}

bool bus_links_read_monitor(struct bus_links *l, void *monitor, void *socket)
{
    zmq_msg_t parts[2];
    size_t n = bus_socket_receive(monitor, parts, ARRAY_LEN(parts));
    uint16_t event;

    if (n == ARRAY_LEN(parts) && zmq_msg_size(&parts[0]) >= sizeof(event)) {
        memcpy(&event, zmq_msg_data(&parts[0]), sizeof(event));
        for (struct bus_link *e = l->first; e != NULL; e = e->next) {
            if (peer_socket(l, e->peer) == socket &&
                str_eq(bus_socket_part(&parts[1]), str_of(e->text)))
                note_event(l, socket, e, event);
        }
    }
    bus_socket_close_parts(parts, n);
    return n > 0;
}

int64_t bus_links_due_ms(const struct bus_links *l)
{
    int64_t due = l->settle_ms == 0 ? INT64_MAX : l->settle_ms;

    for (const struct bus_link *e = l->first; e != NULL; e = e->next) {
        if (!e->connected && e->retry_ms < due)
            due = e->retry_ms;
    }
    return due;
}

bool bus_links_have_settled(struct bus_links *l)
{
    int64_t now = clock_monotonic_ms();

    if (l->settle_ms == 0 || now < l->settle_ms)
        return false;
    l->settle_ms = l->settle_again ? now + SETTLE_MS : 0;
    l->settle_again = false;
    return true;
}

bool bus_links_retry(struct bus_links *l)
{
    int64_t now = clock_monotonic_ms();
    bool touched = false;

    for (struct bus_link *e = l->first; e != NULL; e = e->next) {
        if (e->connected || now < e->retry_ms)
            continue;
        touched = true;
        /* libzmq itself tries again after most failures but gives up for good after
         * others, such as an answer that is not ZeroMQ's. */
        zmq_disconnect(peer_socket(l, e->peer), e->text);
        e->key = (e->key + 1) % l->keys->count;
        connect_link(l, e);
    }
    return touched;
}

void bus_links_clear(struct bus_links *l)
{
    while (l->first != NULL) {
        struct bus_link *e = l->first;

        l->first = e->next;
        set_connected(l, e, false);
        mem_free(e);
    }
}

int bus_links_connected(struct bus_links *l, size_t peer)
{
    return atomic_load(&l->connected[peer]);
}

void bus_links_register_metrics(void)
{
    metric_register(&replicas);
}
