/* store_federation.c - rows of table federation: with which domains mail is exchanged. */
#include "store/store_federation.h"

/* Under a lock that readers do not feel, so that many at once add no row too many. */
DB_STATEMENT(stmt_lock, "federation_lock",
             "LOCK TABLE federation IN SHARE ROW EXCLUSIVE MODE");
DB_STATEMENT(stmt_set, "federation_set",
             "INSERT INTO federation (pattern, directions, blocks, changed) "
             "SELECT $1, $2, $3, now_unix() "
             "WHERE (SELECT count(*) FROM federation WHERE pattern <> $1) < $4 "
             "ON CONFLICT (pattern) DO UPDATE SET directions = excluded.directions,"
             " blocks = excluded.blocks, changed = excluded.changed");
DB_STATEMENT(stmt_remove, "federation_remove",
             "DELETE FROM federation WHERE pattern = $1");
DB_STATEMENT(stmt_list, "federation_list",
             "SELECT pattern, directions, blocks FROM federation ORDER BY pattern");

enum rc store_federation_set(struct db *db, const struct store_federation_row *row)
{
    size_t added;
    enum rc rc;

    db_begin(db);
    db_queue(db, &stmt_lock, DB_NO_PARAMS);
    db_queue(db, &stmt_set,
             DB_PARAMS(db_text(row->pattern), db_int2(row->directions),
                       db_bool(row->blocks), db_int8(STORE_FEDERATION_MAX)));
    rc = db_flush(db);
    if (rc != RC_OK) {
        db_rollback(db);
        return rc;
    }
    added = db_affected(db, 1);
    rc = db_commit(db);
    return rc == RC_OK && added == 0 ? RC_LIMIT : rc;
}

enum rc store_federation_remove(struct db *db, str_t pattern)
{
    enum rc rc = db_run(db, &stmt_remove, DB_PARAMS(db_text(pattern)));

    if (rc != RC_OK)
        return rc;
    return db_affected(db, 0) == 1 ? RC_OK : RC_NOT_FOUND;
}

enum rc store_federation_list(struct arena *a, struct db *db,
                              struct store_federation_row **out, size_t *n)
{
    enum rc rc = db_run(db, &stmt_list, DB_NO_PARAMS);

    *n = 0;
    if (rc != RC_OK)
        return rc;
    *n = db_rows(db, 0);
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct store_federation_row){
            .pattern = arena_str(a, db_get_str(db, 0, i, 0)),
            .directions = (unsigned)db_get_int(db, 0, i, 1),
            .blocks = db_get_bool(db, 0, i, 2),
        };
    return RC_OK;
}
