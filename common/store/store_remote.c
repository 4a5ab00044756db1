/* store_remote.c - rows for foreign hosts: claimed by lease, ended by exactly one holder.
 *
 * The lease number is odd while somebody holds the row and even while it waits, so an
 * admin's "now" cannot take a row out of a sender's hands.
 */
#include "store/store_remote.h"

#include "base/log.h"
#include "store/store_ids.h"

#include <stdio.h>
#include <string.h>

enum {
    LIST_MAX = 10000,
    CLAIM_MAX = 1000,
    FAILED_MAX = 256,
    AHEAD_MAX = 1000,
};

#define COLUMNS                                                                          \
    "q.id, q.body_id, q.size, q.created, q.expires, q.due / 1000000, q.lease, "          \
    "q.attempts, q.domain, q.sender, q.rcpt, q.prefix, q.envelope::text, "               \
    "q.last_error, coalesce(q.transport, ''), q.transport IS NULL"

/* As in the index. */
#define DESTINATION "coalesce(nullif(q.transport, ''), q.domain)"

/* From one destination straight to the next through the index: the cost is one look-up
 * for each that has rows, however many rows it has. */
#define EACH_DESTINATION(after)                                                          \
    "WITH RECURSIVE d(destination) AS ("                                                 \
    " (SELECT " DESTINATION " FROM queue_remote q WHERE " DESTINATION " > " after        \
    "  ORDER BY " DESTINATION " LIMIT 1)"                                                \
    " UNION ALL SELECT (SELECT " DESTINATION " FROM queue_remote q"                      \
    "  WHERE " DESTINATION " > d.destination ORDER BY " DESTINATION " LIMIT 1)"          \
    " FROM d WHERE d.destination IS NOT NULL)"

DB_STATEMENT(
    stmt_add, "remote_add",
    "INSERT INTO queue_remote (id, due, body_id, created, expires, size, domain, "
    "sender, rcpt, prefix, envelope, transport) VALUES ($1, now_us(), $2, now_unix(), "
    "now_unix() + $3, $4, $5, $6, $7, $8, $9::jsonb, $10)");
DB_STATEMENT(stmt_claim, "remote_claim",
             EACH_DESTINATION(
                 "$1") ", pick AS MATERIALIZED ("
                       " SELECT r.at FROM d CROSS JOIN LATERAL ("
                       "  SELECT q.ctid AS at FROM queue_remote q"
                       "  WHERE " DESTINATION " = d.destination AND q.due <= now_us()"
                       "  ORDER BY q.due LIMIT $4 FOR UPDATE SKIP LOCKED) r"
                       " WHERE d.destination IS NOT NULL"
                       " AND ($2 = '' OR d.destination <= $2)"
                       " AND NOT d.destination = ANY($3) LIMIT $5), "
                       "held AS (UPDATE queue_remote q SET"
                       " due = now_us() + $6 * 1000000,"
                       " lease = q.lease + 1 + q.lease % 2, attempts = q.attempts + 1,"
                       " created = least(q.created, now_unix()),"
                       " expires = least(q.expires, now_unix() + q.expires - q.created)"
                       " WHERE q.ctid = ANY(ARRAY(SELECT at FROM pick)) RETURNING q.*) "
                       "SELECT " COLUMNS " FROM held q ORDER BY " DESTINATION
                       ", q.created, q.id");
DB_STATEMENT(stmt_ahead, "remote_ahead",
             "UPDATE queue_remote SET due = now_us() + lease % 2 * $2 * 1000000"
             " WHERE ctid = ANY(ARRAY(" EACH_DESTINATION(
                 "''") " SELECT r.at FROM d CROSS JOIN LATERAL ("
                       "  SELECT q.ctid AS at FROM queue_remote q WHERE " DESTINATION
                       " = d.destination"
                       "  AND q.due > now_us() + $1 * 1000000"
                       "  ORDER BY " DESTINATION " DESC, q.due DESC LIMIT $3"
                       "  FOR UPDATE SKIP LOCKED) r"
                       " WHERE d.destination IS NOT NULL LIMIT $3))");
