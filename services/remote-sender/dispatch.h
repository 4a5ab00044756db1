/* dispatch.h - gives each destination its thread, and keeps half of the threads for those
 * that have proven themselves.
 *
 * One thread claims what is due, fairly per destination, and renews the leases of what
 * is in progress.  Each destination in progress has a thread; one that is done keeps its
 * connection for a while and is given what comes next.
 *
 * A host that answers slowly holds its thread for minutes, and one message of a stranger
 * can name a thousand of them.  So domains share half of the threads until they take a
 * message (proven_list.h); a route of the operator's is proven.  What is claimed and may
 * have no thread yet waits in the lobby; who waits there for too long, or while too many
 * come after him, returns to the queue until his lease ends, two minutes after the claim.
 *
 * Limits: the unproven delay each other; each turn in the lobby counts as an attempt. Who
 * takes mail under hundreds of names first and stalls them all later holds as many
 * threads until the deadlines of smtp_client.
 * Thread: dispatch_wake from any thread; the rest from the main thread.
 */
#pragma once

#include <stdbool.h>

struct desk;
struct dispatch;
struct svc;

/* Starts the thread.  desk outlives it. */
struct dispatch *dispatch_new(struct svc *svc, const struct desk *desk);
void dispatch_wake(struct dispatch *d); /* something is due */
/* Claim no more, try no more hosts; end after the messages that are on their way. */
void dispatch_drain(struct dispatch *d);
bool dispatch_is_drained(struct dispatch *d);
/* After a drain or its deadline: what is still on its way is cut.  False: the database
 * keeps a thread waiting for more than five seconds, and nothing is freed.  The process
 * must end without what it shares with the threads; their leases run out. */
bool dispatch_free(struct dispatch **d);
