/* store_queue.c - claiming is deleting: no state column, no lease, no orphan. */
#include "store/store_queue.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "store/store_body.h"
#include "store/store_ids.h"
#include "store/store_remote.h"

#include <stdlib.h>

enum { SWEEP_MS = 5000, MARK_MAX = 2000, AHEAD_MAX = 2000, LIST_MAX = 10000 };

#define COLUMNS                                                                          \
    "due, body_id, size, idate, attempts, sender, rcpt, envelope::text, since, puts, "   \
    "now_us()"
#define OVERDUE_US "30000000"
_Static_assert(STORE_QUEUE_OVERDUE_S == 30, "OVERDUE_US is the same time");
#define AHEAD_US "60000000"
_Static_assert(STORE_QUEUE_AHEAD_S == 60, "AHEAD_US is the same time");
#define LATE_US "3000000" /* a commit that comes so late after its due time is seen */

/* What is to be taken is found once, by the index, and then addressed by its place: a
 * join with it would be planned by what PostgreSQL knows of the table, and a plan made
 * while the queue was empty reads the whole of it for each row. */
DB_STATEMENT(stmt_claim, "queue_claim",
             "WITH gone AS (DELETE FROM queue WHERE ctid = ANY(ARRAY("
             " SELECT ctid FROM queue"
             " WHERE due > greatest(least($1, now_us()) - " LATE_US ","
             "  now_us() - " OVERDUE_US ") AND due <= now_us()"
             " AND attempts <= 1 ORDER BY due, body_id LIMIT $2 FOR UPDATE SKIP LOCKED))"
             " RETURNING *) "
             "SELECT " COLUMNS " FROM gone ORDER BY since, body_id");
DB_STATEMENT(stmt_elders, "queue_elders",
             "SELECT s.sender, s.than, e.* FROM unnest($1::text[], $2::int8[])"
             "  AS s(sender, than)"
             " CROSS JOIN LATERAL (SELECT since, body_id, due, rcpt FROM queue q"
             "  WHERE q.sender = s.sender AND since <= s.than AND attempts <= 1"
             "  ORDER BY q.sender, since DESC LIMIT $3) e");
/* Not while rows that were marked before still wait: they would grow too old in turn. */
DB_STATEMENT(stmt_mark, "queue_mark_overdue",
             "UPDATE queue SET attempts = 1, due = now_us() WHERE ctid = ANY(ARRAY("
             " SELECT ctid FROM queue"
             " WHERE due <= now_us() - " OVERDUE_US " AND attempts = 0"
             " AND NOT EXISTS (SELECT 1 FROM queue WHERE attempts > 0 AND attempts = 1"
             "  AND due > now_us() - " OVERDUE_US " AND due <= now_us())"
             " ORDER BY due, body_id LIMIT $1 FOR UPDATE SKIP LOCKED))");
/* They keep their order among them. */
DB_STATEMENT(stmt_ahead, "queue_ahead",
             "UPDATE queue SET due = now_us() WHERE ctid = ANY(ARRAY("
             " SELECT ctid FROM queue WHERE due > now_us() + " AHEAD_US
             " ORDER BY due, body_id LIMIT $1 FOR UPDATE SKIP LOCKED))");
DB_STATEMENT(stmt_suspect, "queue_suspect",
             "UPDATE queue SET attempts = attempts + 1, due = now_us() + " OVERDUE_US
             " WHERE ctid = ANY(ARRAY("
             " SELECT ctid FROM queue"
             " WHERE attempts > 0 AND due <= now_us()"
             " AND (attempts >= 2 OR due <= now_us() - " OVERDUE_US ")"
             " ORDER BY due, body_id LIMIT 1 FOR UPDATE SKIP LOCKED)) "
             "RETURNING " COLUMNS);
DB_STATEMENT(stmt_survived, "queue_survived",
             "UPDATE queue SET attempts = attempts - 1 "
             "WHERE due = $1 AND body_id = $2 AND attempts > 0");
DB_STATEMENT(stmt_take, "queue_take",
             "DELETE FROM queue WHERE due = $1 AND body_id = $2");
