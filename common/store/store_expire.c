/* store_expire.c - what the janitor forgets, with everything a client must be told.
 *
 * Messages go by DELETE in batches, with MODSEQ, expunge log and counters, as if a client
 * had expunged them; the bodies, which are the bulk, go by TRUNCATE of a whole day.
 */
#include "store/store_expire.h"

#include "base/log.h"
#include "store/store_body.h"
#include "store/store_device.h"
#include "store/store_ids.h"
#include "store/store_message.h"

#include <string.h>

enum { DAY_S = 86400, LIST_MAX = 10000 };

/* One number for the lock of all janitors. */
#define LOCK_KEY "2025010101"

/* The smallest body id that is younger than $1 seconds; in a subquery, so that it is
 * computed once and not for each row. */
#define CUTOFF(seconds) "(SELECT ((now_unix() - " seconds " - 1735689600) * 1000) << 22)"
_Static_assert(STORE_IDS_EPOCH_UNIX == 1735689600, "CUTOFF has the same epoch");

/* $1 age, $2 size, $3 only fetched; 20089 is 2025-01-01 in days since 1970. */
#define RULE                                                                             \
    "x.body_id < " CUTOFF(                                                               \
        "$1") " AND x.size > $2 AND (NOT $3 OR x.flags & 1 <> 0"                         \
              " OR EXISTS (SELECT 1 FROM account a WHERE a.id = x.mailbox_id >> 18"      \
              "  AND a.seen_day > 20089 + (x.body_id >> 22) / 86400000))"

/* Behind a CTE d of deleted rows (mailbox_id, uid, size).  A mailbox's own counters and
 * the bytes in its folder 0 may be the same row, and a statement updates a row once: so
 * both are added up in w first.  The array says what w also says, for plans that were
 * made while there was no mailbox: those may begin with the mailboxes. */
#define SETTLE                                                                           \
    "s AS MATERIALIZED (SELECT mailbox_id AS id, count(*)::int4 AS n,"                   \
    "  sum(size)::int8 AS b, array_agg(uid ORDER BY uid) AS uids"                        \
    "  FROM d GROUP BY mailbox_id), "                                                    \
    "w AS MATERIALIZED (SELECT id, sum(n)::int4 AS n, sum(b)::int8 AS b FROM ("          \
    "  SELECT id, n, 0::int8 AS b FROM s"                                                \
    "  UNION ALL SELECT (id >> 18) << 18, 0, b FROM s) y GROUP BY id), "                 \
    "m AS (UPDATE mailbox x SET nmsg = x.nmsg - w.n, bytes = x.bytes - w.b,"             \
    "  modseq = CASE WHEN w.n > 0 THEN greatest(x.modseq + 1, now_us())"                 \
    "   ELSE x.modseq END FROM w"                                                        \
    "  WHERE x.id = w.id AND x.id = ANY(ARRAY(SELECT id FROM w))"                        \
    "  RETURNING x.id, x.modseq, x.uidnext, w.n), "                                      \
    "e AS (INSERT INTO expunged (mailbox_id, modseq, uids)"                              \
    "  SELECT m.id, m.modseq, s.uids FROM m JOIN s ON s.id = m.id) "                     \
    "SELECT id, modseq, uidnext, n FROM m WHERE n > 0 ORDER BY id"

DB_STATEMENT(stmt_lock_janitor, "expire_lock",
             "SELECT pg_try_advisory_lock(" LOCK_KEY ")");
DB_STATEMENT(stmt_unlock, "expire_unlock", "SELECT pg_advisory_unlock(" LOCK_KEY ")");
DB_STATEMENT(stmt_locked, "expire_locked",
             "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"
             " AND pid = pg_backend_pid() AND classid = 0 AND objid = " LOCK_KEY
             " AND granted)");
/* Whole tables are read below; an index would only make that slower. */
DB_STATEMENT(stmt_bulk, "expire_bulk",
             "SELECT set_config('enable_seqscan', 'on', true),"
             " set_config('enable_hashjoin', 'on', true)");
DB_STATEMENT(stmt_find, "expire_find",
             "SELECT DISTINCT x.mailbox_id FROM message x WHERE x.mailbox_id > $4 "
             "AND " RULE " ORDER BY x.mailbox_id LIMIT $5");
DB_STATEMENT(stmt_lock, "expire_lock_mailboxes",
             "SELECT id FROM mailbox WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE");
DB_STATEMENT(stmt_messages, "expire_messages",
             "WITH d AS (DELETE FROM message x WHERE x.mailbox_id = ANY($4) AND " RULE
             " RETURNING mailbox_id, uid, size), " SETTLE);
