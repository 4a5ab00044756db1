/* db.c - statements on a connection that db_server.c has made: queued, sent, answered.
 *
 * The connection stays in pipeline mode and non-blocking for its whole life: every wait
 * is a poll with the flush's deadline, so neither a hung server nor a full socket can
 * hold the thread.  A connection that is in any doubt (lost, late, half sent) is dropped
 * rather than repaired; the server then rolls back what was open.
 */
#include "store/db.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/db_outcome.h"
#include "store/db_server.h"
#include "store/db_wire.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 3000,
    STATEMENT_TIMEOUT_MS = 30000,
    DEADLINE_SLACK_MS = 5000,
    PUMP_BYTES = 256 * 1024, /* queued bytes that are sent before more are queued */
    STATEMENTS_MAX = 1024,
    MESSAGE_BYTES = 256,
};

struct pending {
    struct db_statement *statement;
    int64_t queued_us; /* monotonic; sending begins here */
    bool prepare;      /* its Parse, not its execution */
    bool visible;      /* its rows belong to the caller */
};

enum transaction {
    TX_NONE,
    TX_WANTED, /* BEGIN goes with the next statement */
    TX_OPEN,
    TX_FAILED, /* only db_rollback leads out */
};

struct db {
    struct db_server *server;
    int connect_timeout_ms, deadline_ms;
    int64_t quota_bytes;
    PGconn *conn;
    struct arena *scratch; /* parameters while they are queued */
    struct pending *pending;
    size_t pending_count;
    PGresult **results; /* of the last flush */
    size_t result_count;
    size_t unsent; /* [bytes] queued since the last pump, about */
    unsigned char prepared[STATEMENTS_MAX];
    enum transaction tx;
    enum rc trouble; /* kept for db_flush */
    enum rc tx_rc;   /* what made the transaction fail */
    bool relax;
    uint64_t number; /* of the connection */
    bool lost;
    bool committing; /* the server may have committed, and has not said that it did not */
    char sqlstate[6];
    char message[MESSAGE_BYTES]; /* of the last script that failed */
};

static struct db_statement stmt_begin = { .name = "begin", .sql = "BEGIN" };
static struct db_statement stmt_commit = { .name = "commit", .sql = "COMMIT" };
static struct db_statement stmt_rollback = { .name = "rollback", .sql = "ROLLBACK" };
static struct db_statement stmt_relax = {
    .name = "relax", .sql = "SELECT set_config('synchronous_commit', 'off', true)"
};
static struct db_statement stmt_clock = {
    .name = "clock", .sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8"
};

static _Atomic uint64_t newest_connection; /* they are counted from 1 */

static struct metric connects = { .kind = METRIC_COUNTER,
                                  .name = "postbus_db_connects",
                                  .labels = "",
                                  .help = "Connections made to PostgreSQL." };
static struct metric losses = { .kind = METRIC_COUNTER,
                                .name = "postbus_db_lost",
                                .labels = "",
                                .help = "Connections to PostgreSQL that were lost." };
static struct metric open_connections = { .kind = METRIC_GAUGE,
                                          .name = "postbus_db_connections",
                                          .labels = "",
                                          .help = "Open connections to PostgreSQL." };

static void register_metrics(void)
{
    metric_register(&connects);
    metric_register(&losses);
    metric_register(&open_connections);
}

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
        CHECK(index < STATEMENTS_MAX);
        /* Statements may share a timer; a histogram's value is free to say "seen". */
        if (s->timer != NULL && atomic_fetch_add(&s->timer->value, 1) == 0)
            metric_register(s->timer);
        atomic_store_explicit(&s->index, index, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return index;
}

/* ---- results and errors ---- */

static void clear_results(struct db *db)
{
    for (size_t i = 0; i < db->result_count; i++)
        PQclear(db->results[i]);
    db->result_count = 0;
}

/* Anything not in the table is a mistake of ours or of the installation (a missing
 * right, an old schema): said here, because the caller can only see RC_RETRY. */
static enum rc outcome_of(const struct db *db, const struct db_statement *s,
                          const PGresult *r)
{
    enum rc rc = RC_RETRY;
    const char *message;

    if (db_outcome_find(db->sqlstate, &rc))
        return rc;
    message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    log_error("db.statement_failed", "statement=%s sqlstate=%s message=\"%s\"",
              s == NULL ? "script" : s->name, db->sqlstate,
              message == NULL ? "" : message);
    return rc;
}

