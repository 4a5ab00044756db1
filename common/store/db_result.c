/* db_result.c - what the server answered: rows for the caller, errors for everybody. */
#include "store/db_private.h"

#include "base/log.h"
#include "store/db_outcome.h"
#include "store/db_wire.h"

#include <stdio.h>
#include <string.h>

void db_result_clear(struct db *db)
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
           ((s != NULL && !s->commits) ||
            (severity != NULL && strcmp(severity, "ERROR") == 0));
}

enum rc db_result_error(struct db *db, const struct db_statement *s, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    if (is_refusal(s, r))
        db->committing = false;
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state == NULL ? "08006" : state);
    return outcome_of(db, s, r);
}

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
