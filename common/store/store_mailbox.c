/* store_mailbox.c - folders.  The row of folder 0 is the lock for the account's list. */
#include "store/store_mailbox.h"

#include "base/log.h"
#include "store/store_ids.h"

enum { POLL_MAX = 4096 };

#define COLUMNS "id, name, uidvalidity, uidnext, modseq, nmsg, subscribed, use"

DB_STATEMENT(stmt_list, "mailbox_list",
             "SELECT " COLUMNS " FROM mailbox WHERE id BETWEEN $1 AND $2 ORDER BY id");
DB_STATEMENT(stmt_find, "mailbox_find",
             "SELECT " COLUMNS " FROM mailbox WHERE id BETWEEN $1 AND $2 AND name = $3 "
             "ORDER BY id");
DB_STATEMENT(stmt_get, "mailbox_get", "SELECT " COLUMNS " FROM mailbox WHERE id = $1");
DB_STATEMENT(stmt_lock, "mailbox_lock",
             "SELECT id FROM mailbox WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE");
DB_STATEMENT(stmt_create, "mailbox_create",
             "WITH base AS MATERIALIZED (SELECT id, next_folder,"
             "  greatest(next_validity, now_unix()::int4) AS validity"
             "  FROM mailbox WHERE id = $1), "
             "have AS MATERIALIZED (SELECT count(*) AS n,"
             "  coalesce(bool_or(name = $3), false) AS taken"
             "  FROM mailbox WHERE id BETWEEN $1 AND $2), "
             "i AS (INSERT INTO mailbox (id, name, use, uidvalidity, modseq)"
             "  SELECT base.id + base.next_folder, $3, $4, base.validity, now_us()"
             "  FROM base, have WHERE NOT have.taken AND have.n < $5"
             "  AND base.id + base.next_folder <= $2 RETURNING id), "
             "u AS (UPDATE mailbox m SET next_folder = m.next_folder + 1,"
             "  next_validity = base.validity + 1 FROM base, i WHERE m.id = base.id) "
             "SELECT (SELECT id FROM i), taken, EXISTS (SELECT 1 FROM base) FROM have");
DB_STATEMENT(stmt_delete_messages, "mailbox_delete_messages",
             "WITH d AS (DELETE FROM message WHERE mailbox_id = $1 RETURNING size) "
             "UPDATE mailbox SET bytes = bytes - (SELECT coalesce(sum(size), 0)::int8"
             " FROM d) WHERE id = $2");
DB_STATEMENT(stmt_delete_log, "mailbox_delete_log",
             "DELETE FROM expunged WHERE mailbox_id = $1");
DB_STATEMENT(stmt_delete, "mailbox_delete", "DELETE FROM mailbox WHERE id = $1");
DB_STATEMENT(stmt_rename, "mailbox_rename",
             "WITH me AS MATERIALIZED (SELECT name FROM mailbox WHERE id = $1), "
             "tree AS MATERIALIZED (SELECT x.id, $4 || substr(x.name,"
             "  length(me.name) + 1) AS name FROM mailbox x, me"
             "  WHERE x.id BETWEEN $2 AND $3"
             "  AND (x.id = $1 OR starts_with(x.name, me.name || $5))), "
             "taken AS MATERIALIZED (SELECT count(*) AS n FROM mailbox x, tree t"
             "  WHERE x.id BETWEEN $2 AND $3 AND x.name = t.name), "
             "u AS (UPDATE mailbox x SET name = t.name FROM tree t, taken"
             "  WHERE x.id = t.id AND taken.n = 0) "
             "SELECT taken.n, (SELECT count(*) FROM me) FROM taken");
DB_STATEMENT(stmt_subscribe, "mailbox_subscribe",
             "UPDATE mailbox SET subscribed = $2 WHERE id = $1");