DB_STATEMENT(stmt_full, "expire_full",
             "SELECT id >> 18 FROM mailbox WHERE id > $1 AND id & 262143 = 0"
             " AND bytes * 100 > quota_of(own_quota, $4) * $2 ORDER BY id LIMIT $3");
DB_STATEMENT(stmt_lock_account, "expire_lock_account",
             "SELECT id FROM mailbox WHERE id BETWEEN $1 AND $2 ORDER BY id "
             "FOR NO KEY UPDATE");
DB_STATEMENT(
    stmt_trim, "expire_trim",
    "WITH v AS MATERIALIZED (SELECT at FROM ("
    "  SELECT ctid AS at, body_id, sum(size) OVER"
    "   (ORDER BY body_id, mailbox_id, uid) - size AS older"
    "   FROM message WHERE mailbox_id BETWEEN $2 AND $3) o"
    "  WHERE older < (SELECT bytes - quota_of(own_quota, $5) * $4 / 100 FROM mailbox"
    "   WHERE id = $2) AND body_id < " CUTOFF(
        "$1") "), "
              "d AS (DELETE FROM message x WHERE x.ctid = ANY(ARRAY(SELECT at FROM v))"
              "  RETURNING x.mailbox_id, x.uid, x.size), " SETTLE);
DB_STATEMENT(stmt_clock, "expire_clock", "SELECT now_us(), us FROM trusted_time");
DB_STATEMENT(stmt_trust, "expire_trust", "UPDATE trusted_time SET us = $1");
DB_STATEMENT(stmt_inactive, "expire_inactive",
             "SELECT id FROM account WHERE id > $2 AND seen_day < $1 "
             "ORDER BY id LIMIT $3");
DB_STATEMENT(stmt_today, "expire_today", "SELECT today()");
/* An hour more than store_message_news relies on. */
#define LOG_US 608400000000
_Static_assert(LOG_US == STORE_MESSAGE_LOG_KEPT_US + 3600 * INT64_C(1000000),
               "what a client asks for must still be there");
DB_STATEMENT(
    stmt_log, "expire_log",
    "DELETE FROM expunged WHERE modseq < (SELECT now_us() - " STR_NUMBER(LOG_US) ")");
DB_STATEMENT(stmt_devices, "expire_devices",
             "DELETE FROM device WHERE renewed < (SELECT now_unix() - $1 * 86400)");
DB_STATEMENT(stmt_aside, "expire_aside",
             "DELETE FROM queue_aside WHERE body_id < " CUTOFF("$1"));
DB_STATEMENT(stmt_failed, "expire_failed",
             "DELETE FROM queue_failed WHERE body_id < " CUTOFF("$1"));
/* One statement, so one snapshot: a row that moves from table to table is in one. */
DB_STATEMENT(stmt_oldest, "expire_oldest",
             "SELECT least((SELECT min(body_id) FROM message),"
             " (SELECT min(body_id) FROM queue), (SELECT min(body_id) FROM queue_aside),"
             " (SELECT min(body_id) FROM queue_remote),"
             " (SELECT min(body_id) FROM queue_failed), " CUTOFF("$1") ")");
DB_STATEMENT(stmt_report, "expire_report",
             "SELECT count(*), count(*) FILTER (WHERE seen_day >= today() - 1),"
             " count(*) FILTER (WHERE seen_day >= today() - 10),"
             " count(*) FILTER (WHERE seen_day >= today() - 30),"
             " (SELECT coalesce(sum(nmsg), 0)::int8 FROM mailbox),"
             " (SELECT coalesce(sum(bytes), 0)::int8 FROM mailbox),"
             " (SELECT sum(pg_total_relation_size(oid))::int8 FROM pg_class"
             "  WHERE relkind = 'r' AND relname ~ '^body_[0-9][0-9]$'),"
             " pg_database_size(current_database()),"
             " count(*) FILTER (WHERE seen_day > today() + 1),"
             " (SELECT count(*) FROM message WHERE body_id > " CUTOFF(
                 "-86400") "),"
                           " count(*) FILTER (WHERE split_part(addr, '@', 2) <> ALL ($1))"
                           " FROM account");

static enum rc run_flag(struct db *db, struct db_statement *s, bool *out)
{
    enum rc rc = db_run(db, s, DB_NO_PARAMS);

    if (rc == RC_OK)
        *out = db_get_bool(db, 0, 0, 0);
    return rc;
}

enum rc store_expire_lock(struct db *db, bool *got)
{
    return run_flag(db, &stmt_lock_janitor, got);
}

enum rc store_expire_unlock(struct db *db)
{
    bool held;

