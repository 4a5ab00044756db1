/* store_alias.c - rows of table alias, and what addresses are. */
#include "store/store_alias.h"

DB_STATEMENT(stmt_resolve, "alias_resolve",
             "SELECT addr, NULL::text[], state, flags FROM account WHERE addr = ANY($1) "
             "UNION ALL "
             "SELECT key, targets, NULL, NULL FROM alias WHERE key = ANY($2)");
DB_STATEMENT(stmt_set, "alias_set",
             "INSERT INTO alias (key, targets, changed) VALUES ($1, $2, now_unix()) "
             "ON CONFLICT (key) DO UPDATE SET targets = excluded.targets,"
             " changed = excluded.changed");
DB_STATEMENT(stmt_remove, "alias_remove", "DELETE FROM alias WHERE key = $1");
DB_STATEMENT(stmt_list, "alias_list",
             "SELECT key, targets FROM alias ORDER BY key LIMIT $1");

static void take(struct arena *a, const struct db *db, size_t row,
                 struct store_alias *out)
{
    out->key = arena_str(a, db_get_str(db, 0, row, 0));
    out->targets = db_get_texts(a, db, 0, row, 1, &out->target_count);
}

enum rc store_alias_resolve(struct arena *a, struct db *db, const str_t *addresses,
                            size_t n, const str_t *keys, size_t k,
                            struct store_alias_known *out)
{
    size_t rows;
    enum rc rc;

    *out = (struct store_alias_known){ 0 };
    if (n > STORE_ALIAS_KEYS_MAX || k > STORE_ALIAS_KEYS_MAX)
        return RC_LIMIT;
    rc = db_run(db, &stmt_resolve, DB_PARAMS(db_texts(addresses, n), db_texts(keys, k)));
    if (rc != RC_OK)
        return rc;
    rows = db_rows(db, 0);
    out->account = arena_array(a, rows + 1, sizeof(*out->account));
    out->alias = arena_array(a, rows + 1, sizeof(*out->alias));
    for (size_t i = 0; i < rows; i++) {
        if (db_is_null(db, 0, i, 1))
            out->account[out->accounts++] = (struct store_alias_account){
                .address = arena_str(a, db_get_str(db, 0, i, 0)),
                .state = (int)db_get_int(db, 0, i, 2),
                .flags = (uint32_t)db_get_int(db, 0, i, 3),
            };
        else
            take(a, db, i, &out->alias[out->aliases++]);
    }
    return RC_OK;
}

enum rc store_alias_set(struct db *db, const struct store_alias *alias)
{
    return db_run(
        db, &stmt_set,
        DB_PARAMS(db_text(alias->key), db_texts(alias->targets, alias->target_count)));
}

enum rc store_alias_remove(struct db *db, str_t key)
{
    enum rc rc = db_run(db, &stmt_remove, DB_PARAMS(db_text(key)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_alias_list(struct arena *a, struct db *db, struct store_alias **out,
                         size_t *n)
{
    enum rc rc = db_run(db, &stmt_list, DB_PARAMS(db_int8(STORE_ALIAS_LIST_MAX)));

    *n = 0;
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        take(a, db, i, &(*out)[i]);
    return RC_OK;
}