DB_STATEMENT(stmt_extend, "remote_extend",
             "UPDATE queue_remote SET due = now_us() + $3 * 1000000 "
             "WHERE id = $1 AND lease = $2");

#define PLACE "array_position($1, q.id)"

/* A microsecond apart: who was before the others is claimed before them.  A join with the
 * list would be planned to read the whole table. */
DB_STATEMENT(stmt_put_off, "remote_put_off",
             "UPDATE queue_remote q SET"
             " due = now_us() + ($3::int8[])[" PLACE "] * 1000 + " PLACE ","
             " lease = q.lease + 1, attempts = q.attempts - 1"
             " WHERE q.id = ANY($1::int8[]) AND q.lease = ($2::int8[])[" PLACE "]");

#define KEEP_FAILURES                                                                    \
    ", f AS (INSERT INTO queue_failed (id, lease, body_id, created, failed, size, "      \
    "domain, sender, envelope, rcpt, status, diagnostic, remote_mta) "                   \
    "SELECT id, $2, body_id, created, now_unix(), size, domain, sender, envelope, "      \
    "$3, $4, $5, $6 FROM d WHERE cardinality($3) > 0) SELECT count(*) FROM d"

DB_STATEMENT(stmt_finish, "remote_finish",
             "WITH d AS (DELETE FROM queue_remote WHERE id = $1 AND lease = $2"
             " RETURNING *)" KEEP_FAILURES);
DB_STATEMENT(stmt_wait, "remote_wait",
             "WITH d AS (UPDATE queue_remote SET due = now_us() + $7 * 1000000,"
             " lease = lease + 1, rcpt = $8, last_error = $9"
             " WHERE id = $1 AND lease = $2 RETURNING *)" KEEP_FAILURES);
/* What a sender holds is the sender's, until its lease has been over for longer than a
 * host may take to answer the final dot.  A clock that has jumped ahead by more than a
 * day ends nobody's lifetime: see trusted_time. */
DB_STATEMENT(
    stmt_expire, "remote_expire",
    "WITH gone AS (DELETE FROM queue_remote WHERE ctid = ANY(ARRAY("
    " SELECT ctid FROM queue_remote WHERE expires <= now_unix()"
    " AND expires <= (SELECT us / 1000000 + 90000 FROM trusted_time)"
    " AND (lease % 2 = 0 OR due <= now_us() - 600000000)"
    " ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING *), "
    "f AS (INSERT INTO queue_failed (id, lease, body_id, created, failed, size, "
    "domain, sender, envelope, rcpt, status, diagnostic, remote_mta) "
    "SELECT id, lease, body_id, created, now_unix(), size, domain, sender, envelope, "
    "rcpt, array_fill('5.4.7'::text, n),"
    " array_fill('554 5.4.7 Delivery time expired; last answer: ' ||"
    "  coalesce(nullif(last_error, ''), 'none, it was never tried'), n),"
    " array_fill(''::text, n) "
    "FROM (SELECT *, ARRAY[cardinality(rcpt)] AS n FROM gone) g) "
    "SELECT coalesce(sum(cardinality(rcpt)), 0), count(*) FROM gone");
DB_STATEMENT(stmt_failed, "remote_claim_failed",
             "WITH gone AS (DELETE FROM queue_failed WHERE ctid = ANY(ARRAY("
             " SELECT ctid FROM queue_failed"
             " ORDER BY id, lease LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING *) "
             "SELECT body_id, size, domain, sender, envelope::text, created, failed, "
             "rcpt, status, diagnostic, remote_mta FROM gone ORDER BY id, lease");
DB_STATEMENT(stmt_list, "remote_list",
             "SELECT " COLUMNS " FROM queue_remote q ORDER BY q.due LIMIT $1");
DB_STATEMENT(stmt_now, "remote_retry_now",
             "UPDATE queue_remote SET due = now_us() "
             "WHERE ($1 = '' OR domain = $1) AND lease % 2 = 0 AND due > now_us()");
DB_STATEMENT(stmt_oldest, "remote_oldest",
             EACH_DESTINATION(
                 "''") " SELECT (now_us() - min((SELECT q.due FROM queue_remote q"
                       " WHERE " DESTINATION " = d.destination ORDER BY q.due LIMIT 1)))"
                       " / 1000000 FROM d WHERE d.destination IS NOT NULL");
