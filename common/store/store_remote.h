/* store_remote.h - what waits for a foreign host: one row per message and domain.
 *
 * A row's destination is where it is carried to: the target that its transport names,
 * else the domain itself.  Claims are fair among destinations, and connections belong to
 * them. A sender claims rows for a lease.  The lease number is a fencing token: whoever
 * lost the lease changes nothing any more.  Failures become rows of queue_failed in the
 * transaction that ends the attempt; a worker turns them into bounces.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

struct store_remote_row {
    int64_t id;
    int64_t body_id;
    int32_t size;         /* [bytes] of the stored message, without prefix */
    int64_t created_unix; /* when the message was routed */
    int64_t expires_unix; /* PostgreSQL's clock; give up then.  A row that seems to have
                           * been made in the future counts as made when it is claimed. */
    int64_t due_unix;
    int32_t lease; /* fencing token */
    int attempts;  /* this one included */
    str_t domain;
    str_t sender;
    str_t *recipients;
    size_t recipient_count;
    str_t prefix;   /* header fields that only foreign hosts see */
    str_t envelope; /* JSON object */
    str_t last_error;
    str_t transport;   /* the target, smtp://host:port; empty: the domain's MX records */
    bool is_unrouted;  /* whoever made the row chose no way: the sender does */
    str_t destination; /* the target or the domain, by which the row is claimed */
};

/* Queued into the caller's transaction.  Taken from r: body_id, size, domain, sender,
 * recipients, prefix, envelope, transport; it expires lifetime_s after now. */
void store_remote_add(struct db *db, const struct store_remote_row *r,
                      int64_t lifetime_s);

enum { STORE_REMOTE_DESTINATION_BYTES = 320 }; /* with the NUL */

/* Where the last claim stopped, so that with more destinations due than limit each gets
 * its turn; zero to begin. */
struct store_remote_cursor {
    char destination[STORE_REMOTE_DESTINATION_BYTES];
};

/* Own transaction.  At most 1,000 rows whose time lies further ahead than it can, because
 * PostgreSQL's clock was ahead for a while: no row is put off for more than wait_max_s.
 * What waits is due now; what somebody holds, when a lease that began now ends, since he
 * may be at work. */
enum rc store_remote_call_back(struct db *db, int64_t wait_max_s, int lease_s,
                               size_t *ahead) RC_CHECKED;

/* Own transaction.  At most per_destination rows of each destination that is not in busy,
 * at most limit in all, leased for lease_s. */
struct store_remote_claim {
    size_t limit, per_destination;
    int lease_s;
    const str_t *busy; /* destinations that this sender is working on enough */
    size_t busy_count;
};
enum rc store_remote_claim(struct arena *a, struct db *db, struct store_remote_cursor *c,
                           const struct store_remote_claim *how,
                           struct store_remote_row **out, size_t *n) RC_CHECKED;

/* RC_CONFLICT: the lease was lost.  Ask right before the final dot. */
enum rc store_remote_extend(struct db *db, const struct store_remote_row *r,
                            int lease_s) RC_CHECKED;

/* A row that its sender leaves untried, and how long it waits. */
struct store_remote_pause {
    int64_t id;
    int32_t lease;
    int64_t wait_ms;
};

/* Own transaction.  As if they had not been claimed, but due when the wait is over, in
 * the order of the list.  Those whose lease was lost are left as they are. */
enum rc store_remote_put_off(struct db *db, const struct store_remote_pause *list,
                             size_t n) RC_CHECKED;

struct store_remote_failure {
    str_t recipient;
    str_t status;     /* enhanced code, "5.1.1" */
    str_t diagnostic; /* the remote host's words, or ours */
    str_t remote_mta; /* empty: none was reached */
};

/* How an attempt ended.  Recipients in neither list were delivered. */
struct store_remote_outcome {
    const str_t *retry; /* recipients to try again */
    size_t retry_count;
    int64_t retry_after_s;
    str_t last_error; /* why they must wait */
    const struct store_remote_failure *failures;
    size_t failure_count;
};

/* Own transaction.  Nothing to retry removes the row.  RC_CONFLICT: the lease was lost,
 * nothing was written. */
enum rc store_remote_settle(struct db *db, const struct store_remote_row *r,
                            const struct store_remote_outcome *o) RC_CHECKED;

/* Own transaction.  At most limit rows that nobody holds and whose lifetime is over
 * become failures, without another attempt. */
enum rc store_remote_expire(struct db *db, size_t limit, size_t *rows,
                            size_t *recipients) RC_CHECKED;

struct store_remote_failed {
    int64_t body_id;
    int32_t size;
    str_t domain, sender, envelope;
    int64_t created_unix, failed_unix;
    struct store_remote_failure *failures;
    size_t failure_count;
};

/* Within db_begin: deletes, so that bounce and removal are one commit. */
enum rc store_remote_claim_failed(struct arena *a, struct db *db, size_t limit,
                                  struct store_remote_failed **out, size_t *n) RC_CHECKED;

/* For people.  By due time. */
enum rc store_remote_list(struct arena *a, struct db *db, size_t limit,
                          struct store_remote_row **out, size_t *n) RC_CHECKED;
/* Rows of domain (empty: all) that wait, not those that a sender holds. */
enum rc store_remote_retry_now(struct db *db, str_t domain, size_t *n) RC_CHECKED;

/* For how long the row has been due that is due longest; 0: none is. */
enum rc store_remote_oldest_s(struct db *db, int64_t *out) RC_CHECKED;

enum { STORE_REMOTE_WAYS_MAX = 1000 };

/* A waiting row, and the way that it is to take. */
struct store_remote_way {
    int64_t id;
    str_t domain, transport;
};

/* The next ones after the id `after` (0: from the first), at most STORE_REMOTE_WAYS_MAX.
 * Costs the same however many wait. */
enum rc store_remote_ways(struct arena *a, struct db *db, int64_t after,
                          struct store_remote_way **out, size_t *n) RC_CHECKED;
/* Own transaction.  Another way for some rows; those that nobody holds are due now.
 * *rows: how many that were, for one that is locked is left as it is. */
enum rc store_remote_reroute(struct db *db, const int64_t *ids, size_t n, str_t transport,
                             size_t *rows) RC_CHECKED;
