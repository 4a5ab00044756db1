/* db_private.h - what the files of db.h share: db.c (life), db_connect.c, db_pipeline.c,
 * db_transaction.c and db_result.c.  Nobody else. */
#pragma once

#include "base/deadline.h"
#include "store/db.h"
#include "store/db_server.h"

#include <libpq-fe.h>

enum { DB_STATEMENTS_MAX = 1024, DB_MESSAGE_BYTES = 256 };

enum db_transaction {
    TX_NONE,
    TX_WANTED, /* BEGIN goes with the next statement */
    TX_OPEN,
    TX_FAILED, /* only db_rollback leads out */
};

struct db_pending {
    struct db_statement *statement;
    int64_t queued_us; /* monotonic; sending begins here */
    bool prepare;      /* its Parse, not its execution */
    bool visible;      /* its rows belong to the caller */
};

struct db {
    struct db_server *server;
    int connect_timeout_ms, deadline_ms;
    int64_t quota_bytes;
    PGconn *conn;
    struct arena *scratch; /* parameters while they are queued */
    struct db_pending *pending;
    size_t pending_count;
    PGresult **results; /* of the last flush */
    size_t result_count;
    size_t unsent; /* [bytes] queued since the last pump, about */
    unsigned char prepared[DB_STATEMENTS_MAX];
    enum db_transaction tx;
    enum rc trouble; /* kept for db_flush */
    enum rc tx_rc;   /* what made the transaction fail */
    bool relax;
    uint64_t number; /* of the connection */
    bool lost;
    bool committing; /* the server may have committed, and has not said that it did not */
    char sqlstate[6];
    char message[DB_MESSAGE_BYTES]; /* of the last script that failed */
};

/* The transaction that is open, if one is. */
static inline void db_private_fail(struct db *db, enum rc rc)
{
    if (db->tx != TX_OPEN)
        return;
    db->tx = TX_FAILED;
    db->tx_rc = rc;
}

/* db_connect.c: a connection that a server's goodbye was looked for on, or a new one. */
enum rc db_connect_ready(struct db *db) RC_CHECKED;
void db_connect_drop(struct db *db);
void db_connect_metrics(void); /* registers them; once is enough */
/* Drop it after something was sent: nobody knows what the server made of it.  RC_RETRY.
 */
enum rc db_connect_lose(struct db *db);

/* db_pipeline.c.  Behind those that wait; the rows are the caller's if visible. */
void db_pipeline_add(struct db *db, struct db_statement *s, const struct db_param *params,
                     size_t n, bool visible);
/* False: connection lost or too late.  *out is NULL at the end of a command. */
bool db_pipeline_next(struct db *db, struct deadline until, PGresult **out);

/* db_result.c.  error: notes it, and says what it means to the caller; s is NULL in the
 * answer to the Sync, which commits what is outside db_begin, and in scripts. */
void db_result_clear(struct db *db);
enum rc db_result_error(struct db *db, const struct db_statement *s, const PGresult *r);
