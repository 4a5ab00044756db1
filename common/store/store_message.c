/* store_message.c - rows of mailboxes.
 *
 * Every writer locks with a statement of its own first: the next statement then has a
 * snapshot that is newer than the lock, so it cannot act on rows that somebody else
 * moved or expunged while we waited.
 */
#include "store/store_message.h"

#include "base/crypto.h"
#include "base/log.h"
#include "store/store_ids.h"
#include "store/store_mailbox.h"

#include <string.h>

enum { RECOVER_MS = 5000, LOCKED_MODSEQ = 2 };

#define COLUMNS     "uid, flags, size, body_id, modseq, idate"
#define LOG_KEPT_US STR_NUMBER(STORE_MESSAGE_LOG_KEPT_US)

DB_STATEMENT(stmt_marks, "message_marks",
             "SELECT uidnext, nmsg, modseq, now_us() - " LOG_KEPT_US
             " FROM mailbox WHERE id = $1");
DB_STATEMENT(stmt_since, "message_since",
             "SELECT " COLUMNS " FROM message WHERE mailbox_id = $1 AND uid >= $2 "
             "ORDER BY uid");
/* Mostly nothing did, and then no message is looked at. */
DB_STATEMENT(
    stmt_changed, "message_changed",
    "SELECT " COLUMNS " FROM message WHERE mailbox_id = $1 AND uid < $2 "
    "AND modseq > $3 AND (SELECT changed_modseq FROM mailbox WHERE id = $1) > $3 "
    "ORDER BY uid");
DB_STATEMENT(stmt_expunged, "message_expunged",
             "SELECT uids FROM expunged WHERE mailbox_id = $1 AND modseq > $2 "
             "ORDER BY modseq");
DB_STATEMENT(stmt_lock, "message_lock",
             "SELECT id, uidvalidity, modseq FROM mailbox WHERE id = ANY($1) ORDER BY id "
             "FOR NO KEY UPDATE");
DB_STATEMENT(stmt_lock_one, "message_lock_one",
             "SELECT id, uidvalidity, modseq FROM mailbox WHERE id = $1 "
             "FOR NO KEY UPDATE");
DB_STATEMENT(
    stmt_lock_relaxed, "message_lock_relaxed",
    "SELECT id, uidvalidity, modseq, set_config('synchronous_commit', 'off', true) "
    "FROM mailbox WHERE id = $1 FOR NO KEY UPDATE");
DB_STATEMENT(stmt_conflicts, "message_conflicts",
             "SELECT array_agg(uid ORDER BY uid) FROM message WHERE mailbox_id = $1 "
             "AND uid = ANY($2) AND modseq > $3");
DB_STATEMENT(
    stmt_flag, "message_flag",
    "WITH n AS MATERIALIZED (SELECT greatest(modseq + 1, now_us()) AS modseq"
    "  FROM mailbox WHERE id = $1), "
    "u AS (UPDATE message x SET flags = x.flags & ~$3 | $4, modseq = n.modseq"
    "  FROM n WHERE x.mailbox_id = $1 AND x.uid = ANY($2)"
    "  AND x.flags & ~$3 | $4 <> x.flags AND x.modseq <= $5 RETURNING x.*), "
    "m AS (UPDATE mailbox SET modseq = n.modseq, changed_modseq = n.modseq FROM n"
    "  WHERE id = $1 AND EXISTS (SELECT 1 FROM u)) "
    "SELECT " COLUMNS " FROM u ORDER BY uid");
