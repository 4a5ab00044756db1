/* bus_links.h - the endpoints of other services' replicas: connect, lose, connect again.
 *
 * Thread: the bus thread; bus_links_connected from any.
 */
#pragma once

#include "bus/bus.h"
#include "bus/bus_zap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_link;

struct bus_links {
    const struct bus_options *options;
    const struct bus_zap_keys *keys;
    void *pull, *sub;
    struct bus_link *first;
    _Atomic int connected[BUS_PEERS_MAX]; /* replicas of each peer */
    int64_t settle_ms; /* when new subscriptions are in force; 0: nothing is new */
    bool settle_again; /* one more connected meanwhile and needs as long */
    bool draining;     /* no further work: its peers are left alone */
};

void bus_links_register_metrics(void);

/* text: an endpoint of the peer with that number in the options. */
void bus_links_add(struct bus_links *l, size_t peer, const char *text);
void bus_links_remove(struct bus_links *l, size_t peer, const char *text);
void bus_links_drain(struct bus_links *l); /* leaves the peers that send work */
void bus_links_clear(struct bus_links *l); /* the sockets are closed already */

/* Reads one event of the socket's monitor; false: there is none. */
bool bus_links_read_monitor(struct bus_links *l, void *monitor, void *socket);

int64_t bus_links_due_ms(const struct bus_links *l); /* INT64_MAX: nothing is due */
/* True once when the subscriptions at new event peers are in force. */
bool bus_links_have_settled(struct bus_links *l);
/* Connects anew what has been away for long enough.  True: a socket was touched. */
bool bus_links_retry(struct bus_links *l);

int bus_links_connected(struct bus_links *l, size_t peer);
