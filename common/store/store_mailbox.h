/* store_mailbox.h - the folders of an account: names, counters, quota.
 *
 * Names are what the client sees after decoding (UTF-8, '/' as separator is the
 * caller's convention); INBOX is folder 0 and is always there.
 * Every function is one transaction, or joins the caller's.  Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum {
    STORE_MAILBOX_NAME_MAX = 512,
    STORE_MAILBOX_COUNT_MAX = 1000,
    /* In one mailbox: what a session holds in memory, whatever their size. */
    STORE_MAILBOX_MESSAGES_MAX = 100000,
};

enum store_mailbox_use { /* RFC 6154 */
                         STORE_MAILBOX_USE_NONE,
                         STORE_MAILBOX_USE_ARCHIVE,
                         STORE_MAILBOX_USE_DRAFTS,
                         STORE_MAILBOX_USE_JUNK,
                         STORE_MAILBOX_USE_SENT,
                         STORE_MAILBOX_USE_TRASH,
};

struct store_mailbox {
    int64_t id;
    str_t name; /* in the arena */
    uint32_t uidvalidity, uidnext;
    int64_t modseq;
    uint32_t messages;
    bool subscribed;
    int use;
};

enum rc store_mailbox_list(struct arena *a, struct db *db, int64_t account,
                           struct store_mailbox **out, size_t *n) RC_CHECKED;
/* INBOX is found in any case, others exactly.  RC_NOT_FOUND. */
enum rc store_mailbox_find(struct arena *a, struct db *db, int64_t account, str_t name,
                           struct store_mailbox *out) RC_CHECKED;
enum rc store_mailbox_get(struct arena *a, struct db *db, int64_t id,
                          struct store_mailbox *out) RC_CHECKED;

/* RC_EXISTS, RC_LIMIT (too many, or name too long), RC_NOT_FOUND (no such account). */
enum rc store_mailbox_create(struct db *db, int64_t account, str_t name,
                             enum store_mailbox_use use, int64_t *id) RC_CHECKED;
/* With its messages.  INBOX: RC_DENIED. */
enum rc store_mailbox_delete(struct db *db, int64_t id) RC_CHECKED;
/* Folders below it (name + separator) follow.  INBOX: RC_DENIED. */
enum rc store_mailbox_rename(struct db *db, int64_t id, str_t to,
                             char separator) RC_CHECKED;
enum rc store_mailbox_subscribe(struct db *db, int64_t id, bool on) RC_CHECKED;

struct store_mailbox_counts {
    uint32_t messages, unseen, deleted;
    int64_t bytes; /* of this mailbox */
    int64_t modseq;
    uint32_t uidnext, uidvalidity;
};
enum rc store_mailbox_counts(struct db *db, int64_t id,
                             struct store_mailbox_counts *out) RC_CHECKED;

struct store_mailbox_quota {
    int64_t used_bytes, limit_bytes;
    int64_t messages;
};
enum rc store_mailbox_quota(struct db *db, int64_t account,
                            struct store_mailbox_quota *out) RC_CHECKED;

struct store_mailbox_mark {
    int64_t id, modseq;
    uint32_t uidnext;
};
/* The marks of those of ids that are there; at most 4096 at once. */
enum rc store_mailbox_poll(struct arena *a, struct db *db, const int64_t *ids, size_t n,
                           struct store_mailbox_mark **out, size_t *found) RC_CHECKED;