    return run_flag(db, &stmt_unlock, &held);
}

enum rc store_expire_locked(struct db *db, bool *still)
{
    return run_flag(db, &stmt_locked, still);
}

enum rc store_expire_clock(struct db *db, int64_t *now_us, int64_t *trusted_us)
{
    enum rc rc = db_run(db, &stmt_clock, DB_NO_PARAMS);

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    *now_us = db_get_int(db, 0, 0, 0);
    *trusted_us = db_get_int(db, 0, 0, 1);
    return RC_OK;
}

enum rc store_expire_trust(struct db *db, int64_t now_us)
{
    return db_run(db, &stmt_trust, DB_PARAMS(db_int8(now_us)));
}

static struct db_param bounded(size_t n, size_t most)
{
    return db_int8((int64_t)(n < most ? n : most));
}

static void read_ids(struct arena *a, const struct db *db, size_t which, int64_t **out,
                     size_t *n)
{
    *n = db_rows(db, which);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = db_get_int(db, which, i, 0);
}

static void read_hints(struct arena *a, const struct db *db, size_t which,
                       struct store_expire_hint **out, size_t *n)
{
    *n = db_rows(db, which);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++) {
        (*out)[i].mailbox = db_get_int(db, which, i, 0);
        (*out)[i].modseq = db_get_int(db, which, i, 1);
        (*out)[i].uidnext = (uint32_t)db_get_int(db, which, i, 2);
        (*out)[i].removed = (uint32_t)db_get_int(db, which, i, 3);
    }
}

static struct db_param size_above(const struct store_expire_rule *r)
{
    return db_int4(r->larger_than > 0 ? r->larger_than : -1);
}

enum rc store_expire_find(struct arena *a, struct db *db,
                          const struct store_expire_rule *r, int64_t after, size_t n_max,
                          int64_t **mailboxes, size_t *n)
{
    enum rc rc = db_run(db, &stmt_find,
                        DB_PARAMS(db_int8(r->older_than_s), size_above(r),
                                  db_bool(r->only_fetched), db_int8(after),
                                  bounded(n_max, STORE_EXPIRE_BATCH)));

    *n = 0;
    if (rc == RC_OK)
        read_ids(a, db, 0, mailboxes, n);
    return rc;
}

enum rc store_expire_messages(struct arena *a, struct db *db,
                              const struct store_expire_rule *r, const int64_t *mailboxes,
                              size_t n, struct store_expire_hint **out, size_t *hints)
{
    int64_t *lock = arena_array(a, 2 * n + 1, sizeof(*lock));
    enum rc rc;

    *hints = 0;
    if (n > STORE_EXPIRE_BATCH)
        return RC_LIMIT;
    for (size_t i = 0; i < n; i++) {
        lock[2 * i] = mailboxes[i];
        lock[2 * i + 1] =
            store_ids_mailbox(store_ids_account_of(mailboxes[i]), STORE_IDS_INBOX);
    }
    db_queue(db, &stmt_lock, DB_PARAMS(db_int8s(lock, 2 * n)));
    db_queue(db, &stmt_messages,
             DB_PARAMS(db_int8(r->older_than_s), size_above(r), db_bool(r->only_fetched),
                       db_int8s(mailboxes, n)));
    rc = db_flush(db);
    if (rc == RC_OK)
        read_hints(a, db, 1, out, hints);
    return rc;
}

enum rc store_expire_full(struct arena *a, struct db *db, int high_percent, int64_t after,
                          size_t n_max, int64_t **accounts, size_t *n)
{
    enum rc rc = db_run(db, &stmt_full,
                        DB_PARAMS(db_int8(store_ids_mailbox(after, STORE_IDS_INBOX)),
                                  db_int8(high_percent), bounded(n_max, LIST_MAX),
                                  db_int8(db_quota_bytes(db))));

    *n = 0;
    if (rc == RC_OK)
        read_ids(a, db, 0, accounts, n);
    return rc;
}

enum rc store_expire_trim(struct arena *a, struct db *db, int64_t account,
                          int low_percent, int64_t min_age_s,
                          struct store_expire_hint **out, size_t *hints)
{
    struct db_param first = db_int8(store_ids_mailbox(account, STORE_IDS_INBOX));
    struct db_param last = db_int8(store_ids_mailbox(account, STORE_IDS_FOLDER_MAX));
    enum rc rc;

    *hints = 0;
    db_queue(db, &stmt_lock_account, DB_PARAMS(first, last));
    db_queue(db, &stmt_trim,
             DB_PARAMS(db_int8(min_age_s), first, last, db_int8(low_percent),
                       db_int8(db_quota_bytes(db))));
    rc = db_flush(db);
    if (rc == RC_OK)
        read_hints(a, db, 1, out, hints);
    return rc;
}

