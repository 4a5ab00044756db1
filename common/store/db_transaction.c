/* db_transaction.c - the begin, commit and rollback of the callers, and what is known of
 * a commit that was not answered. */
#include "store/db_private.h"

#include "base/log.h"

#include <string.h>

static struct db_statement stmt_commit = { .name = "commit",
                                           .sql = "COMMIT",
                                           .commits = true };
static struct db_statement stmt_rollback = { .name = "rollback", .sql = "ROLLBACK" };

void db_begin(struct db *db)
{
    CHECK(db->tx == TX_NONE && db->pending_count == 0);
    db->tx = TX_WANTED;
    db->lost = false;
    db->committing = false;
}

enum rc db_commit(struct db *db)
{
    enum rc rc;

    CHECK(db->tx != TX_NONE);
    if (db->tx == TX_WANTED) {
        db->tx = TX_NONE; /* nothing was done in it */
        rc = db->trouble;
        db->trouble = RC_OK;
        return rc;
    }
    db_pipeline_add(db, &stmt_commit, DB_NO_PARAMS, false);
    rc = db_flush(db);
    if (rc == RC_OK)
        db->tx = TX_NONE;
    else
        db_rollback(db);
    return rc;
}

/* The ROLLBACK of an open transaction, which the connection does not survive otherwise.
 */
static void undo(struct db *db)
{
    enum rc rc;

    db->tx = TX_OPEN;
    db_pipeline_add(db, &stmt_rollback, DB_NO_PARAMS, false);
    rc = db_flush(db);
    if (rc != RC_OK || PQtransactionStatus(db->conn) != PQTRANS_IDLE)
        db_connect_drop(db);
}

void db_rollback(struct db *db)
{
    bool open = db->tx == TX_OPEN || db->tx == TX_FAILED;
    bool lost = db->lost, committing = db->committing;
    char state[sizeof(db->sqlstate)];

    /* What led here is what will be asked for. */
    memcpy(state, db->sqlstate, sizeof(state));
    db->trouble = RC_OK;
    db->relax = false;
    /* What was queued outside a transaction would be committed by the Sync that gets it
     * out of the way. */
    if (db->pending_count > 0 && !open)
        db_connect_drop(db);
    if (open && db->conn != NULL)
        undo(db);
    db->tx = TX_NONE;
    db_result_clear(db);
    memcpy(db->sqlstate, state, sizeof(state));
    db->lost = lost;
    db->committing = committing;
}

bool db_in_transaction(const struct db *db)
{
    return db->tx != TX_NONE;
}

void db_relax(struct db *db)
{
    if (db->tx == TX_NONE && db->pending_count == 0)
        db->relax = true;
}

bool db_lost(const struct db *db)
{
    return db->lost;
}

bool db_unsure(const struct db *db)
{
    return db->lost && db->committing;
}
