/* store_device.c - tokens come and are renewed with each login of a device. */
#include "store/store_device.h"

DB_STATEMENT(
    stmt_put, "device_put",
    "INSERT INTO device (account_id, token, renewed) VALUES ($1, $2, now_unix()) "
    "ON CONFLICT (account_id, token) DO UPDATE SET renewed = excluded.renewed");
DB_STATEMENT(stmt_trim, "device_trim",
             "DELETE FROM device WHERE account_id = $1 AND token IN"
             " (SELECT token FROM device WHERE account_id = $1"
             "  ORDER BY renewed DESC, token DESC OFFSET $2)");
DB_STATEMENT(stmt_delete, "device_delete",
             "DELETE FROM device WHERE account_id = $1 AND token = $2");
DB_STATEMENT(stmt_list, "device_list",
             "SELECT token FROM device WHERE account_id = $1"
             " AND renewed > now_unix() - $2 * 86400 ORDER BY renewed DESC, token DESC");

enum rc store_device_put(struct db *db, int64_t account, str_t token)
{
    if (token.n > STORE_DEVICE_TOKEN_BYTES_MAX)
        return RC_LIMIT;
    db_queue(db, &stmt_put, DB_PARAMS(db_int8(account), db_text(token)));
    db_queue(db, &stmt_trim,
             DB_PARAMS(db_int8(account), db_int8(STORE_DEVICE_TOKENS_MAX)));
    return db_flush(db);
}

enum rc store_device_delete(struct db *db, int64_t account, str_t token)
{
    enum rc rc = db_run(db, &stmt_delete, DB_PARAMS(db_int8(account), db_text(token)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_device_list(struct arena *a, struct db *db, int64_t account, str_t **out,
                          size_t *n)
{
    enum rc rc =
        db_run(db, &stmt_list, DB_PARAMS(db_int8(account), db_int8(STORE_DEVICE_DAYS)));

    *n = 0;
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = arena_str(a, db_get_str(db, 0, i, 0));
    return RC_OK;
}
