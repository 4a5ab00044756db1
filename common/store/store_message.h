/* store_message.h - the messages of a mailbox: reading, flags, expunge, copy, append.
 *
 * Each function is one transaction and one round trip (append: three), or joins the
 * caller's transaction.  Writers lock the mailboxes first, in order of id, so UIDs and
 * MODSEQs become visible in order.  Flags and expunges do not wait for the disk unless
 * the caller's own transaction does.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"
#include "store/store_body.h"
#include "store/store_flags.h"

struct store_message {
    uint32_t uid;
    uint32_t flags; /* store_flags.h */
    int32_t size;   /* [bytes] */
    int64_t body_id;
    int64_t modseq;
    int64_t idate_unix;
};

struct store_message_list {
    struct store_message *m; /* ascending by uid */
    size_t n;
};

struct store_message_uids {
    uint32_t *uid;
    size_t n;
};

/* What a session knows, and what it wants with the news. */
struct store_message_look {
    int64_t mailbox;
    uint32_t uidnext; /* the first UID that is new to it */
    int64_t modseq;   /* all changes up to here are known; not for view */
    /* Bodies that are read in the same round trip, STORE_MESSAGE_AHEAD_BYTES of each. */
    struct store_body_want *bodies;
    size_t body_count;
};

enum { STORE_MESSAGE_AHEAD_BYTES = 2 * STORE_BODY_SMALL_CHUNK };

#define STORE_MESSAGE_LOG_KEPT_US 604800000000 /* seven days; store_expire keeps more */

/* What a session has to learn since it looked last. */
struct store_message_news {
    uint32_t uidnext, messages;        /* the marks below were read before the rows, so */
    int64_t modseq;                    /* rows are never older than the marks */
    struct store_message_list added;   /* uid >= the session's uidnext */
    struct store_message_list changed; /* below it, modseq above the session's */
    struct store_message_uids expunged; /* may name UIDs the session never had */
    bool log_gone; /* expunges were forgotten: compare with all that is there */
};

/* RC_NOT_FOUND: the mailbox is gone. */
enum rc store_message_news(struct arena *a, struct db *db,
                           const struct store_message_look *look,
                           struct store_message_news *out) RC_CHECKED;

/* Only the marks and what is added: for SELECT, and for who knows no message yet. */
enum rc store_message_view(struct arena *a, struct db *db,
                           const struct store_message_look *look,
                           struct store_message_news *out) RC_CHECKED;

enum store_message_how { STORE_MESSAGE_ADD, STORE_MESSAGE_REMOVE, STORE_MESSAGE_REPLACE };

struct store_message_change {
    enum store_message_how how;
    uint32_t flags;
    int64_t unchanged_since; /* RFC 7162; negative: no condition */
};

struct store_message_flagged {
    struct store_message_list changed; /* whose flags differ now; none: the rest is 0 */
    int64_t modseq;
    int64_t before; /* the mailbox's modseq until then */
};

/* conflicts (may be NULL): those of uids that were left alone because their modseq is
 * above unchanged_since. */
enum rc store_message_flag(struct arena *a, struct db *db, int64_t mailbox,
                           const struct store_message_uids *uids,
                           const struct store_message_change *change,
                           struct store_message_flagged *out,
                           struct store_message_uids *conflicts) RC_CHECKED;

struct store_message_expunged {
    struct store_message_uids uids;
    int64_t modseq; /* unchanged mailbox: 0 */
    int64_t before; /* its modseq until then */
};

/* Remove those of uids that are \Deleted, or all of them. */
enum rc store_message_expunge(struct arena *a, struct db *db, int64_t mailbox,
                              const struct store_message_uids *uids, bool only_deleted,
                              struct store_message_expunged *out) RC_CHECKED;

struct store_message_copied {
    uint32_t uidvalidity;           /* of the destination */
    struct store_message_uids from; /* pairs with to; missing source UIDs are left out */
    struct store_message_uids to;
    int64_t modseq;      /* of the destination */
    int64_t from_modseq; /* move: of the source */
    uint32_t uidnext;    /* of the destination */
};

/* Both mailboxes belong to one account.  RC_LIMIT: over quota (copy only), or more than
 * STORE_MAILBOX_MESSAGES_MAX in one mailbox.
 * RC_NOT_FOUND: a mailbox is gone.  Nothing to copy is RC_OK with no pairs. */
enum rc store_message_copy(struct arena *a, struct db *db, int64_t from, int64_t to,
                           const struct store_message_uids *uids,
                           struct store_message_copied *out) RC_CHECKED;
/* All or nothing, never in both or neither. */
enum rc store_message_move(struct arena *a, struct db *db, int64_t from, int64_t to,
                           const struct store_message_uids *uids,
                           struct store_message_copied *out) RC_CHECKED;

struct store_message_append {
    str_t message;
    uint32_t flags;
    int64_t idate_unix;
    bool dated; /* false: idate_unix is not given, it is now */
    /* set on RC_OK: */
    uint32_t uid, uidvalidity, uidnext;
    int64_t modseq;
};

/* Durable when it returns RC_OK.  RC_LIMIT: over quota or too many messages;
 * RC_NOT_FOUND: mailbox is gone. */
enum rc store_message_append(struct db *db, int64_t mailbox,
                             struct store_message_append *m) RC_CHECKED;