/* The server's word that it did not commit: an error of a statement, for the commit comes
 * behind all of them.  In the commit itself only a mere error is one; what ends the
 * connection may have come between the commit and its answer.  Without SQLSTATE it is
 * libpq that speaks, and the server may have done anything. */
static bool is_refusal(const struct db_statement *s, const PGresult *r)
{
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

    return PQresultErrorField(r, PG_DIAG_SQLSTATE) != NULL &&
           ((s != NULL && s != &stmt_commit) ||
            (severity != NULL && strcmp(severity, "ERROR") == 0));
}

/* s: NULL in the answer to the Sync, which commits what is outside db_begin. */
static enum rc note_error(struct db *db, const struct db_statement *s, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    if (is_refusal(s, r))
        db->committing = false;
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state == NULL ? "08006" : state);
    return outcome_of(db, s, r);
}

/* ---- the connection ---- */

static void drop(struct db *db)
{
    if (db->conn == NULL)
        return;
    PQfinish(db->conn);
    db->conn = NULL;
    metric_add(&open_connections, -1);
    db->pending_count = 0;
    db->unsent = 0;
    memset(db->prepared, 0, sizeof(db->prepared));
    if (db->tx == TX_OPEN) {
        db->tx = TX_FAILED;
        db->tx_rc = RC_RETRY;
    }
}

/* After something was sent: nobody knows what the server made of it. */
static enum rc lose(struct db *db)
{
    metric_add(&losses, 1);
    drop(db);
    db->lost = true;
    if (db->sqlstate[0] == '\0')
        snprintf(db->sqlstate, sizeof(db->sqlstate), "08006");
    return RC_RETRY;
}

static enum rc connect_once(struct db *db, int timeout_ms)
{
    db->conn = db_server_open(db->server, timeout_ms);
    if (db->conn == NULL) {
        snprintf(db->sqlstate, sizeof(db->sqlstate), "%s",
                 db_server_sqlstate(db->server));
        return RC_RETRY;
    }
    db->number = atomic_fetch_add(&newest_connection, 1) + 1;
    metric_add(&connects, 1);
    metric_add(&open_connections, 1);
    return RC_OK;
}

/* A server that went away between two jobs has left its goodbye in the socket: see it
 * before a statement is spent on finding out. */
static void look_for_goodbye(struct db *db)
{
    struct pollfd p = { .fd = PQsocket(db->conn), .events = POLLIN };

    for (int i = 0; i < 3 && poll(&p, 1, 0) > 0; i++)
        if (PQconsumeInput(db->conn) == 0 || PQstatus(db->conn) != CONNECTION_OK) {
            metric_add(&losses, 1);
            drop(db);
            return;
        }
}

