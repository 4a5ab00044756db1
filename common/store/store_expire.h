/* store_expire.h - the janitor's statements: forgetting, on time and in order.
 *
 * Each call is a short transaction of its own over at most STORE_EXPIRE_BATCH mailboxes;
 * all may be repeated at any point.  "now" is PostgreSQL's.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum { STORE_EXPIRE_BATCH = 500 };

/* One janitor works: held until store_expire_unlock or the end of the connection, so the
 * db must be one that nothing else uses.  *got = false: another has it. */
enum rc store_expire_lock(struct db *db, bool *got) RC_CHECKED;
enum rc store_expire_unlock(struct db *db) RC_CHECKED;
/* False after a reconnect: the lock is gone with the old connection. */
enum rc store_expire_locked(struct db *db, bool *still) RC_CHECKED;

/* PostgreSQL's clock, and what it showed when store_expire_trust was called last (or, if
 * never, when the schema was made). */
enum rc store_expire_clock(struct db *db, int64_t *now_us,
                           int64_t *trusted_us) RC_CHECKED;
enum rc store_expire_trust(struct db *db, int64_t now_us) RC_CHECKED;

/* Which messages go.  Arrival counts (the time in the body id). */
struct store_expire_rule {
    int64_t older_than_s;
    int32_t larger_than; /* [bytes]; 0: any size */
    bool only_fetched;   /* see store_expire_find */
};

/* Mailboxes that hold such messages, ascending, those after `after`, at most n_max.
 * only_fetched: the message is \Seen, or its owner logged in on a later day than it
 * arrived (the client has had the chance to fetch it): what chatmail's "in cur" means. */
enum rc store_expire_find(struct arena *a, struct db *db,
                          const struct store_expire_rule *r, int64_t after, size_t n_max,
                          int64_t **mailboxes, size_t *n) RC_CHECKED;

/* Something to tell the gateways. */
struct store_expire_hint {
    int64_t mailbox, modseq;
    uint32_t uidnext;
    uint32_t removed; /* messages */
};

enum rc store_expire_messages(struct arena *a, struct db *db,
                              const struct store_expire_rule *r, const int64_t *mailboxes,
                              size_t n, struct store_expire_hint **out,
                              size_t *hints) RC_CHECKED;

/* Accounts that use more than high_percent of their quota. */
enum rc store_expire_full(struct arena *a, struct db *db, int high_percent, int64_t after,
                          size_t n_max, int64_t **accounts, size_t *n) RC_CHECKED;
/* Oldest first until at most low_percent is used; never what is younger than
 * min_age_s. */
enum rc store_expire_trim(struct arena *a, struct db *db, int64_t account,
                          int low_percent, int64_t min_age_s,
                          struct store_expire_hint **out, size_t *hints) RC_CHECKED;

enum rc store_expire_today(struct db *db, int32_t *day) RC_CHECKED; /* since 1970 */
/* Accounts that were last seen before that day, ascending, those after `after`, at most
 * n_max; delete with store_account_delete. */
enum rc store_expire_inactive(struct arena *a, struct db *db, int32_t before_day,
                              int64_t after, size_t n_max, int64_t **accounts,
                              size_t *n) RC_CHECKED;

/* Old entries of the expunge log, device tokens not renewed, rows that were set aside or
 * failed longer than older_than_s ago.  *removed rows in all. */
enum rc store_expire_leftovers(struct db *db, int64_t older_than_s,
                               int64_t *removed) RC_CHECKED;

/* Empty every day table of bodies to which no row refers and whose newest body is older
 * than older_than_s (and at least a day).  *tables emptied, *bytes given back. */
enum rc store_expire_bodies(struct db *db, int64_t older_than_s, int *tables,
                            int64_t *bytes) RC_CHECKED;

struct store_expire_report {
    int64_t accounts, accounts_seen_1d, accounts_seen_10d, accounts_seen_30d;
    int64_t messages, message_bytes; /* as counted for quota */
    /* That seem to be of tomorrow or later, because a clock was ahead. */
    int64_t accounts_ahead, messages_ahead;
    int64_t body_bytes, database_bytes;
    int64_t foreign_accounts; /* in none of the n domains */
};
enum rc store_expire_report(struct db *db, const str_t *domains, size_t n,
                            struct store_expire_report *out) RC_CHECKED;