DB_STATEMENT(stmt_counts, "mailbox_counts",
             "SELECT m.uidnext, m.uidvalidity, m.modseq, m.nmsg,"
             " (SELECT count(*) FROM message x WHERE x.mailbox_id = m.id"
             "  AND x.flags & 1 = 0),"
             " (SELECT count(*) FROM message x WHERE x.mailbox_id = m.id"
             "  AND x.flags & 8 <> 0),"
             " (SELECT coalesce(sum(x.size), 0)::int8 FROM message x"
             "  WHERE x.mailbox_id = m.id) FROM mailbox m WHERE m.id = $1");
DB_STATEMENT(
    stmt_quota, "mailbox_quota",
    "SELECT b.bytes, quota_of(b.own_quota, $3), (SELECT sum(nmsg)::int8 FROM mailbox"
    " WHERE id BETWEEN $1 AND $2) FROM mailbox b WHERE b.id = $1");
DB_STATEMENT(stmt_poll, "mailbox_poll",
             "SELECT id, modseq, uidnext FROM mailbox WHERE id = ANY($1) ORDER BY id");

static struct db_param first_of(int64_t account)
{
    return db_int8(store_ids_mailbox(account, STORE_IDS_INBOX));
}

static struct db_param last_of(int64_t account)
{
    return db_int8(store_ids_mailbox(account, STORE_IDS_FOLDER_MAX));
}

static void read_row(struct arena *a, const struct db *db, size_t row,
                     struct store_mailbox *out)
{
    out->id = db_get_int(db, 0, row, 0);
    out->name = arena_str(a, db_get_str(db, 0, row, 1));
    out->uidvalidity = (uint32_t)db_get_int(db, 0, row, 2);
    out->uidnext = (uint32_t)db_get_int(db, 0, row, 3);
    out->modseq = db_get_int(db, 0, row, 4);
    out->messages = (uint32_t)db_get_int(db, 0, row, 5);
    out->subscribed = db_get_bool(db, 0, row, 6);
    out->use = (int)db_get_int(db, 0, row, 7);
}

static enum rc read_one(struct arena *a, struct db *db, enum rc rc,
                        struct store_mailbox *out)
{
    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    read_row(a, db, 0, out);
    return RC_OK;
}

enum rc store_mailbox_list(struct arena *a, struct db *db, int64_t account,
                           struct store_mailbox **out, size_t *n)
{
    enum rc rc = db_run(db, &stmt_list, DB_PARAMS(first_of(account), last_of(account)));

    *n = 0;
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        read_row(a, db, i, &(*out)[i]);
    return RC_OK;
}

enum rc store_mailbox_find(struct arena *a, struct db *db, int64_t account, str_t name,
                           struct store_mailbox *out)
{
    if (str_eq_nocase(name, S("INBOX")))
        return store_mailbox_get(a, db, store_ids_mailbox(account, STORE_IDS_INBOX), out);
    return read_one(a, db,
                    db_run(db, &stmt_find,
                           DB_PARAMS(first_of(account), last_of(account), db_text(name))),
                    out);
}

enum rc store_mailbox_get(struct arena *a, struct db *db, int64_t id,
                          struct store_mailbox *out)
{
    return read_one(a, db, db_run(db, &stmt_get, DB_PARAMS(db_int8(id))), out);
}

static void queue_lock(struct db *db, int64_t id)
{
    const int64_t ids[] = { store_ids_mailbox(store_ids_account_of(id), STORE_IDS_INBOX),
                            id };

    db_queue(db, &stmt_lock, DB_PARAMS(db_int8s(ids, ARRAY_LEN(ids))));
}

enum rc store_mailbox_create(struct db *db, int64_t account, str_t name,
                             enum store_mailbox_use use, int64_t *id)
{
    enum rc rc;

