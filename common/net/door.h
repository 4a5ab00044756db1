/* door.h - who may hold a connection to a port, and who goes when there is no place left.
 *
 * A place is not kept by standing in it.  When a port, the part of a client network in
 * it, or the process's descriptors are all taken, the one goes who has got on least
 * lately, not the newcomer.  To get on is more than to make a sound: TLS is done, a
 * recipient or a message was accepted, a message keeps coming at a decent speed, a
 * request was answered. Half a minute of patience more has who logged in, or comes from a
 * network that lately did or that lately brought mail.  A network that holds many is
 * asked for one of its own first, so that a few can crowd out nobody but themselves. Kept
 * guests (clients of IMAP that are logged in) and those who wait for us do not go.
 *
 * Thread: any; one lock for all doors of the process.  A guest belongs to its
 * connection's thread.
 */
#pragma once

#include "base/rc.h"
#include "net/addr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct door;
struct door_guest;
struct door_network;

struct door_options {
    size_t max;             /* places; 0: without limit */
    size_t max_per_network; /* of them, for one client network; 0: without limit */
};

struct door_line {
    struct door_guest *first, *last;
};

/* Of a thread that has guests: who of them must go. */
struct door_exit {
    struct door_line line;
    bool woken;
    /* Called when there is somebody, by any thread and under the lock: only send word. */
    void (*wake)(struct door_exit *);
};

enum door_rank { DOOR_STRANGER, DOOR_FRIEND, DOOR_KEPT };

/* Embedded in a connection; zeroed before the first use. */
struct door_guest {
    struct door *door; /* NULL: outside, where the calls below do nothing */
    struct door_exit *exit;
    struct door_network *network; /* NULL: not known, or not counted */
    struct {
        struct door_guest *before, *after;
    } at[2];           /* in the line of its rank (or exit), and of its network */
    int64_t step_ms;   /* when it last got on */
    _Atomic bool busy; /* it waits for us */
    uint8_t rank;      /* enum door_rank */
    uint8_t descriptors;
    bool going; /* its place is somebody else's */
};

/* The first door counts the descriptors that the process may have, so it is made when
 * their limit is what it will be. */
struct door *door_new(const struct door_options *o);
void door_free(struct door **d); /* after the last guest; d may be NULL */

/* Two steps, because behind a proxy the client is known later: a descriptor, and a place
 * (client NULL: of no network).  RC_LIMIT: there is none, and nobody goes.  After the
 * second step a guest that was refused still has to leave. */
enum rc door_enter(struct door *d, struct door_guest *g, struct door_exit *exit,
                   int64_t now_ms) RC_CHECKED;
enum rc door_introduce(struct door_guest *g, const struct addr *client,
                       int64_t now_ms) RC_CHECKED;
/* So many descriptors more, until it leaves. */
enum rc door_take_descriptors(struct door_guest *g, uint8_t more,
                              int64_t now_ms) RC_CHECKED;
void door_leave(struct door_guest *g);
/* The next who must go, and is outside from now on; NULL: nobody. */
struct door_guest *door_next_out(struct door_exit *exit, int64_t now_ms);

void door_step(struct door_guest *g, int64_t now_ms); /* it got on */
void door_busy(struct door_guest *g, bool yes);       /* any thread, while g is there */
/* It logged in, or its message was accepted: a step, and its network is remembered for
 * it. rank: what it is from now on, unless it is more already. */
void door_prove(struct door_guest *g, enum door_rank rank, int64_t now_ms);

size_t door_count(struct door *d);

void door_register_metrics(void);
