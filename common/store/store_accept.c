/* store_accept.c - the moment of truth of every accepted message.
 *
 * One pipeline with one Sync is one transaction: bodies, then queue rows.  When the
 * connection dies on the way nobody knows whether it committed.  Then the same rows are
 * sent again on a new connection: if the first try is still running, the inserts wait
 * for it; if it committed, they collide, and the token in the row that is there tells
 * our own earlier try from somebody else's id.
 */
#include "store/store_accept.h"

#include "base/crypto.h"
#include "base/log.h"
#include "store/store_body.h"
#include "store/store_ids.h"
#include "store/store_queue.h"

#include <stdio.h>

enum { COLLISIONS_MAX = 5 };

DB_STATEMENT(
    stmt_queue, "accept_queue",
    "INSERT INTO queue (due, since, body_id, idate, size, sender, rcpt, envelope) "
    "SELECT now, now, $1, coalesce($2, now_unix()), $3, $4, $5, $6::jsonb "
    "FROM " STORE_QUEUE_DUE_NOW);

static bool acceptable(const struct store_accept *m)
{
    return m->recipient_count > 0 && m->head.n <= STORE_BODY_MAX &&
           m->body.n <= STORE_BODY_MAX - m->head.n;
}

static enum rc write_once(struct arena *a, struct db *db, const struct store_accept *m,
                          const int64_t *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store_body_put(a, db, m[i].body_id, tokens[i], m[i].head, m[i].body);
    for (size_t i = 0; i < n; i++)
        db_queue(
            db, &stmt_queue,
            DB_PARAMS(db_int8(m[i].body_id),
                      m[i].idate_unix == 0 ? db_null(DB_INT8) : db_int8(m[i].idate_unix),
                      db_int4((int64_t)(m[i].head.n + m[i].body.n)), db_text(m[i].sender),
                      db_texts(m[i].recipients, m[i].recipient_count),
                      db_text(m[i].envelope.n == 0 ? S("{}") : m[i].envelope)));
    return db_flush(db);
}

static void draw(struct store_accept *m, int64_t *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        m[i].body_id = store_ids_new_body();
        tokens[i] = (int64_t)crypto_random_u64();
    }
}

/* RC_EXISTS after an unknown outcome: is what is there our own earlier try?  RC_OK: yes,
 * RC_EXISTS: no. */
static enum rc find_mine(struct db *db, int64_t body_id, int64_t token)
{
    bool mine = false;
    enum rc rc = store_body_is_mine(db, body_id, token, &mine);

    if (rc != RC_OK)
        return rc;
    return mine ? RC_OK : RC_EXISTS;
}

static enum rc try_all(struct arena *a, struct db *db, struct store_accept *m,
                       int64_t *tokens, size_t n, struct deadline until, bool *unknown)
{
    int collisions = 0;

    draw(m, tokens, n);
    while (db_connect(db, until) == RC_OK) {
        enum rc rc = write_once(a, db, m, tokens, n);

        if (rc == RC_EXISTS && *unknown)
            rc = find_mine(db, m[0].body_id, tokens[0]);
        if (rc == RC_EXISTS && collisions++ < COLLISIONS_MAX) {
            draw(m, tokens, n);
            *unknown = false;
        } else if (db_lost(db)) {
            *unknown = *unknown || db_unsure(db);
        } else {
            return rc == RC_EXISTS ? RC_RETRY : rc;
        }
    }
    return RC_RETRY;
}

/* unknown: an earlier try may have committed these very ids. */
static enum rc write_all(struct arena *a, struct db *db, struct store_accept *m,
                         int64_t *tokens, size_t n, struct deadline until)
{
    bool unknown = false;
    enum rc rc = try_all(a, db, m, tokens, n, until, &unknown);

    for (size_t i = 0; i < n; i++) {
        m[i].rc = rc;
        m[i].unknown = rc != RC_OK && unknown;
        snprintf(m[i].sqlstate, sizeof(m[i].sqlstate), "%s", db_sqlstate(db));
    }
    return rc;
}

static enum rc write_singly(struct arena *a, struct db *db, struct store_accept *m,
                            int64_t *tokens, size_t n, struct deadline until)
{
    enum rc all = RC_OK;

    for (size_t i = 0; i < n; i++) {
        if (acceptable(&m[i]))
            (void)write_all(a, db, &m[i], tokens, 1, until);
        if (m[i].rc != RC_OK)
            all = m[i].rc;
    }
    return all;
}

enum rc store_accept(struct db *db, struct store_accept *m, size_t n, int wait_ms)
{
    struct deadline until = deadline_in_ms(wait_ms);
    int64_t tokens[STORE_ACCEPT_MAX];
    struct arena *a = arena_new();
    bool good = true;
    enum rc rc;

    CHECK(n > 0 && n <= STORE_ACCEPT_MAX && !db_in_transaction(db));
    for (size_t i = 0; i < n; i++) {
        m[i].rc = RC_LIMIT;
        m[i].unknown = false;
        good = good && acceptable(&m[i]);
    }
    rc = good ? write_all(a, db, m, tokens, n, until) : RC_LIMIT;
    if (n > 1 && (rc == RC_INVALID || rc == RC_LIMIT))
        rc = write_singly(a, db, m, tokens, n, until);
    arena_free(&a);
    return rc;
}
