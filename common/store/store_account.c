/* store_account.c - one row per account, one row for its INBOX from the start. */
#include "store/store_account.h"

#include "base/log.h"
#include "store/store_ids.h"
#include "store/store_mailbox.h"

enum { RESOLVE_MAX = 4096, LIST_MAX = 10000 };

#define COLUMNS                                                                          \
    "a.id, a.addr, a.pwhash, a.state, a.flags, m.own_quota, a.created_day, "             \
    "a.seen_day, today()"
#define FROM_ACCOUNT "FROM account a JOIN mailbox m ON m.id = a.id << 18 "

DB_STATEMENT(stmt_find, "account_find",
             "SELECT " COLUMNS " " FROM_ACCOUNT "WHERE a.addr = $1");
DB_STATEMENT(stmt_get, "account_get",
             "SELECT " COLUMNS " " FROM_ACCOUNT "WHERE a.id = $1");
#define REACHES(those)                                                                   \
    "EXISTS (SELECT FROM account r JOIN mailbox m ON m.id = r.id << 18"                  \
    "  WHERE r.addr = " those " AND r.state = 0"                                         \
    "  AND m.bytes + $2 <= quota_of(m.own_quota, $3) AND m.nmsg < $4)"
/* One address, not a list: every message asks this. */
DB_STATEMENT(stmt_sender, "account_sender",
             "SELECT a.state, " REACHES("$1") ", EXISTS (SELECT FROM alias)"
                                              " FROM account a WHERE a.id = $5");
DB_STATEMENT(stmt_reaches, "account_reaches", "SELECT " REACHES("ANY($1)"));
DB_STATEMENT(stmt_list, "account_list",
             "SELECT " COLUMNS " " FROM_ACCOUNT "WHERE a.addr > $1 "
             "ORDER BY a.addr LIMIT $2");
/* A lost race is no error of the server's, which would write the address into its log. */
#define CREATE_FROM(source)                                                              \
    "a AS (INSERT INTO account (id, addr, pwhash, flags, created_day, seen_day)"         \
    "  SELECT $1, $2, $3, $4, today(), today() " source                                  \
    "  ON CONFLICT DO NOTHING RETURNING id), "                                           \
    "i AS (INSERT INTO mailbox (id, own_quota, quota, modseq, uidvalidity,"              \
    "  next_validity) SELECT id << 18, $5, quota_of($5, $6), now_us(),"                  \
    "  now_unix()::int4, now_unix()::int4 + 1 FROM a) "

DB_STATEMENT(stmt_create, "account_create", "WITH " CREATE_FROM("") "SELECT id FROM a");
/* A clock that jumps, forward or back, begins another hour.  Who finds that the account
 * is there already has been counted, too. */
DB_STATEMENT(
    stmt_create_counted, "account_create_counted",
    "WITH c AS (UPDATE private_accounts SET hour = now_unix() / 3600,"
    "  made = CASE WHEN hour = now_unix() / 3600 THEN made + 1 ELSE 1 END"
    "  WHERE hour <> now_unix() / 3600 OR made < $7 RETURNING made), " CREATE_FROM(
        "FROM c") "SELECT (SELECT id FROM a), (SELECT made FROM c)");
DB_STATEMENT(stmt_private, "account_private",
             "SELECT made FROM private_accounts WHERE hour = now_unix() / 3600");
DB_STATEMENT(stmt_taken, "account_taken", "SELECT 1 FROM account WHERE addr = $1");
DB_STATEMENT(stmt_password, "account_password",
             "UPDATE account SET pwhash = $2 WHERE id = $1");
DB_STATEMENT(stmt_state, "account_state", "UPDATE account SET state = $2 WHERE id = $1");
/* One statement, so that what somebody else changes in the same word stays. */
DB_STATEMENT(stmt_encrypted_only, "account_encrypted_only",
             "UPDATE account SET flags = CASE WHEN $2 THEN flags & ~1 ELSE flags | 1 END "
             "WHERE addr = $1");
DB_STATEMENT(stmt_quota, "account_quota",
             "UPDATE mailbox SET own_quota = $2, quota = quota_of($2, $3) "
             "WHERE id = $1");
DB_STATEMENT(
    stmt_seen, "account_seen",
    "UPDATE account SET seen_day = today() WHERE id = $1 AND seen_day < today()");
/* Gateways write the same rows at about the same time: nobody waits for another. */
DB_STATEMENT(stmt_seen_all, "account_seen_all",
             "UPDATE account SET seen_day = today() WHERE ctid = ANY(ARRAY("
             " SELECT ctid FROM account WHERE id = ANY($1) AND seen_day < today()"
             " FOR NO KEY UPDATE SKIP LOCKED))");
DB_STATEMENT(stmt_resolve, "account_resolve",
             "SELECT addr, id FROM account WHERE addr = ANY($1) AND state = 0");
DB_STATEMENT(stmt_count, "account_count", "SELECT count(*) FROM account");