/* $2 is folder 0 when the account's bytes shrink by this, or 0. */
DB_STATEMENT(stmt_expunge, "message_expunge",
             "WITH d AS (DELETE FROM message WHERE mailbox_id = $1 AND uid = ANY($3)"
             "  AND flags & $4 = $4 RETURNING uid, size), "
             "s AS MATERIALIZED (SELECT count(*)::int4 AS n,"
             "  coalesce(sum(size), 0)::int8 AS b, array_agg(uid ORDER BY uid) AS uids"
             "  FROM d), "
             "m AS (UPDATE mailbox x SET"
             "  modseq = CASE WHEN x.id = $1 THEN greatest(x.modseq + 1, now_us())"
             "   ELSE x.modseq END,"
             "  nmsg = x.nmsg - CASE WHEN x.id = $1 THEN s.n ELSE 0 END,"
             "  bytes = x.bytes - CASE WHEN x.id = $2 THEN s.b ELSE 0 END"
             "  FROM s WHERE x.id = ANY(ARRAY[$1, $2]) AND s.n > 0"
             "  RETURNING x.id, x.modseq), "
             "e AS (INSERT INTO expunged (mailbox_id, modseq, uids)"
             "  SELECT m.id, m.modseq, s.uids FROM m, s WHERE m.id = $1) "
             "SELECT m.modseq, s.uids FROM m, s WHERE m.id = $1");
/* $5: the account's bytes grow by this and must stay below its quota. */
DB_STATEMENT(stmt_copy, "message_copy",
             "WITH s AS MATERIALIZED (SELECT uid, body_id, size, idate, flags,"
             "  (row_number() OVER (ORDER BY uid))::int4 AS o"
             "  FROM message WHERE mailbox_id = $1 AND uid = ANY($4)), "
             "t AS MATERIALIZED (SELECT count(*)::int4 AS n,"
             "  coalesce(sum(size), 0)::int8 AS b FROM s), "
             "ok AS MATERIALIZED (SELECT d.uidnext,"
             "  greatest(d.modseq + 1, now_us()) AS modseq"
             "  FROM mailbox d, mailbox z, t WHERE d.id = $2 AND z.id = $3"
             "  AND d.nmsg + t.n <= $7"
             "  AND (NOT $5 OR z.bytes + t.b <= quota_of(z.own_quota, $6))), "
             "i AS (INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size,"
             "  flags) SELECT $2, s.body_id, ok.modseq, s.idate, ok.uidnext + s.o - 1,"
             "  s.size, s.flags FROM s, ok), "
             "u AS (UPDATE mailbox x SET"
             "  uidnext = x.uidnext + CASE WHEN x.id = $2 THEN t.n ELSE 0 END,"
             "  modseq = CASE WHEN x.id = $2 THEN ok.modseq ELSE x.modseq END,"
             "  nmsg = x.nmsg + CASE WHEN x.id = $2 THEN t.n ELSE 0 END,"
             "  bytes = x.bytes + CASE WHEN x.id = $3 AND $5 THEN t.b ELSE 0 END"
             "  FROM ok, t WHERE x.id = ANY(ARRAY[$2, $3]) AND t.n > 0) "
             "SELECT ok.uidnext, ok.modseq, (SELECT array_agg(uid ORDER BY uid) FROM s)"
             " FROM t LEFT JOIN ok ON true");
DB_STATEMENT(stmt_append, "message_append",
             "WITH ok AS MATERIALIZED (SELECT d.uidnext,"
             "  greatest(d.modseq + 1, now_us()) AS modseq"
             "  FROM mailbox d, mailbox z"
             "  WHERE d.id = $1 AND z.id = $2 AND d.nmsg < $8"
             "  AND z.bytes + $3 <= quota_of(z.own_quota, $7)), "
             "i AS (INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size,"
             "  flags) SELECT $1, $4, ok.modseq, coalesce($5, now_unix()), ok.uidnext,"
             "  $3, $6 FROM ok), "
             "u AS (UPDATE mailbox x SET"
             "  uidnext = x.uidnext + CASE WHEN x.id = $1 THEN 1 ELSE 0 END,"
             "  modseq = CASE WHEN x.id = $1 THEN ok.modseq ELSE x.modseq END,"
             "  nmsg = x.nmsg + CASE WHEN x.id = $1 THEN 1 ELSE 0 END,"
             "  bytes = x.bytes + CASE WHEN x.id = $2 THEN $3 ELSE 0 END"
             "  FROM ok WHERE x.id = ANY(ARRAY[$1, $2])) "
             "SELECT uidnext, modseq FROM ok");
