/* db.c - a db's life, and the two things that are no plain statement: the clock and
 * scripts. */
#include "store/db_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

enum {
    CONNECT_TIMEOUT_MS = 3000,
    STATEMENT_TIMEOUT_MS = 30000,
    DEADLINE_SLACK_MS = 5000,
};

static struct db_statement stmt_clock = {
    .name = "clock", .sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8"
};

const char *db_message(const struct db *db)
{
    return db->message;
}

const char *db_why(const struct db *db)
{
    return db_server_why(db->server);
}

enum rc db_clock_offset_ms(struct db *db, int64_t *out)
{
    int64_t before = clock_unix_ms(), after;
    enum rc rc = db_run(db, &stmt_clock, DB_NO_PARAMS);

    after = clock_unix_ms();
    if (rc == RC_OK)
        *out = db_get_int(db, 0, 0, 0) - (before + (after - before) / 2);
    return rc;
}

static bool run_script(struct db *db, const char *sql, enum rc *rc)
{
    struct deadline until = deadline_in_ms(db->deadline_ms);
    PGresult *r = NULL;

    if (PQsendQuery(db->conn, sql) == 0)
        return false;
    for (;;) {
        if (!db_pipeline_next(db, until, &r))
            return false;
        if (r == NULL)
            return true;
        if (PQresultStatus(r) == PGRES_FATAL_ERROR && *rc == RC_OK) {
            const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

            *rc = db_result_error(db, NULL, r);
            snprintf(db->message, sizeof(db->message), "%s",
                     message == NULL ? "" : message);
        }
        PQclear(r);
    }
}

enum rc db_script(struct db *db, const char *sql)
{
    enum rc rc = RC_OK;

    if (db->tx == TX_WANTED) /* gets the BEGIN sent */
        rc = db_run(db, &stmt_clock, DB_NO_PARAMS);
    else
        rc = db_connect_ready(db);
    if (rc != RC_OK)
        return rc;
    CHECK(db->pending_count == 0);
    if (PQexitPipelineMode(db->conn) == 0 || !run_script(db, sql, &rc) ||
        PQenterPipelineMode(db->conn) == 0)
        return db_connect_lose(db);
    if (rc != RC_OK)
        db_private_fail(db, rc);
    return rc;
}

void db_reset(struct db *db)
{
    if (db->tx != TX_NONE || db->pending_count > 0 || db->trouble != RC_OK)
        db_rollback(db);
    db_result_clear(db);
    db->relax = false;
    CHECK(db->conn == NULL || PQtransactionStatus(db->conn) == PQTRANS_IDLE);
}

struct db *db_new(const struct db_options *o)
{
    struct db *db = mem_alloc(sizeof(*db));
    int statement_ms =
        o->statement_timeout_ms > 0 ? o->statement_timeout_ms : STATEMENT_TIMEOUT_MS;

    db_connect_metrics();
    db->server = db_server_new(o);
    db->connect_timeout_ms =
        o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    db->deadline_ms =
        o->deadline_ms > 0 ? o->deadline_ms : statement_ms + DEADLINE_SLACK_MS;
    db->quota_bytes = o->quota_bytes > 0 ? o->quota_bytes : INT64_C(1) << 50;
    db->scratch = arena_new();
    db->pending = mem_alloc(2 * DB_QUEUE_MAX * sizeof(*db->pending));
    db->results = mem_alloc(2 * DB_QUEUE_MAX * sizeof(PGresult *));
    return db;
}

void db_free(struct db **db)
{
    struct db *d = *db;

    if (d == NULL)
        return;
    db_result_clear(d);
    db_connect_drop(d);
    db_server_free(&d->server);
    arena_free(&d->scratch);
    mem_free(d->pending);
    mem_free(d->results);
    mem_free(d);
    *db = NULL;
}

int64_t db_quota_bytes(const struct db *db)
{
    return db->quota_bytes;
}
