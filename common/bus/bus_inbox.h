/* bus_inbox.h - what other threads want of the bus thread: a bounded list and a bell.
 *
 * Thread: bus_inbox_put from any, the rest from the bus thread.
 */
#pragma once

#include "bus/msg.h"
#include "bus/peers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bus_order_kind {
    BUS_ORDER_SEND,
    BUS_ORDER_SUBSCRIBE,
    BUS_ORDER_CONNECT,
    BUS_ORDER_DISCONNECT,
    BUS_ORDER_DRAIN,
    BUS_ORDER_STOP,
};

struct bus_order {
    enum bus_order_kind kind;
    union {
        struct msg msg;
        int64_t account;
        struct {
            size_t peer;
            char endpoint[PEERS_ENDPOINT_BYTES];
        } at;
    };
};

struct bus_inbox {
    pthread_mutex_t lock;
    struct bus_order *orders;
    size_t n, cap;
    bool rung;
    int bell; /* eventfd: readable when there are orders */
};

void bus_inbox_init(struct bus_inbox *in);
void bus_inbox_fini(struct bus_inbox *in);

/* Never blocks for long.  False: full, the order is dropped: hints long before peers that
 * come and go, and nothing else ever. */
bool bus_inbox_put(struct bus_inbox *in, const struct bus_order *o);

/* All orders so far, in order; give them back to bus_inbox_return. */
struct bus_order *bus_inbox_take(struct bus_inbox *in, size_t *n);
void bus_inbox_return(struct bus_inbox *in, struct bus_order *orders, size_t n);
