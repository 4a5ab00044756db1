/* sign.h - DKIM signatures for the messages of a batch that leave for other hosts.
 *
 * One signature of a message for all its recipients.  Only the header is read: the body's
 * hash comes in the envelope; where it is missing, the body is read and hashed here.
 * Thread: the db's.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>

struct arena;
struct db;
struct keyring;
struct store_queue_row;

struct sign {
    const struct store_queue_row *row;
    /* Set: a field for each key, with CRLF; empty if its domain has none, or the body
     * is gone, which ends the message when it is to be sent. */
    str_t fields;
};

/* In the caller's transaction, with nothing queued, and before mailboxes are locked: a
 * signature takes about a millisecond.  A round trip for 64 messages, and one more for
 * each with a large header or without a hash. */
enum rc sign(struct arena *a, struct db *db, const struct keyring *k, struct sign *list,
             size_t n) RC_CHECKED;
