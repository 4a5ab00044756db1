/* destination.h - one destination in progress: its parcels and the thread that sends
 * them.
 *
 * The thread settles each parcel when it is done, lingers with an open connection for a
 * while, and leaves.  Everything marked "lock" is guarded by the dispatcher's lock.
 */
#pragma once

#include "delivery.h"
#include "parcel.h"
#include "work/backoff.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bus;
struct desk;
struct proven_list;

struct destination_rules { /* shared by all, immutable but for the lock */
    const struct desk *desk;
    struct bus *bus; /* NULL: no hints */
    struct backoff backoff;
    pthread_mutex_t *lock;
    pthread_cond_t *wake; /* lock: of the dispatcher, with its reason */
    bool *woken;
    struct proven_list *proven; /* lock */
    void *user;                 /* the dispatcher */
};

struct destination {
    pthread_t thread;
    struct destination *next; /* lock: the dispatcher's list */
    const struct destination_rules *rules;
    struct delivery *delivery;
    const struct transport *transport;
    char name[STORE_REMOTE_DESTINATION_BYTES]; /* a domain, or a target of many */
    bool proven;            /* lock: else it counts against the share of such */
    struct parcel *waiting; /* lock: in order */
    struct parcel *current; /* lock: being sent; its row is the thread's */
    bool lingering;         /* lock: connected, nothing to do */
    bool leaving;           /* lock: takes no more parcels */
    pthread_cond_t news;    /* lock: parcels came, or leaving was set */
};

/* For the row and others of its destination. */
struct destination *destination_new(const struct destination_rules *rules,
                                    const struct store_remote_row *row);
void destination_free(struct destination **t);

/* With the lock held. */
void destination_add(struct destination *t, struct parcel *p);
void destination_leave(struct destination *t);

void destination_abandon(struct destination *t); /* its parcels' leases run out */
/* Its parcels are for the next sender, at once.  False: the store failed, and what is
 * left waits for the end of its lease. */
bool destination_hand_back(struct destination *t);

/* Counts recipients whose messages failed, and tells those who write bounces. */
void destination_note_failed(const struct destination_rules *rules, size_t recipients);

/* The thread's work; returns when it has left and has no parcels. */
void destination_serve(struct destination *t);