DB_STATEMENT(stmt_ways, "remote_ways",
             "SELECT id, domain, coalesce(transport, '') FROM queue_remote "
             "WHERE id > $1 ORDER BY id LIMIT $2");
/* A holder has its copy of the row and goes on; its lease is not touched. */
DB_STATEMENT(stmt_reroute, "remote_reroute",
             "UPDATE queue_remote SET transport = $2,"
             " due = CASE WHEN lease % 2 = 0 THEN least(due, now_us()) ELSE due END"
             " WHERE ctid = ANY(ARRAY(SELECT ctid FROM queue_remote WHERE id = ANY($1)"
             "  FOR UPDATE SKIP LOCKED))");

void store_remote_add(struct db *db, const struct store_remote_row *r, int64_t lifetime_s)
{
    db_queue(db, &stmt_add,
             DB_PARAMS(db_int8(store_ids_new_body()), db_int8(r->body_id),
                       db_int8(lifetime_s), db_int4(r->size), db_text(r->domain),
                       db_text(r->sender), db_texts(r->recipients, r->recipient_count),
                       db_bytes(r->prefix),
                       db_text(r->envelope.n == 0 ? S("{}") : r->envelope),
                       db_text(r->transport)));
}

static void read_row(struct arena *a, const struct db *db, size_t row,
                     struct store_remote_row *out)
{
    out->id = db_get_int(db, 0, row, 0);
    out->body_id = db_get_int(db, 0, row, 1);
    out->size = (int32_t)db_get_int(db, 0, row, 2);
    out->created_unix = db_get_int(db, 0, row, 3);
    out->expires_unix = db_get_int(db, 0, row, 4);
    out->due_unix = db_get_int(db, 0, row, 5);
    out->lease = (int32_t)db_get_int(db, 0, row, 6);
    out->attempts = (int)db_get_int(db, 0, row, 7);
    out->domain = arena_str(a, db_get_str(db, 0, row, 8));
    out->sender = arena_str(a, db_get_str(db, 0, row, 9));
    out->recipients = db_get_texts(a, db, 0, row, 10, &out->recipient_count);
    out->prefix = arena_str(a, db_get_str(db, 0, row, 11));
    out->envelope = arena_str(a, db_get_str(db, 0, row, 12));
    out->last_error = arena_str(a, db_get_str(db, 0, row, 13));
    out->transport = arena_str(a, db_get_str(db, 0, row, 14));
    out->is_unrouted = db_get_bool(db, 0, row, 15);
    out->destination = out->transport.n > 0 ? out->transport : out->domain;
}

/* Appends the rows of the last flush. */
static void read_rows(struct arena *a, const struct db *db, struct store_remote_row **out,
                      size_t *n)
{
    size_t more = db_rows(db, 0);
    struct store_remote_row *rows = arena_array(a, *n + more + 1, sizeof(*rows));

    if (*n > 0)
        memcpy(rows, *out, *n * sizeof(*rows));
    for (size_t i = 0; i < more; i++)
        read_row(a, db, i, &rows[*n + i]);
    *out = rows;
    *n += more;
}

/* Destinations after the cursor, up to last ("": to the end). */
static enum rc claim_range(struct arena *a, struct db *db, str_t after, str_t last,
                           const struct store_remote_claim *how,
                           struct store_remote_row **out, size_t *n)
{
    size_t limit = how->limit < CLAIM_MAX ? how->limit : CLAIM_MAX;
    enum rc rc = db_run(db, &stmt_claim,
                        DB_PARAMS(db_text(after), db_text(last),
                                  db_texts(how->busy, how->busy_count),
                                  db_int8((int64_t)how->per_destination),
                                  db_int8((int64_t)(limit - *n)), db_int8(how->lease_s)));

    if (rc == RC_OK)
        read_rows(a, db, out, n);
    return rc;
}

enum rc store_remote_claim(struct arena *a, struct db *db, struct store_remote_cursor *c,
                           const struct store_remote_claim *how,
                           struct store_remote_row **out, size_t *n)
{
    str_t start = arena_str(a, str_of(c->destination));
    enum rc rc;

