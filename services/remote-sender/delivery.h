/* delivery.h - carry messages to one destination: find it, connect, send, keep the line.
 *
 * Written top to bottom for a thread of its own that may wait.  What a host has taken is
 * never tried at another one; a connection that breaks before the message's end leads to
 * the next host.  How hosts are found and spoken to is the transport's matter
 * (transport.h).
 * Thread: a delivery has one owner; the desk is shared and immutable.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "parcel.h"
#include "smtp_client.h"
#include "transport.h"

#include <stdbool.h>

struct arena;
struct delivery;
struct desk;

struct delivery_result {
    struct smtp_client_rcpt *rcpt; /* all of the row; each has an answer with a code */
    size_t rcpt_count;
    str_t host; /* the last one that was reached; empty: none */
};

struct delivery *delivery_new(const struct desk *desk, const struct transport_way *way);
void delivery_free(struct delivery **d);

/* A connection waits for the next message. */
bool delivery_is_connected(const struct delivery *d);
/* No host could be reached; until delivery_retry further messages get the same answer at
 * once. */
bool delivery_is_unreachable(const struct delivery *d);
void delivery_retry(struct delivery *d);

/* From any thread, also again: no host is tried any more and no message begun; what is
 * only being connected fails at once.  A message on its way is cut too if within_message.
 * A question to the DNS goes on until dns_stop. */
void delivery_abort(struct delivery *d, bool within_message);

/* From any thread: who has searched for a host for longer than this gives up, so that its
 * thread serves others; the message is tried again later.  False: it has not. */
bool delivery_yield(struct delivery *d, int64_t searching_ms);

/* RC_OK: *out says what became of each recipient.  RC_CONFLICT: the lease was lost, say
 * nothing.  RC_RETRY: our own store failed; the lease will run out.  RC_CLOSED: aborted
 * before it began. */
enum rc delivery_send(struct delivery *d, struct arena *a, struct parcel *p,
                      struct delivery_result *out) RC_CHECKED;
