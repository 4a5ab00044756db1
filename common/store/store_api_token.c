/* store_api_token.c - found by the hash alone: whoever guesses compares nothing with a
 * token, and an index of hashes tells nothing about one. */
#include "store/store_api_token.h"

DB_STATEMENT(stmt_add, "api_token_add",
             "INSERT INTO api_token (hash, name, created) VALUES ($1, $2, now_unix()) "
             "ON CONFLICT DO NOTHING");
DB_STATEMENT(stmt_find, "api_token_find",
             "SELECT name, used_day, used_day >= today() FROM api_token "
             "WHERE hash = $1 AND revoked = 0");
DB_STATEMENT(stmt_state, "api_token_state",
             "SELECT revoked FROM api_token WHERE hash = $1");
DB_STATEMENT(stmt_used, "api_token_used",
             "UPDATE api_token SET used_day = today() "
             "WHERE hash = $1 AND used_day < today()");
DB_STATEMENT(stmt_list, "api_token_list",
             "SELECT name, created, revoked, used_day, used_day >= today() "
             "FROM api_token ORDER BY name, created, hash LIMIT $1");
DB_STATEMENT(stmt_revoke, "api_token_revoke",
             "UPDATE api_token SET revoked = now_unix() WHERE name = $1 AND revoked = 0");

enum rc store_api_token_add(struct db *db, str_t name, str_t hash)
{
    enum rc rc = db_run(db, &stmt_add, DB_PARAMS(db_bytes(hash), db_text(name)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_EXISTS;
}

static enum rc ensure(struct db *db, str_t name, str_t hash)
{
    enum rc rc = db_run(db, &stmt_state, DB_PARAMS(db_bytes(hash)));

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) > 0)
        return db_get_int(db, 0, 0, 0) == 0 ? RC_OK : RC_DENIED;
    rc = db_run(db, &stmt_revoke, DB_PARAMS(db_text(name)));
    return rc == RC_OK ? store_api_token_add(db, name, hash) : rc;
}

enum rc store_api_token_ensure(struct db *db, str_t name, str_t hash)
{
    enum rc rc;

    db_begin(db);
    rc = ensure(db, name, hash);
    if (rc == RC_OK)
        return db_commit(db);
    db_rollback(db);
    return rc;
}

enum rc store_api_token_find(struct arena *a, struct db *db, str_t hash,
                             struct store_api_token *out)
{
    enum rc rc = db_run(db, &stmt_find, DB_PARAMS(db_bytes(hash)));

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    *out = (struct store_api_token){ .name = arena_str(a, db_get_str(db, 0, 0, 0)),
                                     .used_day = (int32_t)db_get_int(db, 0, 0, 1),
                                     .used_today = db_get_bool(db, 0, 0, 2) };
    return RC_OK;
}

enum rc store_api_token_used(struct db *db, str_t hash)
{
    return db_run(db, &stmt_used, DB_PARAMS(db_bytes(hash)));
}

enum rc store_api_token_list(struct arena *a, struct db *db, struct store_api_token **out,
                             size_t *n)
{
    enum rc rc = db_run(db, &stmt_list, DB_PARAMS(db_int8(STORE_API_TOKENS_MAX)));

    *n = 0;
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct store_api_token){
            .name = arena_str(a, db_get_str(db, 0, i, 0)),
            .created_unix = db_get_int(db, 0, i, 1),
            .revoked_unix = db_get_int(db, 0, i, 2),
            .used_day = (int32_t)db_get_int(db, 0, i, 3),
            .used_today = db_get_bool(db, 0, i, 4),
        };
    return RC_OK;
}

enum rc store_api_token_revoke(struct db *db, str_t name)
{
    enum rc rc = db_run(db, &stmt_revoke, DB_PARAMS(db_text(name)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) > 0 ? RC_OK : RC_NOT_FOUND;
}
