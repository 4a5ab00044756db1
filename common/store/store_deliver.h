/* store_deliver.h - put messages into mailboxes within the transaction of the claim: into
 * INBOX, or Junk.
 *
 * Lock the mailboxes of a batch that nobody else has locked just now, decide message by
 * message with store_deliver_add, write everything with store_deliver_put, put back what
 * is for the others, commit, then tell the gateways of each touched box.
 * The commit must be durable: a client may fetch the UID at once.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

struct store_deliver_box {
    str_t address; /* as stored */
    bool busy;     /* somebody else works on it: try again later; the rest is not known */
    int64_t account, mailbox;
    int64_t messages;           /* that were in it before */
    int64_t bytes, quota_bytes; /* INBOX: of the account, counting what was added */
    uint32_t uidnext;           /* counting what was added */
    int64_t modseq;             /* that of the added messages, once there are any */
    uint32_t added;             /* messages; 0: nothing to announce */
    int64_t added_bytes;
    int64_t last_body; /* of the message that was added last */
    int32_t last_size;
    struct store_deliver_box *inbox; /* of a Junk, its account's; NULL: it is one */
    struct store_deliver_box *junk;  /* of an INBOX, see store_deliver_lock_junk */
};

struct store_deliver; /* one batch; lives in its arena */

/* Within db_begin.  Finds the INBOXes of the active accounts among addresses (duplicates
 * are fine, at most 256 Ki) and locks those that are not busy; never waits for a lock.
 * Travels behind the `queued` statements that wait for a flush; their rows can be read
 * afterwards, too. */
enum rc store_deliver_lock(struct arena *a, struct db *db, size_t queued,
                           const str_t *addresses, size_t n,
                           struct store_deliver **out) RC_CHECKED;

/* Afterwards, for quarantined mail, at most once a batch: finds the mailbox Junk of each
 * of these addresses whose INBOX is not busy, makes it where there is none, and locks it
 * unless it is busy.  It is then the INBOX's junk; NULL: there is no room for another
 * mailbox.  Nothing may be queued, and the rows of the last flush are gone. */
enum rc store_deliver_lock_junk(struct store_deliver *d, struct db *db,
                                const str_t *addresses, size_t n) RC_CHECKED;

/* NULL: no active account has this address. */
struct store_deliver_box *store_deliver_find(struct store_deliver *d, str_t address);

/* Give the message the next UID of the box, which is not busy.  RC_LIMIT: over the
 * account's quota, or the mailbox holds as many messages as it may; nothing is added.
 * The same body twice in one box is the caller's mistake (deduplicate recipients). */
enum rc store_deliver_add(struct store_deliver *d, struct store_deliver_box *box,
                          int64_t body_id, int32_t size, int64_t idate_unix) RC_CHECKED;

/* Queue the writes; they travel with the caller's next flush or commit. */
void store_deliver_put(struct store_deliver *d, struct db *db);

/* All boxes, INBOX or Junk, once all is added; those with added > 0 need a hint. */
const struct store_deliver_box *store_deliver_boxes(const struct store_deliver *d,
                                                    size_t *n);