DB_STATEMENT(
    stmt_add, "queue_add",
    "INSERT INTO queue (due, since, body_id, idate, size, sender, rcpt, envelope) "
    "SELECT now, now, $1, now_unix(), $2, $3, $4, $5::jsonb "
    "FROM " STORE_QUEUE_DUE_NOW);
/* Whoever puts it back has survived it: no longer under suspicion. */
DB_STATEMENT(
    stmt_requeue, "queue_requeue",
    "INSERT INTO queue (due, body_id, idate, size, sender, rcpt, envelope, since,"
    " puts) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)");
DB_STATEMENT(stmt_aside, "queue_set_aside",
             "WITH gone AS (DELETE FROM queue WHERE due = $1 AND body_id = $2"
             " RETURNING *) "
             "INSERT INTO queue_aside (body_id, since, idate, size, attempts, sender, "
             "rcpt, envelope, reason) SELECT body_id, now_unix(), idate, size, attempts, "
             "sender, rcpt, envelope, $3 FROM gone");
/* Back as a suspect, so that it travels alone. */
DB_STATEMENT(
    stmt_release, "queue_release",
    "WITH gone AS (DELETE FROM queue_aside WHERE body_id = $1 RETURNING *) "
    "INSERT INTO queue (due, since, body_id, idate, size, attempts, sender, rcpt, "
    "envelope) SELECT now_us(), now_us(), body_id, idate, size, 2, sender, rcpt, "
    "envelope "
    "FROM gone");
DB_STATEMENT(stmt_drop, "queue_drop_aside", "DELETE FROM queue_aside WHERE body_id = $1");
DB_STATEMENT(stmt_list_aside, "queue_list_aside",
             "SELECT since * 1000000, body_id, size, idate, attempts, sender, rcpt, "
             "envelope::text, since * 1000000, 0, now_us(), reason, since "
             "FROM queue_aside ORDER BY since LIMIT $1");
DB_STATEMENT(stmt_list, "queue_list",
             "SELECT " COLUMNS " FROM queue ORDER BY due, body_id LIMIT $1");
/* Exact while it is few; of many, what PostgreSQL knows from vacuuming. */
#define COUNT(table, key)                                                                \
    "(SELECT CASE WHEN n <= 10000 THEN n ELSE greatest(n, (SELECT reltuples::int8"       \
    "  FROM pg_class WHERE oid = '" table "'::regclass)) END"                            \
    " FROM (SELECT count(*) AS n FROM (SELECT 1 FROM " table " ORDER BY " key            \
    "  LIMIT 10001) x) y)"
#define WAITING COUNT("queue", "due, body_id")
#define REMOTE  COUNT("queue_remote", "id")
#define FAILED  COUNT("queue_failed", "id, lease")
#define ASIDE   COUNT("queue_aside", "body_id")
DB_STATEMENT(stmt_stats, "queue_stats",
             "SELECT " WAITING ", (SELECT greatest(0, (now_us() - due) / 1000000)"
             " FROM queue WHERE due <= now_us() ORDER BY due LIMIT 1), " REMOTE
             ", " FAILED ", " ASIDE);

static void read_row(struct arena *a, const struct db *db, size_t row,
                     struct store_queue_row *out)
{
    out->due_us = db_get_int(db, 0, row, 0);
    out->body_id = db_get_int(db, 0, row, 1);
    out->size = (int32_t)db_get_int(db, 0, row, 2);
    out->idate_unix = db_get_int(db, 0, row, 3);
    out->attempts = (int)db_get_int(db, 0, row, 4);
    out->sender = arena_str(a, db_get_str(db, 0, row, 5));
    out->recipients = db_get_texts(a, db, 0, row, 6, &out->recipient_count);
    out->envelope = arena_str(a, db_get_str(db, 0, row, 7));
    out->order_us = db_get_int(db, 0, row, 8);
    out->puts = (int)db_get_int(db, 0, row, 9);
    out->now_us = db_get_int(db, 0, row, 10);
}

static void read_rows(struct arena *a, const struct db *db, struct store_queue_row **out,
                      size_t *n)
{
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        read_row(a, db, i, &(*out)[i]);
}