DB_STATEMENT(stmt_appended, "message_appended",
             "SELECT uid, modseq FROM message WHERE mailbox_id = $1 AND body_id = $2");

static int64_t base_of(int64_t mailbox)
{
    return store_ids_mailbox(store_ids_account_of(mailbox), STORE_IDS_INBOX);
}

/* UIDs beyond 2^31 become negative and match nothing. */
static struct db_param uid_list(const struct store_message_uids *uids)
{
    return db_int4s((const int32_t *)uids->uid, uids->n);
}

static void read_list(struct arena *a, const struct db *db, size_t which,
                      struct store_message_list *out)
{
    out->n = db_rows(db, which);
    out->m = arena_array(a, out->n + 1, sizeof(*out->m));
    for (size_t i = 0; i < out->n; i++) {
        out->m[i].uid = (uint32_t)db_get_int(db, which, i, 0);
        out->m[i].flags = (uint32_t)db_get_int(db, which, i, 1);
        out->m[i].size = (int32_t)db_get_int(db, which, i, 2);
        out->m[i].body_id = db_get_int(db, which, i, 3);
        out->m[i].modseq = db_get_int(db, which, i, 4);
        out->m[i].idate_unix = db_get_int(db, which, i, 5);
    }
}

static void read_uids(struct arena *a, const struct db *db, size_t which, int column,
                      struct store_message_uids *out)
{
    out->uid = (uint32_t *)db_get_int4s(a, db, which, 0, column, &out->n);
}

/* ---- reading ---- */

static enum rc read_marks(const struct db *db, struct store_message_news *out)
{
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    out->uidnext = (uint32_t)db_get_int(db, 0, 0, 0);
    out->messages = (uint32_t)db_get_int(db, 0, 0, 1);
    out->modseq = db_get_int(db, 0, 0, 2);
    return RC_OK;
}

static void read_expunged(struct arena *a, const struct db *db, size_t which,
                          struct store_message_uids *out)
{
    size_t rows = db_rows(db, which), total = 0;
    struct store_message_uids *parts = arena_array(a, rows + 1, sizeof(*parts));

    for (size_t i = 0; i < rows; i++) {
        parts[i].uid = (uint32_t *)db_get_int4s(a, db, which, i, 0, &parts[i].n);
        total += parts[i].n;
    }
    out->uid = arena_array(a, total + 1, sizeof(*out->uid));
    out->n = 0;
    for (size_t i = 0; i < rows; i++) {
        if (parts[i].n > 0)
            memcpy(out->uid + out->n, parts[i].uid, parts[i].n * sizeof(*out->uid));
        out->n += parts[i].n;
    }
}

static void queue_marks_and_added(struct db *db, const struct store_message_look *look)
{
    db_queue(db, &stmt_marks, DB_PARAMS(db_int8(look->mailbox)));
    db_queue(db, &stmt_since, DB_PARAMS(db_int8(look->mailbox), db_int4(look->uidnext)));
}

/* With the caller's bodies, the last of the statements. */
static enum rc flush_look(struct arena *a, struct db *db,
                          const struct store_message_look *look, size_t statements)
{
    enum rc rc;

    store_body_queue_heads(db, look->bodies, look->body_count, STORE_MESSAGE_AHEAD_BYTES);
    rc = db_flush(db);
    if (rc == RC_OK)
        store_body_take_heads(a, db, statements, look->bodies, look->body_count,
                              STORE_MESSAGE_AHEAD_BYTES);
    return rc;
}

enum rc store_message_news(struct arena *a, struct db *db,
                           const struct store_message_look *look,
                           struct store_message_news *out)
{
    enum { MARKS, ADDED, CHANGED, EXPUNGED, STATEMENTS };
    enum rc rc;

