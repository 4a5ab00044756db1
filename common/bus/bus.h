/* bus.h - hints between the services: the only door to ZeroMQ.
 *
 * One thread per process owns all sockets.  A process binds what it produces and connects
 * to every replica that produces what it consumes.  Every socket is CURVE-encrypted and
 * admits only who knows the cluster's secret.  Nothing here is reliable: see the polls of
 * each consumer.
 * Thread: sending and subscribing from any thread, they never block; callbacks run in the
 * bus thread and must not block.
 */
#pragma once

#include "base/rc.h"
#include "bus/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUS_PEERS_MAX = 8, BUS_ERROR_BYTES = 512 };

/* The replicas of one other service, and which of its two ports is meant. */
struct bus_peer {
    const char *name; /* "queue-worker", in logs; borrowed for the life of the bus */
    const char *text; /* "dns:queue-worker:5551", see peers.h */
    enum msg_pattern pattern;
};

struct bus_options {
    const char *address; /* to bind to; "*" = all */
    int work_port;       /* 0: sends no work hints */
    int event_port;      /* 0: publishes no events */
    struct bus_peer peers[BUS_PEERS_MAX];
    size_t peer_count;
    const char *secret;          /* cluster_secret */
    const char *secret_previous; /* also accepted; NULL: none */
    int peers_interval_ms;       /* 0: 2000 */
    void *user;
    /* False: events of that account need not be read, nobody here would use them.
     * NULL: all are wanted. */
    bool (*wants_account)(void *user, int64_t account);
    void (*on_message)(void *user, const struct msg *m); /* may be NULL */
    /* New event peers are connected and their subscriptions have had time to settle:
     * whatever was said before may have been missed, read the store again. */
    void (*on_event_peer)(void *user); /* may be NULL */
};

struct bus;

/* RC_INVALID with a text in error: a peers text or a secret is unusable.
 * RC_EXISTS with a text: the port cannot be bound. */
enum rc bus_start(const struct bus_options *options, struct bus **out,
                  char error[BUS_ERROR_BYTES]) RC_CHECKED;

/* Wake one consumer.  Dropped and counted when nobody is connected or the queue is full.
 */
void bus_send_work(struct bus *bus, const struct msg *m);

/* Tell every subscriber of the message's topic. */
void bus_publish(struct bus *bus, const struct msg *m);

/* Receive the events of the account's whole range (msg_range) from now on, once for each
 * range.  Takes effect some milliseconds later.  General events need no call. */
void bus_subscribe(struct bus *bus, int64_t account);

/* Names of peers without any replica connected. */
size_t bus_missing(struct bus *bus, const char *names[BUS_PEERS_MAX]);

/* Take no further work; everything else goes on. */
void bus_drain(struct bus *bus);
void bus_stop(struct bus **bus); /* ends the thread; no callback afterwards */
