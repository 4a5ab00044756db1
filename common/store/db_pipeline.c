/* db_pipeline.c - statements queued, sent, answered: any number in one round trip.
 *
 * The connection stays in pipeline mode and non-blocking for its whole life: every wait
 * is a poll with the flush's deadline, so neither a hung server nor a full socket can
 * hold the thread.
 */
#include "store/db_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/db_wire.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

static struct db_statement stmt_begin = { .name = "begin", .sql = "BEGIN" };
static struct db_statement stmt_relax = {
    .name = "relax", .sql = "SELECT set_config('synchronous_commit', 'off', true)"
};

enum { PUMP_BYTES = 256 * 1024 /* queued bytes that are sent before more are queued */ };

/* Statements get small numbers at first use anywhere, to index db->prepared. */
static int statement_index(struct db_statement *s)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int count;
    int index = atomic_load_explicit(&s->index, memory_order_acquire);

    if (index != 0)
        return index;
    pthread_mutex_lock(&lock);
    index = atomic_load_explicit(&s->index, memory_order_relaxed);
    if (index == 0) {
        index = ++count;
        CHECK(index < DB_STATEMENTS_MAX);
        /* Statements may share a timer; a histogram's value is free to say "seen". */
        if (s->timer != NULL && atomic_fetch_add(&s->timer->value, 1) == 0)
            metric_register(s->timer);
        atomic_store_explicit(&s->index, index, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return index;
}

/* ---- sending ---- */

/* Write what libpq holds, reading what the server answers meanwhile, until all is out. */
static bool pump(struct db *db, struct deadline until)
{
    int left;

    while ((left = PQflush(db->conn)) > 0)
        if (!db_server_wait(db->conn, POLLIN | POLLOUT, until) ||
            PQconsumeInput(db->conn) == 0)
            return false;
    db->unsent = 0;
    return left == 0;
}

static void remember(struct db *db, struct db_statement *s, int64_t queued_us,
                     bool prepare, bool visible)
{
    db->pending[db->pending_count++] = (struct db_pending){
        .statement = s, .queued_us = queued_us, .prepare = prepare, .visible = visible
    };
}

static bool send_prepare(struct db *db, struct db_statement *s, const Oid *types,
                         size_t n)
{
    if (PQsendPrepare(db->conn, s->name, s->sql, (int)n, types) == 0)
        return false;
    remember(db, s, 0, true, false);
    /* Set now, so that a second use in this flush does not prepare again; unset when the
     * answer says that it failed. */
    db->prepared[statement_index(s)] = 1;
    return true;
}

/* False: the connection is in doubt. */
static bool send_one(struct db *db, struct db_statement *s, const struct db_param *params,
                     size_t n, bool visible)
{
    struct db_wire_bound bound;
    int64_t queued_us = clock_monotonic_us();

    CHECK(n <= DB_PARAMS_MAX && db->pending_count + 2 <= 2 * DB_QUEUE_MAX);
    db->unsent += db_wire_bind(db->scratch, params, n, &bound);
    if (!db->prepared[statement_index(s)] && !send_prepare(db, s, bound.types, n))
        return false;
    if (PQsendQueryPrepared(db->conn, s->name, (int)n, bound.values, bound.lengths,
                            bound.formats, 1) == 0)
        return false;
    remember(db, s, queued_us, false, visible);
    arena_reset(db->scratch);
    return db->unsent < PUMP_BYTES || pump(db, deadline_in_ms(db->deadline_ms));
}

/* What the flush's first statement needs in front of it. */
static bool send_preamble(struct db *db)
{
    if (db->tx == TX_WANTED) {
        if (!send_one(db, &stmt_begin, DB_NO_PARAMS, false))
            return false;
        db->tx = TX_OPEN;
    }
    if (db->relax && db->tx == TX_NONE) {
        db->relax = false;
        return send_one(db, &stmt_relax, DB_NO_PARAMS, false);
    }
    return true;
}

void db_pipeline_add(struct db *db, struct db_statement *s, const struct db_param *params,
                     size_t n, bool visible)
{
    if (db->trouble != RC_OK)
        return;
    if (db->tx == TX_FAILED) {
        db->trouble = db->tx_rc;
        return;
    }
    if (db->pending_count == 0) {
        db_result_clear(db);
        db->lost = false;
        db->committing = false;
        db->sqlstate[0] = '\0';
        db->trouble = db_connect_ready(db);
        if (db->trouble != RC_OK)
            return;
    }
    if (s->commits)
        db->committing = true;
    if (!send_preamble(db) || !send_one(db, s, params, n, visible))
        db->trouble = db_connect_lose(db);
}

void db_queue(struct db *db, struct db_statement *s, const struct db_param *params,
              size_t n)
{
    db_pipeline_add(db, s, params, n, true);
}

/* ---- receiving ---- */

bool db_pipeline_next(struct db *db, struct deadline until, PGresult **out)
{
    while (PQisBusy(db->conn)) {
        int left = PQflush(db->conn);

        if (left < 0 ||
            !db_server_wait(db->conn, left > 0 ? POLLIN | POLLOUT : POLLIN, until) ||
            PQconsumeInput(db->conn) == 0)
            return false;
    }
    *out = PQgetResult(db->conn);
    return *out != NULL || PQstatus(db->conn) == CONNECTION_OK;
}

static void take_result(struct db *db, const struct db_pending *p, PGresult *r,
                        enum rc *rc)
{
    ExecStatusType status = PQresultStatus(r);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    if (!good && *rc == RC_OK)
        *rc = db_result_error(db, p->statement, r);
    if (!good && p->prepare)
        db->prepared[statement_index(p->statement)] = 0;
    /* The server turns the COMMIT of a failed transaction into a ROLLBACK and says so
     * only here. */
    if (good && !p->prepare && p->statement->commits &&
        strcmp(PQcmdStatus(r), "COMMIT") != 0) {
        db->committing = false;
        *rc = RC_RETRY;
    }
    if (p->visible && good)
        db->results[db->result_count++] = r;
    else
        PQclear(r);
}

static bool receive_one(struct db *db, const struct db_pending *p, struct deadline until,
                        enum rc *rc)
{
    PGresult *r = NULL, *end = NULL;

    if (!db_pipeline_next(db, until, &r) || r == NULL)
        return false;
    take_result(db, p, r, rc);
    if (!db_pipeline_next(db, until, &end))
        return false;
    PQclear(end);
    return end == NULL;
}

/* The answer to Sync; an implicit transaction can still fail in its commit. */
static bool receive_sync(struct db *db, struct deadline until, enum rc *rc)
{
    for (int i = 0; i < 8; i++) {
        PGresult *r = NULL;
        ExecStatusType status;

        if (!db_pipeline_next(db, until, &r))
            return false;
        if (r == NULL)
            continue;
        status = PQresultStatus(r);
        if (status == PGRES_FATAL_ERROR && *rc == RC_OK)
            *rc = db_result_error(db, NULL, r);
        PQclear(r);
        if (status == PGRES_PIPELINE_SYNC)
            return true;
    }
    return false;
}

static bool receive(struct db *db, struct deadline until, enum rc *rc)
{
    for (size_t i = 0; i < db->pending_count; i++) {
        const struct db_pending *p = &db->pending[i];

        if (!receive_one(db, p, until, rc))
            return false;
        if (!p->prepare && p->statement->timer != NULL)
            metric_observe_us(p->statement->timer, clock_monotonic_us() - p->queued_us);
    }
    return receive_sync(db, until, rc);
}

static bool fatal_state(const struct db *db)
{
    return strncmp(db->sqlstate, "57P0", 4) == 0 || strcmp(db->sqlstate, "25006") == 0;
}

enum rc db_flush(struct db *db)
{
    struct deadline until = deadline_in_ms(db->deadline_ms);
    enum rc rc = db->trouble;

    db->trouble = RC_OK;
    db->relax = false;
    if (rc != RC_OK || db->pending_count == 0)
        return rc;
    if (db->tx == TX_NONE)
        db->committing = true;
    if (PQpipelineSync(db->conn) == 0 || !receive(db, until, &rc)) {
        db_result_clear(db);
        return db_connect_lose(db);
    }
    db->pending_count = 0;
    db->unsent = 0;
    if (rc == RC_OK)
        return RC_OK;
    db_result_clear(db);
    db_private_fail(db, rc);
    if (fatal_state(db))
        return db_connect_lose(db);
    return rc;
}

enum rc db_run(struct db *db, struct db_statement *s, const struct db_param *params,
               size_t n)
{
    db_queue(db, s, params, n);
    return db_flush(db);
}
