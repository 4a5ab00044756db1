/* store_account_show.c - one statement, which reads the mailboxes of this account alone.
 */
#include "store/store_account_show.h"

/* The brackets count: the last mailbox of the last account has the greatest int8. */
DB_STATEMENT(stmt_show, "account_show",
             "SELECT a.id, a.addr, a.state, a.flags, quota_of(i.own_quota, $2),"
             " i.own_quota <> 0, i.bytes, m.messages, m.mailboxes, a.created_day,"
             " a.seen_day "
             "FROM account a JOIN mailbox i ON i.id = a.id << 18, LATERAL"
             " (SELECT sum(nmsg)::int8 AS messages, count(*) AS mailboxes FROM mailbox"
             "  WHERE id BETWEEN a.id << 18 AND (a.id << 18) + ((1::int8 << 18) - 1)) m "
             "WHERE a.addr = $1");

enum rc store_account_show(struct arena *a, struct db *db, str_t address,
                           struct store_account_show *out)
{
    enum rc rc =
        db_run(db, &stmt_show, DB_PARAMS(db_text(address), db_int8(db_quota_bytes(db))));

    if (rc != RC_OK)
        return rc;
    if (db_rows(db, 0) == 0)
        return RC_NOT_FOUND;
    *out = (struct store_account_show){
        .id = db_get_int(db, 0, 0, 0),
        .address = arena_str(a, db_get_str(db, 0, 0, 1)),
        .state = (int)db_get_int(db, 0, 0, 2),
        .flags = (uint32_t)db_get_int(db, 0, 0, 3),
        .quota_bytes = db_get_int(db, 0, 0, 4),
        .has_own_quota = db_get_bool(db, 0, 0, 5),
        .used_bytes = db_get_int(db, 0, 0, 6),
        .messages = db_get_int(db, 0, 0, 7),
        .mailboxes = db_get_int(db, 0, 0, 8),
        .created_day = (int32_t)db_get_int(db, 0, 0, 9),
        .seen_day = (int32_t)db_get_int(db, 0, 0, 10),
    };
    return RC_OK;
}
