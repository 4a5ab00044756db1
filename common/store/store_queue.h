/* store_queue.h - messages that wait for a queue-worker: one row each.
 *
 * A worker opens a transaction, claims (which deletes the rows), does the work in the
 * same transaction and commits: a crash anywhere gives the rows back.  Due times are
 * PostgreSQL's.
 *
 * What kills its worker must not do so for ever.  A row that stayed due for
 * STORE_QUEUE_OVERDUE_S gets attempts = 1 and another turn in a batch; if that is not
 * its last, it becomes a suspect: it is claimed alone, after attempts + 1 was committed.
 *
 * Order: a row keeps order_us, when it was due first, however often it is put off.  Of
 * one sender's messages to one mailbox a later one is not delivered while an older one is
 * still in the queue, whoever holds it; suspects alone are not waited for.  That is
 * enough, since a message whose 250 came first was visible before the other one was sent.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum {
    STORE_QUEUE_OVERDUE_S = 30,
    STORE_QUEUE_AHEAD_S = 60, /* nothing is put off for as long as this */
    STORE_QUEUE_BATCH_MAX = 256,
};

/* FROM ...: a row whose `now` is when new mail with the body id $1 is due.  SQLSTATE
 * PB001 (RC_RETRY): a clock is wrong. */
#define STORE_QUEUE_DUE_NOW                                                              \
    "(SELECT due_now($1, now_us(), (SELECT us FROM trusted_time)) AS now OFFSET 0) d"

struct store_queue_row {
    int64_t due_us; /* with body_id: the key */
    int64_t body_id;
    int64_t order_us; /* with body_id: its place among those of the same sender */
    int64_t now_us;   /* PostgreSQL's, of the transaction that read it */
    int puts;         /* times that it was put off */
    int32_t size;     /* [bytes] of the stored message */
    int64_t idate_unix;
    int attempts;
    str_t sender; /* empty: the null sender */
    str_t *recipients;
    size_t recipient_count;
    str_t envelope; /* JSON object */
};

/* What a claiming worker remembers between claims; zero to begin.  The low-water mark
 * skips the dead rows at the head of the index, a full sweep every five seconds finds
 * what came late or was rolled back. */
struct store_queue_cursor {
    int64_t low_us;      /* due time of the youngest row that was claimed */
    int64_t sweep_at_ms; /* monotonic */
};

/* Within db_begin.  At most limit rows that are due longest, in order; *n may be 0.  The
 * rows are gone from the queue when the caller's transaction commits. */
enum rc store_queue_claim(struct arena *a, struct db *db, struct store_queue_cursor *c,
                          size_t limit, struct store_queue_row **out,
                          size_t *n) RC_CHECKED;

/* Own transaction; every few seconds.  Gives some overdue rows (at most 2,000) their
 * second turn, unless earlier ones still wait for theirs. */
enum rc store_queue_mark_overdue(struct db *db, size_t *marked) RC_CHECKED;

/* Own transaction; every few seconds.  Makes due (at most 2,000 rows) what is due further
 * ahead than anything can be: PostgreSQL's clock was ahead for a while. */
enum rc store_queue_call_back(struct db *db, size_t *ahead) RC_CHECKED;

/* Own transaction.  One suspect, whose attempts were raised and whose next turn is
 * STORE_QUEUE_OVERDUE_S away; RC_NOT_FOUND: none.  After too many attempts the
 * caller sets it aside, otherwise it takes it (below) and works on it alone. */
enum rc store_queue_suspect(struct arena *a, struct db *db,
                            struct store_queue_row *out) RC_CHECKED;
/* Own transaction.  The turn failed for another reason: it does not count. */
enum rc store_queue_survived(struct db *db, const struct store_queue_row *row) RC_CHECKED;
/* Within db_begin.  RC_NOT_FOUND: somebody else took it. */
enum rc store_queue_take(struct db *db, const struct store_queue_row *row) RC_CHECKED;

/* Another message for the queue (a bounce), in the caller's transaction: sent with the
 * next flush or commit.  RC_LIMIT: more than 64 MiB. */
struct store_queue_new {
    str_t message;
    str_t sender;
    const str_t *recipients;
    size_t recipient_count;
    str_t envelope;
};
enum rc store_queue_add(struct db *db, const struct store_queue_new *m) RC_CHECKED;

/* In the caller's transaction, after a claim: put the row back with what the struct says
 * now (due time, remaining recipients, how often it was put off).  Sent with the next
 * flush. */
void store_queue_requeue(struct db *db, const struct store_queue_row *row);

/* A row that is still there and older than a claimed one of the same sender. */
struct store_queue_elder {
    str_t sender;
    int64_t than_us; /* order_us of the claimed row that was asked for */
    int64_t order_us, body_id, due_us;
    str_t *recipients;
    size_t recipient_count;
};

/* In the caller's transaction, behind the claim of these n rows: one statement, sent with
 * the next flush, after which take reads it as the `which`th.  It asks for the elders of
 * each sender's oldest and newest row, the newest elders first; STORE_QUEUE_ELDERS_MAX of
 * a row: there may be more. */
enum { STORE_QUEUE_ELDERS_MAX = 100 };
void store_queue_ask_elders(struct arena *a, struct db *db,
                            const struct store_queue_row *rows, size_t n);
void store_queue_take_elders(struct arena *a, const struct db *db, size_t which,
                             struct store_queue_elder **out, size_t *n);

/* Out of the way with a reason, until an admin looks.  RC_NOT_FOUND: somebody else has
 * claimed the row meanwhile. */
enum rc store_queue_set_aside(struct db *db, const struct store_queue_row *row,
                              str_t reason) RC_CHECKED;
enum rc store_queue_release(struct db *db, int64_t body_id) RC_CHECKED;
enum rc store_queue_drop_aside(struct db *db, int64_t body_id) RC_CHECKED;

struct store_queue_aside {
    struct store_queue_row row;
    str_t reason;
    int64_t since_unix;
};
enum rc store_queue_list_aside(struct arena *a, struct db *db, size_t limit,
                               struct store_queue_aside **out, size_t *n) RC_CHECKED;
enum rc store_queue_list(struct arena *a, struct db *db, size_t limit,
                         struct store_queue_row **out, size_t *n) RC_CHECKED;

/* Rows are counted up to 10,000; beyond, it is about so many. */
struct store_queue_stats {
    int64_t local, local_oldest_s;   /* waiting for a worker; age of the oldest due one */
    int64_t remote, remote_oldest_s; /* waiting for a sender */
    int64_t failed, aside;
};
enum rc store_queue_stats(struct db *db, struct store_queue_stats *out) RC_CHECKED;