/* Removal: the account row first, so that only one remover goes on; then the mailboxes in
 * order of id, as everybody locks them. */
DB_STATEMENT(stmt_delete, "account_delete",
             "DELETE FROM account WHERE id = $1 AND seen_day < $2");
DB_STATEMENT(stmt_delete_lock, "account_delete_lock",
             "SELECT id FROM mailbox WHERE id BETWEEN $1 AND $2 ORDER BY id FOR UPDATE");
DB_STATEMENT(stmt_delete_messages, "account_delete_messages",
             "DELETE FROM message WHERE mailbox_id BETWEEN $1 AND $2");
DB_STATEMENT(stmt_delete_expunged, "account_delete_expunged",
             "DELETE FROM expunged WHERE mailbox_id BETWEEN $1 AND $2");
DB_STATEMENT(stmt_delete_mailboxes, "account_delete_mailboxes",
             "DELETE FROM mailbox WHERE id BETWEEN $1 AND $2");
DB_STATEMENT(stmt_delete_devices, "account_delete_devices",
             "DELETE FROM device WHERE account_id = $1");

static void read_row(struct arena *a, const struct db *db, size_t row,
                     struct store_account *out)
{
    out->id = db_get_int(db, 0, row, 0);
    out->address = arena_str(a, db_get_str(db, 0, row, 1));
    out->password_hash = arena_str(a, db_get_str(db, 0, row, 2));
    out->state = (int)db_get_int(db, 0, row, 3);
    out->flags = (uint32_t)db_get_int(db, 0, row, 4);
    out->quota_bytes = db_get_int(db, 0, row, 5);
    out->created_day = (int32_t)db_get_int(db, 0, row, 6);
    out->seen_day = (int32_t)db_get_int(db, 0, row, 7);
    out->today = (int32_t)db_get_int(db, 0, row, 8);
}

static enum rc read_one(struct arena *a, struct db *db, struct db_statement *s,
                        struct db_param key, struct store_account *out)
{
    enum rc rc = db_run(db, s, &key, 1);

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    read_row(a, db, 0, out);
    return RC_OK;
}

enum rc store_account_find(struct arena *a, struct db *db, str_t address,
                           struct store_account *out)
{
    return read_one(a, db, &stmt_find, db_text(address), out);
}

enum rc store_account_get(struct arena *a, struct db *db, int64_t id,
                          struct store_account *out)
{
    return read_one(a, db, &stmt_get, db_int8(id), out);
}

/* From $2 on. */
#define REACHES_PARAMS(db, size)                                                         \
    db_int8(size), db_int8(db_quota_bytes(db)), db_int8(STORE_MAILBOX_MESSAGES_MAX)

enum rc store_account_sender(struct db *db, int64_t id, const str_t *addresses, size_t n,
                             int64_t size, struct store_account_sender *out)
{
    enum rc rc = db_run(db, &stmt_sender,
                        DB_PARAMS(db_text(n > 0 ? addresses[0] : S("")),
                                  REACHES_PARAMS(db, size), db_int8(id)));

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    out->state = (int)db_get_int(db, 0, 0, 0);
    out->reaches = db_get_bool(db, 0, 0, 1);
    out->has_aliases = db_get_bool(db, 0, 0, 2);
    /* The first one nearly always can be reached, and one is enough. */
    if (out->reaches || n <= 1)
        return RC_OK;
    rc = db_run(db, &stmt_reaches,
                DB_PARAMS(db_texts(addresses + 1, n - 1), REACHES_PARAMS(db, size)));
    if (rc == RC_OK)
        out->reaches = db_get_bool(db, 0, 0, 0);
    return rc;
}

static enum rc why_not_made(struct db *db, const struct store_account *n, enum rc rc)
{
    if (rc != RC_OK && rc != RC_EXISTS) /* the latter: a mailbox with this id */
        return rc;
    rc = db_run(db, &stmt_taken, DB_PARAMS(db_text(n->address)));
    if (rc != RC_OK)
        return rc;
    return db_rows(db, 0) > 0 ? RC_EXISTS : RC_CONFLICT;
}

#define CREATE_PARAMS(n)                                                                 \
    db_int8((n)->id), db_text((n)->address), db_text((n)->password_hash),                \
        db_int4((n)->flags), db_int8((n)->quota_bytes), db_int8(db_quota_bytes(db))

enum rc store_account_create(struct db *db, const struct store_account *n)
{
    enum rc rc;

    CHECK(!db_in_transaction(db)); /* who was faster must be seen by why_not_made */
    rc = db_run(db, &stmt_create, DB_PARAMS(CREATE_PARAMS(n)));
    if (rc == RC_OK && db_rows(db, 0) > 0)
        return RC_OK;
    return why_not_made(db, n, rc);
}