    CHECK(!db_in_transaction(db)); /* the lease counts only when it is committed */
    *n = 0;
    rc = claim_range(a, db, start, S(""), how, out, n);
    if (rc == RC_OK && *n < how->limit && start.n > 0)
        rc = claim_range(a, db, S(""), start, how, out, n);
    c->destination[0] = '\0';
    if (rc == RC_OK && *n >= how->limit && *n > 0)
        snprintf(c->destination, sizeof(c->destination), "%.*s",
                 STR_ARG((*out)[*n - 1].destination));
    return rc;
}

enum rc store_remote_call_back(struct db *db, int64_t wait_max_s, int lease_s,
                               size_t *ahead)
{
    enum rc rc =
        db_run(db, &stmt_ahead,
               DB_PARAMS(db_int8(wait_max_s), db_int8(lease_s), db_int8(AHEAD_MAX)));

    *ahead = rc == RC_OK ? db_affected(db, 0) : 0;
    return rc;
}

static enum rc still_ours(enum rc rc, bool ours)
{
    if (rc != RC_OK)
        return rc;
    return ours ? RC_OK : RC_CONFLICT;
}

enum rc store_remote_extend(struct db *db, const struct store_remote_row *r, int lease_s)
{
    enum rc rc = db_run(db, &stmt_extend,
                        DB_PARAMS(db_int8(r->id), db_int4(r->lease), db_int8(lease_s)));

    return still_ours(rc, rc == RC_OK && db_affected(db, 0) == 1);
}

enum rc store_remote_put_off(struct db *db, const struct store_remote_pause *list,
                             size_t n)
{
    struct arena *a = arena_new();
    int64_t *ids = arena_array(a, n + 1, sizeof(*ids));
    int64_t *leases = arena_array(a, n + 1, sizeof(*leases));
    int64_t *waits = arena_array(a, n + 1, sizeof(*waits));
    enum rc rc;

    for (size_t i = 0; i < n; i++) {
        ids[i] = list[i].id;
        leases[i] = list[i].lease;
        waits[i] = list[i].wait_ms;
    }
    rc = db_run(db, &stmt_put_off,
                DB_PARAMS(db_int8s(ids, n), db_int8s(leases, n), db_int8s(waits, n)));
    arena_free(&a);
    return rc;
}

enum failure_column { RECIPIENT, STATUS, DIAGNOSTIC, REMOTE_MTA, FAILURE_COLUMNS };

static str_t *failure_field(struct store_remote_failure *f, enum failure_column column)
{
    str_t *const fields[FAILURE_COLUMNS] = { &f->recipient, &f->status, &f->diagnostic,
                                             &f->remote_mta };

    return fields[column];
}

static struct db_param failure_column(struct arena *a,
                                      const struct store_remote_outcome *o,
                                      enum failure_column column)
{
    str_t *list = arena_array(a, o->failure_count + 1, sizeof(*list));

    for (size_t i = 0; i < o->failure_count; i++) {
        struct store_remote_failure f = o->failures[i];

        list[i] = *failure_field(&f, column);
    }
    return db_texts(list, o->failure_count);
}

enum rc store_remote_settle(struct db *db, const struct store_remote_row *r,
                            const struct store_remote_outcome *o)
{
    struct arena *a = arena_new();
    const struct db_param params[] = {
        db_int8(r->id),
        db_int4(r->lease),
        failure_column(a, o, RECIPIENT),
        failure_column(a, o, STATUS),
        failure_column(a, o, DIAGNOSTIC),
        failure_column(a, o, REMOTE_MTA),
        db_int8(o->retry_after_s),
        db_texts(o->retry, o->retry_count),
        db_text(o->last_error),
    };
    bool wait = o->retry_count > 0;
    enum rc rc = db_run(db, wait ? &stmt_wait : &stmt_finish, params,
                        wait ? ARRAY_LEN(params) : 6);

    arena_free(&a);
    return still_ours(rc, rc == RC_OK && db_get_int(db, 0, 0, 0) == 1);
}