    *out = (struct store_message_news){ 0 };
    queue_marks_and_added(db, look);
    db_queue(
        db, &stmt_changed,
        DB_PARAMS(db_int8(look->mailbox), db_int4(look->uidnext), db_int8(look->modseq)));
    db_queue(db, &stmt_expunged,
             DB_PARAMS(db_int8(look->mailbox), db_int8(look->modseq)));
    rc = flush_look(a, db, look, STATEMENTS);
    if (rc == RC_OK)
        rc = read_marks(db, out);
    if (rc != RC_OK)
        return rc;
    out->log_gone =
        look->modseq < db_get_int(db, MARKS, 0, 3) && look->modseq < out->modseq;
    read_list(a, db, ADDED, &out->added);
    read_list(a, db, CHANGED, &out->changed);
    read_expunged(a, db, EXPUNGED, &out->expunged);
    return RC_OK;
}

enum rc store_message_view(struct arena *a, struct db *db,
                           const struct store_message_look *look,
                           struct store_message_news *out)
{
    enum { MARKS, ADDED, STATEMENTS };
    enum rc rc;

    *out = (struct store_message_news){ 0 };
    queue_marks_and_added(db, look);
    rc = flush_look(a, db, look, STATEMENTS);
    if (rc == RC_OK)
        rc = read_marks(db, out);
    if (rc == RC_OK)
        read_list(a, db, ADDED, &out->added);
    return rc;
}

/* ---- flags and expunge ---- */

/* Which bits go and which come, for the one expression (flags & ~gone) | come. */
static void bits_of(const struct store_message_change *c, uint32_t *gone, uint32_t *come)
{
    *gone = c->how == STORE_MESSAGE_REPLACE  ? UINT32_MAX
            : c->how == STORE_MESSAGE_REMOVE ? c->flags
                                             : 0;
    *come = c->how == STORE_MESSAGE_REMOVE ? 0 : c->flags;
}

static void queue_lock(struct db *db, int64_t one, int64_t other)
{
    const int64_t ids[] = { base_of(one), one, other };

    /* Nearly always it is INBOX alone, which costs a third. */
    if (ids[0] == one && one == other)
        db_queue(db, &stmt_lock_one, DB_PARAMS(db_int8(one)));
    else
        db_queue(db, &stmt_lock, DB_PARAMS(db_int8s(ids, ARRAY_LEN(ids))));
}

/* For flags and expunges, whose commit need not wait for the disk: see db_relax. */
static void queue_lock_relaxed(struct db *db, int64_t mailbox)
{
    if (base_of(mailbox) == mailbox && !db_in_transaction(db)) {
        db_queue(db, &stmt_lock_relaxed, DB_PARAMS(db_int8(mailbox)));
        return;
    }
    db_relax(db);
    queue_lock(db, mailbox, mailbox);
}

/* The row of id among those that the lock (statement 0) found, or SIZE_MAX. */
static size_t locked_row(const struct db *db, int64_t id)
{
    for (size_t i = 0; i < db_rows(db, 0); i++)
        if (db_get_int(db, 0, i, 0) == id)
            return i;
    return SIZE_MAX;
}

enum rc store_message_flag(struct arena *a, struct db *db, int64_t mailbox,
                           const struct store_message_uids *uids,
                           const struct store_message_change *change,
                           struct store_message_flagged *out,
                           struct store_message_uids *conflicts)
{
    size_t which = conflicts != NULL ? 2 : 1, locked;
    int64_t since = change->unchanged_since < 0 ? INT64_MAX : change->unchanged_since;
    uint32_t gone, come;
    enum rc rc;

