/* store_dkim.c - which keys sign follows from the rows alone, by PostgreSQL's clock. */
#include "store/store_dkim.h"

DB_STATEMENT(stmt_forget, "dkim_forget",
             "DELETE FROM dkim_key WHERE withdrawn > 0 AND withdrawn <= now_unix()");
DB_STATEMENT(stmt_used, "dkim_used",
             "SELECT selector, private FROM dkim_key WHERE domain = $1 AND used > 0 "
             "AND retired = 0 ORDER BY selector LIMIT $2");
/* "dkim" in ASCII, as a number. */
DB_STATEMENT(stmt_lock, "dkim_lock", "SELECT pg_advisory_xact_lock(1684760941)");
DB_STATEMENT(stmt_add, "dkim_add",
             "INSERT INTO dkim_key (domain, selector, record, made, used, private) "
             "VALUES ($1, $2, $3, now_unix(), CASE WHEN $4 THEN now_unix() ELSE 0 END, "
             "$5) ON CONFLICT DO NOTHING");
DB_STATEMENT(stmt_change, "dkim_change",
             "UPDATE dkim_key SET"
             " retired = CASE WHEN used > 0 THEN now_unix() ELSE 0 END,"
             " withdrawn = CASE WHEN used > 0 THEN now_unix() + $2 ELSE 0 END,"
             " used = CASE WHEN used > 0 THEN used ELSE now_unix() END "
             "WHERE domain = $1 AND retired = 0 AND EXISTS"
             " (SELECT FROM dkim_key n WHERE n.domain = $1 AND n.used = 0)");
DB_STATEMENT(stmt_reseal, "dkim_reseal",
             "UPDATE dkim_key SET private = $4 "
             "WHERE domain = $1 AND selector = $2 AND private = $3");
DB_STATEMENT(stmt_list, "dkim_list",
             "SELECT selector, record, made, used, retired, withdrawn FROM dkim_key "
             "WHERE domain = $1 ORDER BY made, selector LIMIT $2");
DB_STATEMENT(stmt_now, "dkim_now", "SELECT now_unix()");

enum rc store_dkim_used(struct arena *a, struct db *db, str_t domain,
                        struct store_dkim_key **out, size_t *n)
{
    enum rc rc;

    *n = 0;
    db_queue(db, &stmt_forget, DB_NO_PARAMS);
    db_queue(db, &stmt_used, DB_PARAMS(db_text(domain), db_int8(STORE_DKIM_USED_MAX)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 1);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] =
            (struct store_dkim_key){ .domain = domain,
                                     .selector = arena_str(a, db_get_str(db, 1, i, 0)),
                                     .sealed = arena_str(a, db_get_str(db, 1, i, 1)) };
    return RC_OK;
}

enum rc store_dkim_lock(struct db *db)
{
    return db_run(db, &stmt_lock, DB_NO_PARAMS);
}

enum rc store_dkim_add(struct db *db, const struct store_dkim_key *key, bool used)
{
    enum rc rc =
        db_run(db, &stmt_add,
               DB_PARAMS(db_text(key->domain), db_text(key->selector),
                         db_text(key->record), db_bool(used), db_bytes(key->sealed)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_EXISTS;
}

enum rc store_dkim_change(struct db *db, str_t domain, int64_t withdrawn_after_s)
{
    enum rc rc =
        db_run(db, &stmt_change, DB_PARAMS(db_text(domain), db_int8(withdrawn_after_s)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) > 0 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_dkim_reseal(struct db *db, const struct store_dkim_key *key, str_t sealed)
{
    return db_run(db, &stmt_reseal,
                  DB_PARAMS(db_text(key->domain), db_text(key->selector),
                            db_bytes(key->sealed), db_bytes(sealed)));
}

enum rc store_dkim_list(struct arena *a, struct db *db, str_t domain,
                        struct store_dkim_key **out, size_t *n, int64_t *now_unix)
{
    enum rc rc;

    *n = 0;
    db_queue(db, &stmt_list, DB_PARAMS(db_text(domain), db_int8(STORE_DKIM_LIST_MAX)));
    db_queue(db, &stmt_now, DB_NO_PARAMS);
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *now_unix = db_get_int(db, 1, 0, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct store_dkim_key){
            .domain = domain,
            .selector = arena_str(a, db_get_str(db, 0, i, 0)),
            .record = arena_str(a, db_get_str(db, 0, i, 1)),
            .made_unix = db_get_int(db, 0, i, 2),
            .used_unix = db_get_int(db, 0, i, 3),
            .retired_unix = db_get_int(db, 0, i, 4),
            .withdrawn_unix = db_get_int(db, 0, i, 5),
        };
    return RC_OK;
}