static enum rc ready(struct db *db)
{
    if (db->conn != NULL && db->tx != TX_OPEN)
        look_for_goodbye(db);
    return db->conn != NULL ? RC_OK : connect_once(db, db->connect_timeout_ms);
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
    db->pending[db->pending_count++] = (struct pending){
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

static bool send_statement(struct db *db, struct db_statement *s,
                           const struct db_param *params, size_t n, bool visible)
{
    const char *values[DB_PARAMS_MAX];
    int lengths[DB_PARAMS_MAX], formats[DB_PARAMS_MAX];
    Oid types[DB_PARAMS_MAX];
    int64_t queued_us = clock_monotonic_us();

    CHECK(n <= DB_PARAMS_MAX && db->pending_count + 2 <= 2 * DB_QUEUE_MAX);
    for (size_t i = 0; i < n; i++) {
        str_t bytes = db_wire_encode(db->scratch, &params[i]);

        values[i] = bytes.p;
        lengths[i] = (int)bytes.n;
        formats[i] = 1;
        types[i] = db_wire_oid(params[i].type);
        db->unsent += bytes.n;
    }
    if (!db->prepared[statement_index(s)] && !send_prepare(db, s, types, n))
        return false;
    if (PQsendQueryPrepared(db->conn, s->name, (int)n, values, lengths, formats, 1) == 0)
        return false;
    remember(db, s, queued_us, false, visible);
    arena_reset(db->scratch);
    return db->unsent < PUMP_BYTES || pump(db, deadline_in_ms(db->deadline_ms));
}

/* What the flush's first statement needs in front of it. */
static bool send_preamble(struct db *db)
{
    if (db->tx == TX_WANTED) {
        if (!send_statement(db, &stmt_begin, DB_NO_PARAMS, false))
            return false;
        db->tx = TX_OPEN;
    }
    if (db->relax && db->tx == TX_NONE) {
        db->relax = false;
        return send_statement(db, &stmt_relax, DB_NO_PARAMS, false);
    }
    return true;
}

static void queue(struct db *db, struct db_statement *s, const struct db_param *params,
                  size_t n, bool visible)
{
    if (db->trouble != RC_OK)
        return;
    if (db->tx == TX_FAILED) {
        db->trouble = db->tx_rc;
        return;
    }
    if (db->pending_count == 0) {
        clear_results(db);
        db->lost = false;
        db->committing = false;
        db->sqlstate[0] = '\0';
        db->trouble = ready(db);
        if (db->trouble != RC_OK)
            return;
    }
    if (s == &stmt_commit)
        db->committing = true;
    if (!send_preamble(db) || !send_statement(db, s, params, n, visible))
        db->trouble = lose(db);
}

void db_queue(struct db *db, struct db_statement *s, const struct db_param *params,
              size_t n)
{
    queue(db, s, params, n, true);
}

/* ---- receiving ---- */

/* False: connection lost or too late.  *out is NULL at the end of a command. */
static bool next_result(struct db *db, struct deadline until, PGresult **out)
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

static void take_result(struct db *db, const struct pending *p, PGresult *r, enum rc *rc)
{
    ExecStatusType status = PQresultStatus(r);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    if (!good && *rc == RC_OK)
        *rc = note_error(db, p->statement, r);
    if (!good && p->prepare)
        db->prepared[statement_index(p->statement)] = 0;
    /* The server turns the COMMIT of a failed transaction into a ROLLBACK and says so
     * only here. */
    if (good && !p->prepare && p->statement == &stmt_commit &&
        strcmp(PQcmdStatus(r), "COMMIT") != 0) {
        db->committing = false;
        *rc = RC_RETRY;
    }
    if (p->visible && good)
        db->results[db->result_count++] = r;
    else
        PQclear(r);
}

static bool receive_one(struct db *db, const struct pending *p, struct deadline until,
                        enum rc *rc)
{
    PGresult *r = NULL, *end = NULL;

    if (!next_result(db, until, &r) || r == NULL)
        return false;
    take_result(db, p, r, rc);
    if (!next_result(db, until, &end))
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

        if (!next_result(db, until, &r))
            return false;
        if (r == NULL)
            continue;
        status = PQresultStatus(r);
        if (status == PGRES_FATAL_ERROR && *rc == RC_OK)
            *rc = note_error(db, NULL, r);
        PQclear(r);
        if (status == PGRES_PIPELINE_SYNC)
            return true;
    }
    return false;
}

static bool receive(struct db *db, struct deadline until, enum rc *rc)
{
    for (size_t i = 0; i < db->pending_count; i++) {
        const struct pending *p = &db->pending[i];

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
        clear_results(db);
        return lose(db);
    }
    db->pending_count = 0;
    db->unsent = 0;
    if (rc == RC_OK)
        return RC_OK;
    clear_results(db);
    if (db->tx == TX_OPEN) {
        db->tx = TX_FAILED;
        db->tx_rc = rc;
    }
    if (fatal_state(db))
        return lose(db);
    return rc;
}

enum rc db_run(struct db *db, struct db_statement *s, const struct db_param *params,
               size_t n)
{
    db_queue(db, s, params, n);
    return db_flush(db);
}

bool db_lost(const struct db *db)
{
    return db->lost;
}

bool db_unsure(const struct db *db)
{
    return db->lost && db->committing;
}

enum rc db_connect(struct db *db, struct deadline until)
{
    if (db->conn != NULL && db->pending_count == 0 && db->tx == TX_NONE)
        look_for_goodbye(db);
    while (db->conn == NULL) {
        int64_t left = deadline_left_ms(until), pause;

        if (left == 0)
            return RC_RETRY;
        pause = db_server_pause_ms(db->server);
        if (pause > 0) /* nothing to poll: the server is not there yet */
            poll(NULL, 0, (int)(pause < left ? pause : left));
        else
            (void)connect_once(
                db, (int)(left < db->connect_timeout_ms ? left : db->connect_timeout_ms));
    }
    return RC_OK;
}

uint64_t db_connection(const struct db *db)
{
    return db->number;
}

uint64_t db_newest_connection(void)
{
    return atomic_load(&newest_connection);
}

bool db_connected(const struct db *db)
{
    return db->conn != NULL;
}

/* ---- transactions ---- */

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
    queue(db, &stmt_commit, DB_NO_PARAMS, false);
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
    queue(db, &stmt_rollback, DB_NO_PARAMS, false);
    rc = db_flush(db);
    if (rc != RC_OK || PQtransactionStatus(db->conn) != PQTRANS_IDLE)
        drop(db);
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
        drop(db);
    if (open && db->conn != NULL)
        undo(db);
    db->tx = TX_NONE;
    clear_results(db);
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

void db_reset(struct db *db)
{
    if (db->tx != TX_NONE || db->pending_count > 0 || db->trouble != RC_OK)
        db_rollback(db);
    clear_results(db);
    db->relax = false;
    CHECK(db->conn == NULL || PQtransactionStatus(db->conn) == PQTRANS_IDLE);
}

/* ---- rows ---- */

static const PGresult *result_of(const struct db *db, size_t which)
{
    CHECK(which < db->result_count);
    return db->results[which];
}

static str_t cell(const struct db *db, size_t which, size_t row, int column)
{
    const PGresult *r = result_of(db, which);

    CHECK(row < (size_t)PQntuples(r) && column < PQnfields(r));
    return str_n(PQgetvalue(r, (int)row, column),
                 (size_t)PQgetlength(r, (int)row, column));
}

size_t db_rows(const struct db *db, size_t which)
{
    return (size_t)PQntuples(result_of(db, which));
}

size_t db_affected(const struct db *db, size_t which)
{
    uint64_t n = 0;

    (void)str_to_u64(str_of(PQcmdTuples((PGresult *)result_of(db, which))), SIZE_MAX, &n);
    return (size_t)n;
}

bool db_is_null(const struct db *db, size_t which, size_t row, int column)
{
    return PQgetisnull(result_of(db, which), (int)row, column) != 0;
}

int64_t db_get_int(const struct db *db, size_t which, size_t row, int column)
{
    return db_wire_int(cell(db, which, row, column));
}

bool db_get_bool(const struct db *db, size_t which, size_t row, int column)
{
    return db_get_int(db, which, row, column) != 0;
}

str_t db_get_str(const struct db *db, size_t which, size_t row, int column)
{
    return cell(db, which, row, column);
}

int32_t *db_get_int4s(struct arena *a, const struct db *db, size_t which, size_t row,
                      int column, size_t *n)
{
    int32_t *list = NULL;

    *n = 0;
    if (!db_is_null(db, which, row, column))
        CHECK(db_wire_int4s(a, cell(db, which, row, column), &list, n));
    return list;
}

str_t *db_get_texts(struct arena *a, const struct db *db, size_t which, size_t row,
                    int column, size_t *n)
{
    str_t *list = NULL;

    *n = 0;
    if (!db_is_null(db, which, row, column))
        CHECK(db_wire_texts(a, cell(db, which, row, column), &list, n));
    return list;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}

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

/* ---- scripts ---- */

static bool run_script(struct db *db, const char *sql, enum rc *rc)
{
    struct deadline until = deadline_in_ms(db->deadline_ms);
    PGresult *r = NULL;

    if (PQsendQuery(db->conn, sql) == 0)
        return false;
    for (;;) {
        if (!next_result(db, until, &r))
            return false;
        if (r == NULL)
            return true;
        if (PQresultStatus(r) == PGRES_FATAL_ERROR && *rc == RC_OK) {
            const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

            *rc = note_error(db, NULL, r);
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
        rc = ready(db);
    if (rc != RC_OK)
        return rc;
    CHECK(db->pending_count == 0);
    if (PQexitPipelineMode(db->conn) == 0 || !run_script(db, sql, &rc) ||
        PQenterPipelineMode(db->conn) == 0)
        return lose(db);
    if (rc != RC_OK && db->tx == TX_OPEN) {
        db->tx = TX_FAILED;
        db->tx_rc = rc;
    }
    return rc;
}

/* ---- life ---- */

struct db *db_new(const struct db_options *o)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct db *db = mem_alloc(sizeof(*db));
    int statement_ms =
        o->statement_timeout_ms > 0 ? o->statement_timeout_ms : STATEMENT_TIMEOUT_MS;

    pthread_once(&once, register_metrics);
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
    clear_results(d);
    drop(d);
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