enum rc store_expire_today(struct db *db, int32_t *day)
{
    enum rc rc = db_run(db, &stmt_today, DB_NO_PARAMS);

    if (rc == RC_OK)
        *day = (int32_t)db_get_int(db, 0, 0, 0);
    return rc;
}

enum rc store_expire_inactive(struct arena *a, struct db *db, int32_t before_day,
                              int64_t after, size_t n_max, int64_t **accounts, size_t *n)
{
    enum rc rc =
        db_run(db, &stmt_inactive,
               DB_PARAMS(db_int4(before_day), db_int8(after), bounded(n_max, LIST_MAX)));

    *n = 0;
    if (rc == RC_OK)
        read_ids(a, db, 0, accounts, n);
    return rc;
}

enum rc store_expire_leftovers(struct db *db, int64_t older_than_s, int64_t *removed)
{
    enum rc rc;

    *removed = 0;
    db_queue(db, &stmt_bulk, DB_NO_PARAMS);
    db_queue(db, &stmt_log, DB_NO_PARAMS);
    db_queue(db, &stmt_devices, DB_PARAMS(db_int8(STORE_DEVICE_DAYS)));
    db_queue(db, &stmt_aside, DB_PARAMS(db_int8(older_than_s)));
    db_queue(db, &stmt_failed, DB_PARAMS(db_int8(older_than_s)));
    rc = db_flush(db);
    for (size_t i = 1; rc == RC_OK && i <= 4; i++)
        *removed += (int64_t)db_affected(db, i);
    return rc;
}

/* Nothing refers to a body with a smaller id, and nothing can again: a reference is only
 * ever made from another one, or with a new body. */
static enum rc oldest_needed(struct db *db, int64_t older_than_s, int64_t *out)
{
    enum rc rc;

    db_queue(db, &stmt_bulk, DB_NO_PARAMS);
    db_queue(db, &stmt_oldest,
             DB_PARAMS(db_int8(older_than_s > DAY_S ? older_than_s : DAY_S)));
    rc = db_flush(db);
    if (rc == RC_OK)
        *out = db_get_int(db, 1, 0, 0);
    return rc;
}

static enum rc empty_slot(struct db *db, int slot, int64_t oldest, int *tables,
                          int64_t *bytes)
{
    int64_t newest, before, after;
    enum rc rc = store_body_newest(db, slot, &newest, &before);

    if (rc != RC_OK || newest == 0 || newest >= oldest)
        return rc;
    rc = store_body_truncate(db, slot, oldest);
    if (rc == RC_OK)
        rc = store_body_newest(db, slot, &newest, &after);
    if (rc == RC_OK) {
        (*tables)++;
        *bytes += before - after;
    }
    return rc;
}

enum rc store_expire_bodies(struct db *db, int64_t older_than_s, int *tables,
                            int64_t *bytes)
{
    int64_t oldest = 0;
    enum rc rc = oldest_needed(db, older_than_s, &oldest), one = RC_OK;

    *tables = 0;
    *bytes = 0;
    /* A table that is in use today is for the next round; the others need not wait. */
    for (int slot = 0; rc == RC_OK && slot < STORE_IDS_BODY_SLOTS; slot++) {
        enum rc this = empty_slot(db, slot, oldest, tables, bytes);

        if (this != RC_OK && this != RC_CONFLICT)
            one = this;
    }
    return rc == RC_OK ? one : rc;
}

enum rc store_expire_report(struct db *db, const str_t *domains, size_t n,
                            struct store_expire_report *out)
{
    enum rc rc;

    db_queue(db, &stmt_bulk, DB_NO_PARAMS);
    db_queue(db, &stmt_report, DB_PARAMS(db_texts(domains, n)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    out->accounts = db_get_int(db, 1, 0, 0);
    out->accounts_seen_1d = db_get_int(db, 1, 0, 1);
    out->accounts_seen_10d = db_get_int(db, 1, 0, 2);
    out->accounts_seen_30d = db_get_int(db, 1, 0, 3);
    out->messages = db_get_int(db, 1, 0, 4);
    out->message_bytes = db_get_int(db, 1, 0, 5);
    out->body_bytes = db_get_int(db, 1, 0, 6);
    out->database_bytes = db_get_int(db, 1, 0, 7);
    out->accounts_ahead = db_get_int(db, 1, 0, 8);
    out->messages_ahead = db_get_int(db, 1, 0, 9);
    out->foreign_accounts = db_get_int(db, 1, 0, 10);
    return RC_OK;
}