    *out = (struct store_message_flagged){ 0 };
    bits_of(change, &gone, &come);
    queue_lock_relaxed(db, mailbox);
    if (conflicts != NULL)
        db_queue(db, &stmt_conflicts,
                 DB_PARAMS(db_int8(mailbox), uid_list(uids), db_int8(since)));
    db_queue(db, &stmt_flag,
             DB_PARAMS(db_int8(mailbox), uid_list(uids), db_int4((int32_t)gone),
                       db_int4((int32_t)come), db_int8(since)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    locked = locked_row(db, mailbox);
    if (locked == SIZE_MAX)
        return RC_NOT_FOUND;
    if (conflicts != NULL)
        read_uids(a, db, 1, 0, conflicts);
    read_list(a, db, which, &out->changed);
    if (out->changed.n > 0) {
        out->modseq = out->changed.m[0].modseq;
        out->before = db_get_int(db, 0, locked, LOCKED_MODSEQ);
    }
    return RC_OK;
}

static void queue_expunge(struct db *db, int64_t mailbox, int64_t base,
                          const struct store_message_uids *uids, uint32_t mask)
{
    db_queue(db, &stmt_expunge,
             DB_PARAMS(db_int8(mailbox), db_int8(base), uid_list(uids), db_int4(mask)));
}

enum rc store_message_expunge(struct arena *a, struct db *db, int64_t mailbox,
                              const struct store_message_uids *uids, bool only_deleted,
                              struct store_message_expunged *out)
{
    size_t locked;
    enum rc rc;

    *out = (struct store_message_expunged){ 0 };
    queue_lock_relaxed(db, mailbox);
    queue_expunge(db, mailbox, base_of(mailbox), uids,
                  only_deleted ? STORE_FLAGS_DELETED : 0);
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    locked = locked_row(db, mailbox);
    if (locked == SIZE_MAX)
        return RC_NOT_FOUND;
    if (db_rows(db, 1) > 0) {
        out->modseq = db_get_int(db, 1, 0, 0);
        read_uids(a, db, 1, 1, &out->uids);
        out->before = db_get_int(db, 0, locked, LOCKED_MODSEQ);
    }
    return RC_OK;
}

/* ---- copy, move, append ---- */

static void queue_copy(struct db *db, int64_t from, int64_t to,
                       const struct store_message_uids *uids, bool more_bytes)
{
    db_queue(db, &stmt_copy,
             DB_PARAMS(db_int8(from), db_int8(to), db_int8(base_of(to)), uid_list(uids),
                       db_bool(more_bytes), db_int8(db_quota_bytes(db)),
                       db_int4(STORE_MAILBOX_MESSAGES_MAX)));
}

/* From the rows of the lock (0) and of the copy (1). */
static enum rc read_copied(struct arena *a, const struct db *db, int64_t from, int64_t to,
                           struct store_message_copied *out)
{
    size_t row = locked_row(db, to);

    if (row == SIZE_MAX || locked_row(db, from) == SIZE_MAX)
        return RC_NOT_FOUND;
    if (db_is_null(db, 1, 0, 0))
        return RC_LIMIT;
    out->uidvalidity = (uint32_t)db_get_int(db, 0, row, 1);
    out->modseq = db_get_int(db, 1, 0, 1);
    read_uids(a, db, 1, 2, &out->from);
    out->to.n = out->from.n;
    out->to.uid = arena_array(a, out->to.n + 1, sizeof(*out->to.uid));
    for (size_t i = 0; i < out->to.n; i++)
        out->to.uid[i] = (uint32_t)db_get_int(db, 1, 0, 0) + (uint32_t)i;
    out->uidnext = (uint32_t)db_get_int(db, 1, 0, 0) + (uint32_t)out->to.n;
    return RC_OK;
}

enum rc store_message_copy(struct arena *a, struct db *db, int64_t from, int64_t to,
                           const struct store_message_uids *uids,
                           struct store_message_copied *out)
{
    enum rc rc;

    *out = (struct store_message_copied){ 0 };
    CHECK(store_ids_account_of(from) == store_ids_account_of(to));
    queue_lock(db, from, to);
    queue_copy(db, from, to, uids, true);
    rc = db_flush(db);
    return rc == RC_OK ? read_copied(a, db, from, to, out) : rc;
}

enum rc store_message_move(struct arena *a, struct db *db, int64_t from, int64_t to,
                           const struct store_message_uids *uids,
                           struct store_message_copied *out)
{
    bool own = !db_in_transaction(db);
    enum rc rc;

    *out = (struct store_message_copied){ 0 };
    CHECK(store_ids_account_of(from) == store_ids_account_of(to));
    if (own)
        db_begin(db);
    queue_lock(db, from, to);
    queue_copy(db, from, to, uids, false);
    queue_expunge(db, from, 0, uids, 0);
    rc = db_flush(db);
    if (rc == RC_OK)
        rc = read_copied(a, db, from, to, out);
    if (rc == RC_OK && db_rows(db, 2) > 0)
        out->from_modseq = db_get_int(db, 2, 0, 0);
    /* Without a destination the expunge above must not stand. */
    if (own && rc == RC_OK)
        rc = db_commit(db);
    if (own && rc != RC_OK)
        db_rollback(db);
    return rc;
}

static enum rc write_append(struct db *db, int64_t mailbox, int64_t body_id,
                            int64_t token, struct store_message_append *m)
{
    enum { APPENDED = 1 }; /* statement 0 is the lock */
    size_t row;
    enum rc rc;

    /* The megabytes first: a host that vanished amidst them would leave the mailbox
     * locked until PostgreSQL notices. */
    store_body_put(NULL, db, body_id, token, S(""), m->message);
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    queue_lock(db, mailbox, mailbox);
    db_queue(db, &stmt_append,
             DB_PARAMS(db_int8(mailbox), db_int8(base_of(mailbox)),
                       db_int4((int64_t)m->message.n), db_int8(body_id),
                       m->dated ? db_int8(m->idate_unix) : db_null(DB_INT8),
                       db_int4(m->flags), db_int8(db_quota_bytes(db)),
                       db_int4(STORE_MAILBOX_MESSAGES_MAX)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    row = locked_row(db, mailbox);
    if (row == SIZE_MAX)
        return RC_NOT_FOUND;
    if (db_rows(db, APPENDED) == 0)
        return RC_LIMIT;
    m->uid = (uint32_t)db_get_int(db, APPENDED, 0, 0);
    m->uidnext = m->uid + 1;
    m->modseq = db_get_int(db, APPENDED, 0, 1);
    m->uidvalidity = (uint32_t)db_get_int(db, 0, row, 1);
    return RC_OK;
}

/* The connection died in the commit.  Taking the mailbox's lock waits for the old
 * transaction if it is still at work; then the row is there or it never will be. */
static enum rc find_appended(struct db *db, int64_t mailbox, int64_t body_id,
                             int64_t token)
{
    bool mine = false;
    enum rc rc = db_connect(db, deadline_in_ms(RECOVER_MS));

    if (rc == RC_OK) {
        queue_lock(db, mailbox, mailbox);
        db_queue(db, &stmt_appended, DB_PARAMS(db_int8(mailbox), db_int8(body_id)));
        rc = db_flush(db);
    }
    if (rc == RC_OK && db_rows(db, 1) == 0)
        rc = RC_RETRY;
    if (rc == RC_OK)
        rc = store_body_is_mine(db, body_id, token, &mine);
    return rc == RC_OK && !mine ? RC_RETRY : rc;
}

enum rc store_message_append(struct db *db, int64_t mailbox,
                             struct store_message_append *m)
{
    int64_t body_id = store_ids_new_body(), token = (int64_t)crypto_random_u64();
    bool own = !db_in_transaction(db);
    enum rc rc;

    if (m->message.n > STORE_BODY_MAX)
        return RC_LIMIT;
    if (own)
        db_begin(db);
    rc = write_append(db, mailbox, body_id, token, m);
    if (!own)
        return rc;
    if (rc != RC_OK) {
        db_rollback(db);
        return rc == RC_EXISTS ? RC_RETRY : rc;
    }
    rc = db_commit(db);
    return rc != RC_OK && db_unsure(db) ? find_appended(db, mailbox, body_id, token) : rc;
}
