/* store_account.h - who may log in and receive: rows of table account.
 *
 * Every function is one transaction, or joins the one that the caller opened.
 * Addresses are in lower case (mail/address makes them so).
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum store_account_state {
    STORE_ACCOUNT_ACTIVE = 0,
    STORE_ACCOUNT_DISABLED = 1, /* no login, no mail */
};

enum store_account_flag {
    STORE_ACCOUNT_ACCEPT_CLEARTEXT =
        1 << 0, /* unencrypted mail from outside may come in; not set at first */
};

struct store_account {
    int64_t id;
    str_t address;
    str_t password_hash; /* crypt(3) form */
    int state;
    uint32_t flags;
    int64_t quota_bytes; /* its own; 0: that of the options */
    int32_t created_day; /* days since 1970 */
    int32_t seen_day;    /* the last one that it was logged in on */
    int32_t today;       /* PostgreSQL's; seen_day < today: call store_account_seen */
};

/* RC_NOT_FOUND.  Strings are copied into a. */
enum rc store_account_find(struct arena *a, struct db *db, str_t address,
                           struct store_account *out) RC_CHECKED;
enum rc store_account_get(struct arena *a, struct db *db, int64_t id,
                          struct store_account *out) RC_CHECKED;

struct store_account_sender {
    int state;
    bool reaches;     /* one of the addresses is an active account with room */
    bool has_aliases; /* there are some in the database, of whomever */
};

/* Whether an account may send, and whether a message of size bytes reaches any of n
 * addresses of ours.  RC_NOT_FOUND: there is no such sender. */
enum rc store_account_sender(struct db *db, int64_t id, const str_t *addresses, size_t n,
                             int64_t size, struct store_account_sender *out) RC_CHECKED;

/* The account and its INBOX.  id, address, password_hash, quota_bytes and flags are
 * taken from n.  RC_EXISTS: the address is there; RC_CONFLICT: the id is, draw another.
 */
enum rc store_account_create(struct db *db, const struct store_account *n) RC_CHECKED;

/* The same as one of those of this hour, on the whole server, that come from private
 * addresses.  RC_LIMIT: so many were made already. */
enum rc store_account_create_counted(struct db *db, const struct store_account *n,
                                     int64_t per_hour) RC_CHECKED;
/* How many of those this hour has seen. */
enum rc store_account_private_made(struct db *db, int64_t *out) RC_CHECKED;

/* RC_NOT_FOUND when there is no such account. */
enum rc store_account_set_password(struct db *db, int64_t id, str_t hash) RC_CHECKED;
enum rc store_account_set_state(struct db *db, int64_t id, int state) RC_CHECKED;
enum rc store_account_set_quota(struct db *db, int64_t id, int64_t bytes) RC_CHECKED;
/* Whether unencrypted mail from outside is refused; on from the start. */
enum rc store_account_set_encrypted_only(struct db *db, str_t address,
                                         bool on) RC_CHECKED;

/* Logged in today.  Writes nothing when that is known already. */
enum rc store_account_seen(struct db *db, int64_t id) RC_CHECKED;
/* The same for many; a row that somebody else holds is left out.  RC_LIMIT: too many. */
enum { STORE_ACCOUNT_SEEN_MAX = 1000 };
enum rc store_account_seen_all(struct db *db, const int64_t *ids, size_t n) RC_CHECKED;

/* The account with all that belongs to it, provided that its last login was before
 * seen_before_day (INT32_MAX: whenever).  RC_NOT_FOUND otherwise. */
enum rc store_account_delete(struct db *db, int64_t id,
                             int32_t seen_before_day) RC_CHECKED;

/* ids[i] = the active account with addresses[i], or 0.  At most 4096 at once. */
enum rc store_account_resolve(struct db *db, const str_t *addresses, size_t n,
                              int64_t *ids) RC_CHECKED;

enum rc store_account_count(struct db *db, int64_t *out) RC_CHECKED;

/* By address, those after `after` (empty: from the start), at most limit. */
enum rc store_account_list(struct arena *a, struct db *db, str_t after, size_t limit,
                           struct store_account **out, size_t *n) RC_CHECKED;