enum rc store_queue_claim(struct arena *a, struct db *db, struct store_queue_cursor *c,
                          size_t limit, struct store_queue_row **out, size_t *n)
{
    size_t most = limit < STORE_QUEUE_BATCH_MAX ? limit : STORE_QUEUE_BATCH_MAX;
    int64_t now_ms = clock_monotonic_ms();
    bool sweep = now_ms >= c->sweep_at_ms;
    enum rc rc;

    CHECK(db_in_transaction(db));
    *n = 0;
    rc = db_run(db, &stmt_claim,
                DB_PARAMS(db_int8(sweep ? 0 : c->low_us), db_int8((int64_t)most)));
    if (rc != RC_OK)
        return rc;
    read_rows(a, db, out, n);
    /* A sweep that filled its batch has not seen the end yet. */
    if (sweep && *n < most)
        c->sweep_at_ms = now_ms + SWEEP_MS;
    for (size_t i = 0; i < *n; i++)
        if ((*out)[i].due_us > c->low_us)
            c->low_us = (*out)[i].due_us;
    return RC_OK;
}

static int compare_sender(const void *a, const void *b)
{
    const struct store_queue_row *const *x = a, *const *y = b;
    int by_sender = str_compare((*x)->sender, (*y)->sender);

    if (by_sender != 0)
        return by_sender;
    return ((*x)->order_us > (*y)->order_us) - ((*x)->order_us < (*y)->order_us);
}

void store_queue_ask_elders(struct arena *a, struct db *db,
                            const struct store_queue_row *rows, size_t n)
{
    const struct store_queue_row **sorted = arena_array(a, n + 1, sizeof(*sorted));
    int64_t *than = arena_array(a, n + 1, sizeof(*than));
    str_t *senders = arena_array(a, n + 1, sizeof(*senders));
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    qsort(sorted, n, sizeof(*sorted), compare_sender);
    for (size_t i = 0; i < n; i++) {
        str_t sender = sorted[i]->sender;
        bool first = i == 0 || !str_eq(sorted[i - 1]->sender, sender);
        bool last = i + 1 == n || !str_eq(sorted[i + 1]->sender, sender);

        if ((first || last) && sender.n > 0) { /* bounces have no order */
            than[count] = sorted[i]->order_us;
            senders[count++] = sender;
        }
    }
    db_queue(db, &stmt_elders,
             DB_PARAMS(db_texts(senders, count), db_int8s(than, count),
                       db_int8(STORE_QUEUE_ELDERS_MAX)));
}

void store_queue_take_elders(struct arena *a, const struct db *db, size_t which,
                             struct store_queue_elder **out, size_t *n)
{
    *n = db_rows(db, which);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++) {
        struct store_queue_elder *e = &(*out)[i];

        e->sender = arena_str(a, db_get_str(db, which, i, 0));
        e->than_us = db_get_int(db, which, i, 1);
        e->order_us = db_get_int(db, which, i, 2);
        e->body_id = db_get_int(db, which, i, 3);
        e->due_us = db_get_int(db, which, i, 4);
        e->recipients = db_get_texts(a, db, which, i, 5, &e->recipient_count);
    }
}

enum rc store_queue_mark_overdue(struct db *db, size_t *marked)
{
    enum rc rc = db_run(db, &stmt_mark, DB_PARAMS(db_int8(MARK_MAX)));

    *marked = rc == RC_OK ? db_affected(db, 0) : 0;
    return rc;
}

enum rc store_queue_call_back(struct db *db, size_t *ahead)
{
    enum rc rc = db_run(db, &stmt_ahead, DB_PARAMS(db_int8(AHEAD_MAX)));

    *ahead = rc == RC_OK ? db_affected(db, 0) : 0;
    return rc;
}

enum rc store_queue_suspect(struct arena *a, struct db *db, struct store_queue_row *out)
{
    enum rc rc;

    CHECK(!db_in_transaction(db)); /* the attempt counts only when it is committed */
    rc = db_run(db, &stmt_suspect, DB_NO_PARAMS);
    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    read_row(a, db, 0, out);
    return RC_OK;
}

