/* dispatch.h - gives each destination its thread, so that no host can delay another.
 *
 * One thread claims what is due, fairly per destination, and renews the leases of what
 * is in progress.  Each destination in progress has a thread; one that is done keeps its
 * connection for a while and is given what comes next.  Hosts that failed lately may
 * hold at most half of the threads.
 * Thread: dispatch_wake from any thread; the rest from the main thread.
 */
#pragma once

#include "delivery.h"

#include <stdbool.h>

struct dispatch;
struct svc;

/* Starts the thread.  desk outlives it. */
struct dispatch *dispatch_new(struct svc *svc, const struct delivery_desk *desk);
void dispatch_wake(struct dispatch *d); /* something is due */
/* Claim no more, try no more hosts; end after the messages that are on their way. */
void dispatch_drain(struct dispatch *d);
bool dispatch_is_drained(struct dispatch *d);
/* After a drain or its deadline: what is still on its way is cut.  False: the database
 * keeps a thread waiting for more than five seconds, and nothing is freed.  The process
 * must end without what it shares with the threads; their leases run out. */
bool dispatch_free(struct dispatch **d);