enum rc store_account_create_counted(struct db *db, const struct store_account *n,
                                     int64_t per_hour)
{
    enum rc rc;

    CHECK(!db_in_transaction(db)); /* as above */
    rc = db_run(db, &stmt_create_counted, DB_PARAMS(CREATE_PARAMS(n), db_int8(per_hour)));
    if (rc == RC_OK && !db_is_null(db, 0, 0, 0))
        return RC_OK;
    if (rc == RC_OK && db_is_null(db, 0, 0, 1))
        return RC_LIMIT;
    return why_not_made(db, n, rc);
}

enum rc store_account_private_made(struct db *db, int64_t *out)
{
    enum rc rc = db_run(db, &stmt_private, DB_NO_PARAMS);

    if (rc == RC_OK)
        *out = db_rows(db, 0) > 0 ? db_get_int(db, 0, 0, 0) : 0;
    return rc;
}

static enum rc update_one(struct db *db, struct db_statement *s, int64_t id,
                          struct db_param value)
{
    enum rc rc = db_run(db, s, DB_PARAMS(db_int8(id), value));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_account_set_password(struct db *db, int64_t id, str_t hash)
{
    return update_one(db, &stmt_password, id, db_text(hash));
}

enum rc store_account_set_state(struct db *db, int64_t id, int state)
{
    return update_one(db, &stmt_state, id, db_int2(state));
}

enum rc store_account_set_encrypted_only(struct db *db, str_t address, bool on)
{
    enum rc rc;

    _Static_assert(STORE_ACCOUNT_ACCEPT_CLEARTEXT == 1, "the bit in the statement");
    rc = db_run(db, &stmt_encrypted_only, DB_PARAMS(db_text(address), db_bool(on)));
    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_account_set_quota(struct db *db, int64_t id, int64_t bytes)
{
    enum rc rc = db_run(db, &stmt_quota,
                        DB_PARAMS(db_int8(store_ids_mailbox(id, STORE_IDS_INBOX)),
                                  db_int8(bytes), db_int8(db_quota_bytes(db))));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_account_seen(struct db *db, int64_t id)
{
    db_relax(db);
    return db_run(db, &stmt_seen, DB_PARAMS(db_int8(id)));
}

enum rc store_account_seen_all(struct db *db, const int64_t *ids, size_t n)
{
    if (n > STORE_ACCOUNT_SEEN_MAX)
        return RC_LIMIT;
    db_relax(db);
    return db_run(db, &stmt_seen_all, DB_PARAMS(db_int8s(ids, n)));
}

static enum rc delete_contents(struct db *db, int64_t id)
{
    struct db_param first = db_int8(store_ids_mailbox(id, 0));
    struct db_param last = db_int8(store_ids_mailbox(id, STORE_IDS_FOLDER_MAX));

    db_queue(db, &stmt_delete_lock, DB_PARAMS(first, last));
    db_queue(db, &stmt_delete_messages, DB_PARAMS(first, last));
    db_queue(db, &stmt_delete_expunged, DB_PARAMS(first, last));
    db_queue(db, &stmt_delete_mailboxes, DB_PARAMS(first, last));
    db_queue(db, &stmt_delete_devices, DB_PARAMS(db_int8(id)));
    return db_flush(db);
}

enum rc store_account_delete(struct db *db, int64_t id, int32_t seen_before_day)
{
    bool own = !db_in_transaction(db);
    enum rc rc;

    if (own)
        db_begin(db);
    rc = db_run(db, &stmt_delete, DB_PARAMS(db_int8(id), db_int4(seen_before_day)));
    if (rc == RC_OK && db_affected(db, 0) == 0)
        rc = RC_NOT_FOUND;
    if (rc == RC_OK)
        rc = delete_contents(db, id);
    if (own && rc == RC_OK)
        rc = db_commit(db);
    if (own && rc != RC_OK)
        db_rollback(db);
    return rc;
}

enum rc store_account_resolve(struct db *db, const str_t *addresses, size_t n,
                              int64_t *ids)
{
    enum rc rc;

    if (n > RESOLVE_MAX)
        return RC_LIMIT;
    rc = db_run(db, &stmt_resolve, DB_PARAMS(db_texts(addresses, n)));
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        ids[i] = 0;
        for (size_t row = 0; row < db_rows(db, 0) && ids[i] == 0; row++)
            if (str_eq(db_get_str(db, 0, row, 0), addresses[i]))
                ids[i] = db_get_int(db, 0, row, 1);
    }
    return RC_OK;
}

enum rc store_account_count(struct db *db, int64_t *out)
{
    enum rc rc = db_run(db, &stmt_count, DB_NO_PARAMS);

    if (rc == RC_OK)
        *out = db_get_int(db, 0, 0, 0);
    return rc;
}

enum rc store_account_list(struct arena *a, struct db *db, str_t after, size_t limit,
                           struct store_account **out, size_t *n)
{
    size_t most = limit < LIST_MAX ? limit : LIST_MAX;
    enum rc rc =
        db_run(db, &stmt_list, DB_PARAMS(db_text(after), db_int8((int64_t)most)));

    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        read_row(a, db, i, &(*out)[i]);
    return RC_OK;
}