    if (name.n == 0 || name.n > STORE_MAILBOX_NAME_MAX)
        return RC_LIMIT;
    if (str_eq_nocase(name, S("INBOX")))
        return RC_EXISTS;
    queue_lock(db, store_ids_mailbox(account, STORE_IDS_INBOX));
    db_queue(db, &stmt_create,
             DB_PARAMS(first_of(account), last_of(account), db_text(name), db_int2(use),
                       db_int8(STORE_MAILBOX_COUNT_MAX)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    if (!db_get_bool(db, 1, 0, 2))
        return RC_NOT_FOUND;
    if (db_get_bool(db, 1, 0, 1))
        return RC_EXISTS;
    if (db_is_null(db, 1, 0, 0))
        return RC_LIMIT;
    *id = db_get_int(db, 1, 0, 0);
    return RC_OK;
}

enum rc store_mailbox_delete(struct db *db, int64_t id)
{
    enum rc rc;

    if (store_ids_folder_of(id) == STORE_IDS_INBOX)
        return RC_DENIED;
    queue_lock(db, id);
    db_queue(db, &stmt_delete_messages,
             DB_PARAMS(db_int8(id), first_of(store_ids_account_of(id))));
    db_queue(db, &stmt_delete_log, DB_PARAMS(db_int8(id)));
    db_queue(db, &stmt_delete, DB_PARAMS(db_int8(id)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    return db_affected(db, 3) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_mailbox_rename(struct db *db, int64_t id, str_t to, char separator)
{
    int64_t account = store_ids_account_of(id);
    enum rc rc;

    if (store_ids_folder_of(id) == STORE_IDS_INBOX)
        return RC_DENIED;
    if (to.n == 0 || to.n > STORE_MAILBOX_NAME_MAX)
        return RC_LIMIT;
    if (str_eq_nocase(to, S("INBOX")))
        return RC_EXISTS;
    queue_lock(db, id);
    db_queue(db, &stmt_rename,
             DB_PARAMS(db_int8(id), first_of(account), last_of(account), db_text(to),
                       db_text(str_n(&separator, 1))));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    if (db_get_int(db, 1, 0, 1) == 0)
        return RC_NOT_FOUND;
    return db_get_int(db, 1, 0, 0) > 0 ? RC_EXISTS : RC_OK;
}

enum rc store_mailbox_subscribe(struct db *db, int64_t id, bool on)
{
    enum rc rc = db_run(db, &stmt_subscribe, DB_PARAMS(db_int8(id), db_bool(on)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_mailbox_counts(struct db *db, int64_t id, struct store_mailbox_counts *out)
{
    enum rc rc = db_run(db, &stmt_counts, DB_PARAMS(db_int8(id)));

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    out->uidnext = (uint32_t)db_get_int(db, 0, 0, 0);
    out->uidvalidity = (uint32_t)db_get_int(db, 0, 0, 1);
    out->modseq = db_get_int(db, 0, 0, 2);
    out->messages = (uint32_t)db_get_int(db, 0, 0, 3);
    out->unseen = (uint32_t)db_get_int(db, 0, 0, 4);
    out->deleted = (uint32_t)db_get_int(db, 0, 0, 5);
    out->bytes = db_get_int(db, 0, 0, 6);
    return RC_OK;
}

enum rc store_mailbox_quota(struct db *db, int64_t account,
                            struct store_mailbox_quota *out)
{
    enum rc rc = db_run(
        db, &stmt_quota,
        DB_PARAMS(first_of(account), last_of(account), db_int8(db_quota_bytes(db))));

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    out->used_bytes = db_get_int(db, 0, 0, 0);
    out->limit_bytes = db_get_int(db, 0, 0, 1);
    out->messages = db_get_int(db, 0, 0, 2);
    return RC_OK;
}

enum rc store_mailbox_poll(struct arena *a, struct db *db, const int64_t *ids, size_t n,
                           struct store_mailbox_mark **out, size_t *found)
{
    enum rc rc;

    *found = 0;
    if (n > POLL_MAX)
        return RC_LIMIT;
    rc = db_run(db, &stmt_poll, DB_PARAMS(db_int8s(ids, n)));
    if (rc != RC_OK)
        return rc;
    *found = db_rows(db, 0);
    *out = arena_array(a, *found + 1, sizeof(**out));
    for (size_t i = 0; i < *found; i++) {
        (*out)[i].id = db_get_int(db, 0, i, 0);
        (*out)[i].modseq = db_get_int(db, 0, i, 1);
        (*out)[i].uidnext = (uint32_t)db_get_int(db, 0, i, 2);
    }
    return RC_OK;
}
