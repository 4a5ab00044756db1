/* db.h - one connection to PostgreSQL: prepared statements, pipelines, transactions.
 *
 * The connection is made at first use and again at the first use after a loss.  Every
 * wait has a deadline, also against a server that accepts bytes and never answers.
 * Statements are queued and travel together: db_queue any number, db_flush once, one
 * round trip.  Outside db_begin .. db_commit one flush is one transaction.
 *
 * Thread: a db belongs to one thread; nothing here is shared.
 * Limits: one flush carries at most DB_QUEUE_MAX statements; what does not fit between
 * client and server at once is read while it is written, so size does not deadlock.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/rc.h"
#include "base/str.h"
#include "store/db_param.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DB_QUEUE_MAX = 4096 };

/* Strings are copied by db_new.  Zero or NULL means the default in brackets. */
struct db_options {
    const char *host;        /* folder of the socket, name or address; several: commas */
    int port;                /* [5432] */
    const char *name;        /* database [postbus] */
    const char *user;        /* role; for services "postbus_" and the service's name */
    const char *password;    /* NULL: none is sent */
    const char *application; /* shown in pg_stat_activity */
    const char *sslmode;     /* "verify-full" and so on [as libpq does: prefer] */
    const char *ca_file;     /* who may have signed the server's certificate */
    const char *certificate_file, *key_file; /* our own, if the server wants one */
    int connect_timeout_ms;                  /* [3000] */
    int statement_timeout_ms;                /* on the server [30000] */
    int deadline_ms;     /* for one flush, on this side [statement + 5000] */
    int64_t quota_bytes; /* of an account that has no quota of its own [1 PB] */
};

struct db;

struct db *db_new(const struct db_options *o);
void db_free(struct db **db);
/* That of the options.  It comes with the connection, so that no caller can forget it:
 * what refuses a message, what GETQUOTA says and what the janitor trims agree. */
int64_t db_quota_bytes(const struct db *db);

/* A statement is a static object beside the function that uses it: DB_STATEMENT.  It is
 * prepared on each connection with its first use, in the same round trip. */
struct db_statement {
    const char *name; /* unique in the program */
    const char *sql;
    struct metric *timer;
    bool commits; /* until its answer is there, nobody knows what became of the rest */
    atomic_int index; /* 0 until first used anywhere */
};

#define DB_TIMER(id, label)                                                              \
    static struct metric id = { .kind = METRIC_HISTOGRAM,                                \
                                .name = "postbus_db_statement_seconds",                  \
                                .labels = "statement=\"" label "\"",                     \
                                .help = "Time from sending a statement to its result." }

#define DB_STATEMENT(id, label, text)                                                    \
    DB_TIMER(id##_timer, label);                                                         \
    static struct db_statement id = { .name = label, .sql = text, .timer = &id##_timer }

/* Put a statement behind those that wait.  Trouble (no connection among it) is kept for
 * db_flush.  The first statement after a flush makes the rows of the last one invalid. */
void db_queue(struct db *db, struct db_statement *s, const struct db_param *params,
              size_t n);

/* Send what waits and read every result.  Not RC_OK: nothing of this flush happened,
 * and inside db_begin nothing of the whole transaction will; roll back.  An exception is
 * a connection lost on the way: see db_unsure. */
enum rc db_flush(struct db *db) RC_CHECKED;

/* db_queue of one statement and db_flush. */
enum rc db_run(struct db *db, struct db_statement *s, const struct db_param *params,
               size_t n) RC_CHECKED;

/* True when the last flush or commit lost its connection after something was sent: the
 * same may be tried at once on another one. */
bool db_lost(const struct db *db);
/* db_lost, and it is unknown whether a commit happened: neither had it not begun yet, nor
 * did the server say that it would not come to it. */
bool db_unsure(const struct db *db);

/* Connect now, trying again until the deadline; RC_RETRY when it passes. */
enum rc db_connect(struct db *db, struct deadline until) RC_CHECKED;
bool db_connected(const struct db *db);

/* The process counts its connections: the number of the one that db has or had last, and
 * the highest so far.  All connections end when PostgreSQL crashes, and what was
 * committed relaxed (db_relax) just before may be undone then.  So what was learned while
 * the highest was n is sure for whoever talks through number n or below. */
uint64_t db_connection(const struct db *db);
uint64_t db_newest_connection(void);

/* BEGIN travels with the next flush, COMMIT flushes all that waits.  db_commit is RC_OK
 * only when the server said that it committed. */
void db_begin(struct db *db);
enum rc db_commit(struct db *db) RC_CHECKED;
void db_rollback(struct db *db); /* forgets what waits; nothing to do is fine */
bool db_in_transaction(const struct db *db);

/* Let the commit of the single-flush transaction that begins now not wait for the disk:
 * for flags and expunges only.  Without effect inside db_begin, where the caller's
 * commit may have to be durable. */
void db_relax(struct db *db);

/* After each job: rolls back what was left open and gives the results' memory back. */
void db_reset(struct db *db);

/* Rows of the statement number `which` (from 0, in the order of db_queue) of the last
 * flush.  Bytes are borrowed until the next db_queue, db_reset or db_rollback. */
size_t db_rows(const struct db *db, size_t which);
size_t db_affected(const struct db *db, size_t which); /* rows inserted, updated, … */
bool db_is_null(const struct db *db, size_t which, size_t row, int column);
int64_t db_get_int(const struct db *db, size_t which, size_t row, int column);
bool db_get_bool(const struct db *db, size_t which, size_t row, int column);
str_t db_get_str(const struct db *db, size_t which, size_t row, int column);
/* Arrays of one dimension without NULLs; an SQL NULL gives no elements.  *n elements. */
int32_t *db_get_int4s(struct arena *a, const struct db *db, size_t which, size_t row,
                      int column, size_t *n);
str_t *db_get_texts(struct arena *a, const struct db *db, size_t which, size_t row,
                    int column, size_t *n);

/* Of the last failure: five characters or "", for the log. */
const char *db_sqlstate(const struct db *db);

/* Why the last attempt to connect failed, for people: each host, PostgreSQL's own words,
 * the options to look at.  Borrowed until the next one. */
const char *db_why(const struct db *db);

/* PostgreSQL's clock minus ours, for the readiness check.  [ms] */
enum rc db_clock_offset_ms(struct db *db, int64_t *out) RC_CHECKED;

/* Several statements without parameters, as schema files have them, in one transaction
 * of their own or in the open one.  Only migrate and tests need it. */
enum rc db_script(struct db *db, const char *sql) RC_CHECKED;
/* PostgreSQL's words about the last script that failed.  Borrowed until the next one. */
const char *db_message(const struct db *db);