enum rc store_remote_expire(struct db *db, size_t limit, size_t *rows, size_t *recipients)
{
    enum rc rc = db_run(db, &stmt_expire, DB_PARAMS(db_int8((int64_t)limit)));

    *recipients = rc == RC_OK ? (size_t)db_get_int(db, 0, 0, 0) : 0;
    *rows = rc == RC_OK ? (size_t)db_get_int(db, 0, 0, 1) : 0;
    return rc;
}

static void read_failed(struct arena *a, const struct db *db, size_t row,
                        struct store_remote_failed *out)
{
    out->body_id = db_get_int(db, 0, row, 0);
    out->size = (int32_t)db_get_int(db, 0, row, 1);
    out->domain = arena_str(a, db_get_str(db, 0, row, 2));
    out->sender = arena_str(a, db_get_str(db, 0, row, 3));
    out->envelope = arena_str(a, db_get_str(db, 0, row, 4));
    out->created_unix = db_get_int(db, 0, row, 5);
    out->failed_unix = db_get_int(db, 0, row, 6);
    for (int column = 0; column < FAILURE_COLUMNS; column++) {
        size_t n = 0;
        str_t *list = db_get_texts(a, db, 0, row, 7 + column, &n);

        if (column == RECIPIENT) {
            out->failure_count = n;
            out->failures = arena_array(a, n + 1, sizeof(*out->failures));
        }
        CHECK(n == out->failure_count);
        for (size_t i = 0; i < n; i++)
            *failure_field(&out->failures[i], (enum failure_column)column) = list[i];
    }
}

enum rc store_remote_claim_failed(struct arena *a, struct db *db, size_t limit,
                                  struct store_remote_failed **out, size_t *n)
{
    size_t most = limit < FAILED_MAX ? limit : FAILED_MAX;
    enum rc rc;

    CHECK(db_in_transaction(db));
    *n = 0;
    rc = db_run(db, &stmt_failed, DB_PARAMS(db_int8((int64_t)most)));
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        read_failed(a, db, i, &(*out)[i]);
    return RC_OK;
}

enum rc store_remote_list(struct arena *a, struct db *db, size_t limit,
                          struct store_remote_row **out, size_t *n)
{
    size_t most = limit < LIST_MAX ? limit : LIST_MAX;
    enum rc rc = db_run(db, &stmt_list, DB_PARAMS(db_int8((int64_t)most)));

    *n = 0;
    if (rc == RC_OK)
        read_rows(a, db, out, n);
    return rc;
}

enum rc store_remote_retry_now(struct db *db, str_t domain, size_t *n)
{
    enum rc rc = db_run(db, &stmt_now, DB_PARAMS(db_text(domain)));

    *n = rc == RC_OK ? db_affected(db, 0) : 0;
    return rc;
}

enum rc store_remote_oldest_s(struct db *db, int64_t *out)
{
    enum rc rc = db_run(db, &stmt_oldest, DB_NO_PARAMS);

    *out = rc == RC_OK && !db_is_null(db, 0, 0, 0) ? db_get_int(db, 0, 0, 0) : 0;
    if (*out < 0)
        *out = 0;
    return rc;
}

enum rc store_remote_ways(struct arena *a, struct db *db, int64_t after,
                          struct store_remote_way **out, size_t *n)
{
    enum rc rc =
        db_run(db, &stmt_ways, DB_PARAMS(db_int8(after), db_int8(STORE_REMOTE_WAYS_MAX)));

    *n = rc == RC_OK ? db_rows(db, 0) : 0;
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct store_remote_way){ db_get_int(db, 0, i, 0),
                                               arena_str(a, db_get_str(db, 0, i, 1)),
                                               arena_str(a, db_get_str(db, 0, i, 2)) };
    return rc;
}

enum rc store_remote_reroute(struct db *db, const int64_t *ids, size_t n, str_t transport,
                             size_t *rows)
{
    enum rc rc =
        db_run(db, &stmt_reroute, DB_PARAMS(db_int8s(ids, n), db_text(transport)));

    *rows = rc == RC_OK ? db_affected(db, 0) : 0;
    return rc;
}