enum rc store_queue_survived(struct db *db, const struct store_queue_row *row)
{
    return db_run(db, &stmt_survived,
                  DB_PARAMS(db_int8(row->due_us), db_int8(row->body_id)));
}

static enum rc must_affect_one(struct db *db, enum rc rc)
{
    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_queue_take(struct db *db, const struct store_queue_row *row)
{
    CHECK(db_in_transaction(db));
    return must_affect_one(
        db,
        db_run(db, &stmt_take, DB_PARAMS(db_int8(row->due_us), db_int8(row->body_id))));
}

enum rc store_queue_add(struct db *db, const struct store_queue_new *m)
{
    int64_t body_id = store_ids_new_body();

    if (m->message.n > STORE_BODY_MAX)
        return RC_LIMIT;
    store_body_put(NULL, db, body_id, (int64_t)crypto_random_u64(), S(""), m->message);
    db_queue(db, &stmt_add,
             DB_PARAMS(db_int8(body_id), db_int4((int64_t)m->message.n),
                       db_text(m->sender), db_texts(m->recipients, m->recipient_count),
                       db_text(m->envelope.n == 0 ? S("{}") : m->envelope)));
    return RC_OK;
}

void store_queue_requeue(struct db *db, const struct store_queue_row *row)
{
    db_queue(db, &stmt_requeue,
             DB_PARAMS(db_int8(row->due_us), db_int8(row->body_id),
                       db_int8(row->idate_unix), db_int4(row->size), db_text(row->sender),
                       db_texts(row->recipients, row->recipient_count),
                       db_text(row->envelope), db_int8(row->order_us),
                       db_int4(row->puts)));
}

enum rc store_queue_set_aside(struct db *db, const struct store_queue_row *row,
                              str_t reason)
{
    return must_affect_one(db, db_run(db, &stmt_aside,
                                      DB_PARAMS(db_int8(row->due_us),
                                                db_int8(row->body_id), db_text(reason))));
}

enum rc store_queue_release(struct db *db, int64_t body_id)
{
    return must_affect_one(db, db_run(db, &stmt_release, DB_PARAMS(db_int8(body_id))));
}

enum rc store_queue_drop_aside(struct db *db, int64_t body_id)
{
    return must_affect_one(db, db_run(db, &stmt_drop, DB_PARAMS(db_int8(body_id))));
}

static struct db_param bounded(size_t limit)
{
    return db_int8(limit < LIST_MAX ? (int64_t)limit : LIST_MAX);
}

enum rc store_queue_list_aside(struct arena *a, struct db *db, size_t limit,
                               struct store_queue_aside **out, size_t *n)
{
    enum rc rc = db_run(db, &stmt_list_aside, DB_PARAMS(bounded(limit)));

    *n = 0;
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++) {
        read_row(a, db, i, &(*out)[i].row);
        (*out)[i].reason = arena_str(a, db_get_str(db, 0, i, 11));
        (*out)[i].since_unix = db_get_int(db, 0, i, 12);
    }
    return RC_OK;
}

enum rc store_queue_list(struct arena *a, struct db *db, size_t limit,
                         struct store_queue_row **out, size_t *n)
{
    enum rc rc = db_run(db, &stmt_list, DB_PARAMS(bounded(limit)));

    *n = 0;
    if (rc == RC_OK)
        read_rows(a, db, out, n);
    return rc;
}

enum rc store_queue_stats(struct db *db, struct store_queue_stats *out)
{
    enum rc rc = db_run(db, &stmt_stats, DB_NO_PARAMS);

    if (rc != RC_OK)
        return rc;
    out->local = db_get_int(db, 0, 0, 0);
    out->local_oldest_s = db_is_null(db, 0, 0, 1) ? 0 : db_get_int(db, 0, 0, 1);
    out->remote = db_get_int(db, 0, 0, 2);
    out->failed = db_get_int(db, 0, 0, 3);
    out->aside = db_get_int(db, 0, 0, 4);
    return store_remote_oldest_s(db, &out->remote_oldest_s);
}
