/* store_body.c - chunks of bodies in the ring of day tables.
 *
 * A table's name cannot be a parameter, so each statement exists once per table; the 32
 * share one timer.
 */
#include "store/store_body.h"

#include "base/log.h"
#include "store/store_ids.h"

#include <stdlib.h>
#include <string.h>

/* clang-format never settles on a shape for this one. */
/* clang-format off */
#define SLOTS(X)                                                                         \
    X(00) X(01) X(02) X(03) X(04) X(05) X(06) X(07) X(08) X(09) X(10)                    \
    X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21)                    \
    X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
/* clang-format on */

#define PUT(nn)                                                                          \
    { .name = "body_put_" #nn,                                                           \
      .sql = "INSERT INTO body_" #nn " (id, token, seq, data) VALUES ($1, $2, $3, $4)",  \
      .timer = &put_timer },
/* Only the wanted bytes of each chunk travel: $4 and $5 are the first byte and the one
 * behind the last, $6 the length of a chunk. */
#define GET(nn)                                                                          \
    { .name = "body_get_" #nn,                                                           \
      .sql = "SELECT substring(data FROM (greatest($4 - seq * $6, 0) + 1)::int4 "        \
             "FOR (least($5 - seq * $6, $6) - greatest($4 - seq * $6, 0))::int4) "       \
             "FROM body_" #nn " WHERE id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq",   \
      .timer = &get_timer },
#define GET_ALL(nn)                                                                      \
    { .name = "body_get_all_" #nn,                                                       \
      .sql = "SELECT data FROM body_" #nn " WHERE id = $1 ORDER BY seq",                 \
      .timer = &get_all_timer },
/* Many bodies at once: $2 bytes of each chunk up to the $3rd. */
#define GET_SET(nn)                                                                      \
    { .name = "body_get_set_" #nn,                                                       \
      .sql = "SELECT id, seq, substring(data FROM 1 FOR $2) FROM body_" #nn              \
             " WHERE id = ANY($1) AND seq <= $3",                                        \
      .timer = &get_set_timer },
#define TOKEN(nn)                                                                        \
    { .name = "body_token_" #nn,                                                         \
      .sql = "SELECT token FROM body_" #nn " WHERE id = $1 AND seq = 0",                 \
      .timer = &token_timer },

#define NEWEST(nn)                                                                       \
    { .name = "body_newest_" #nn,                                                        \
      .sql = "SELECT coalesce(max(id), 0), pg_total_relation_size('body_" #nn "') "      \
             "FROM body_" #nn,                                                           \
      .timer = &newest_timer },
#define LOCK(nn)                                                                         \
    { .name = "body_lock_" #nn,                                                          \
      .sql = "LOCK TABLE body_" #nn " IN ACCESS EXCLUSIVE MODE",                         \
      .timer = &truncate_timer },
#define TRUNCATE(nn)                                                                     \
    { .name = "body_truncate_" #nn,                                                      \
      .sql = "TRUNCATE body_" #nn,                                                       \
      .timer = &truncate_timer },

DB_TIMER(put_timer, "body_put");
DB_TIMER(get_timer, "body_get");
DB_TIMER(get_all_timer, "body_get_all");
DB_TIMER(get_set_timer, "body_get_set");
DB_TIMER(token_timer, "body_token");
DB_TIMER(newest_timer, "body_newest");
DB_TIMER(truncate_timer, "body_truncate");
static struct db_statement stmt_newest[STORE_IDS_BODY_SLOTS] = { SLOTS(NEWEST) };
static struct db_statement stmt_lock[STORE_IDS_BODY_SLOTS] = { SLOTS(LOCK) };
static struct db_statement stmt_truncate[STORE_IDS_BODY_SLOTS] = { SLOTS(TRUNCATE) };
DB_STATEMENT(stmt_patience, "body_patience",
             "SELECT set_config('lock_timeout', '2000', true)");
static struct db_statement stmt_put[STORE_IDS_BODY_SLOTS] = { SLOTS(PUT) };
static struct db_statement stmt_get[STORE_IDS_BODY_SLOTS] = { SLOTS(GET) };
static struct db_statement stmt_get_all[STORE_IDS_BODY_SLOTS] = { SLOTS(GET_ALL) };
static struct db_statement stmt_get_set[STORE_IDS_BODY_SLOTS] = { SLOTS(GET_SET) };
static struct db_statement stmt_token[STORE_IDS_BODY_SLOTS] = { SLOTS(TOKEN) };

static size_t chunk_bytes(size_t size)
{
    return size <= STORE_BODY_SMALL_MAX ? STORE_BODY_SMALL_CHUNK : STORE_BODY_LARGE_CHUNK;
}

/* n bytes from offset on of head and body seen as one; a copy only across the seam. */
static str_t piece(struct arena *a, str_t head, str_t body, size_t offset, size_t n)
{
    char *joined;
    str_t first;

    if (offset >= head.n)
        return str_head(str_skip(body, offset - head.n), n);
    first = str_head(str_skip(head, offset), n);
    if (first.n == n)
        return first;
    joined = arena_alloc(a, n);
    memcpy(joined, first.p, first.n);
    memcpy(joined + first.n, body.p, n - first.n);
    return str_n(joined, n);
}

void store_body_put(struct arena *a, struct db *db, int64_t body_id, int64_t token,
                    str_t head, str_t body)
{
    struct db_statement *s = &stmt_put[store_ids_body_slot(body_id)];
    size_t size = head.n + body.n, chunk = chunk_bytes(size), offset = 0;
    int seq = 0;

    do {
        size_t n = size - offset < chunk ? size - offset : chunk;
        str_t bytes = piece(a, head, body, offset, n);

        db_queue(db, s,
                 DB_PARAMS(db_int8(body_id), seq == 0 ? db_int8(token) : db_null(DB_INT8),
                           db_int2(seq), db_bytes(bytes)));
        offset += n;
        seq++;
    } while (offset < size);
}

static void queue_get(struct db *db, int64_t body_id, int32_t size, int64_t from,
                      int64_t to)
{
    int64_t chunk = (int64_t)chunk_bytes((size_t)size);

    if (from == 0 && to == size) {
        db_queue(db, &stmt_get_all[store_ids_body_slot(body_id)],
                 DB_PARAMS(db_int8(body_id)));
        return;
    }
    db_queue(db, &stmt_get[store_ids_body_slot(body_id)],
             DB_PARAMS(db_int8(body_id), db_int2(from / chunk), db_int2((to - 1) / chunk),
                       db_int8(from), db_int8(to), db_int8(chunk)));
}

/* The rows of one get as one string; p == NULL when any of it is missing. */
static str_t join(struct arena *a, const struct db *db, size_t which, size_t wanted)
{
    size_t have = 0;
    char *p = arena_alloc(a, wanted);

    for (size_t row = 0; row < db_rows(db, which); row++) {
        str_t bytes = db_get_str(db, which, row, 0);

        if (bytes.n > wanted - have)
            return str_n(NULL, 0);
        memcpy(p + have, bytes.p, bytes.n);
        have += bytes.n;
    }
    return have == wanted ? str_n(p, wanted) : str_n(NULL, 0);
}

enum rc store_body_read(struct arena *a, struct db *db, int64_t body_id, int32_t size,
                        int64_t offset, size_t length, str_t *out)
{
    int64_t to;
    enum rc rc;

    *out = S("");
    if (size < 0 || offset < 0 || length > STORE_BODY_MAX)
        return RC_LIMIT;
    to = offset + (int64_t)length < size ? offset + (int64_t)length : size;
    if (offset >= to)
        return RC_OK;
    queue_get(db, body_id, size, offset, to);
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    *out = join(a, db, 0, (size_t)(to - offset));
    return out->p == NULL ? RC_NOT_FOUND : RC_OK;
}

static size_t head_of(const struct store_body_want *want, size_t head_bytes)
{
    return (int64_t)head_bytes < want->size ? head_bytes : (size_t)want->size;
}

void store_body_queue_heads(struct db *db, const struct store_body_want *want, size_t n,
                            size_t head_bytes)
{
    for (size_t i = 0; i < n; i++)
        if (want[i].size > 0)
            queue_get(db, want[i].body_id, want[i].size, 0,
                      (int64_t)head_of(&want[i], head_bytes));
}

void store_body_take_heads(struct arena *a, const struct db *db, size_t which,
                           struct store_body_want *want, size_t n, size_t head_bytes)
{
    for (size_t i = 0; i < n; i++)
        want[i].head = want[i].size > 0
                           ? join(a, db, which++, head_of(&want[i], head_bytes))
                           : S("");
}

/* ---- sets ---- */

static int by_place(const void *a, const void *b)
{
    const struct store_body_want *x = *(struct store_body_want *const *)a;
    const struct store_body_want *y = *(struct store_body_want *const *)b;
    int slots = store_ids_body_slot(x->body_id) - store_ids_body_slot(y->body_id);
    size_t cut_x = chunk_bytes((size_t)x->size), cut_y = chunk_bytes((size_t)y->size);

    if (slots != 0)
        return slots;
    if (cut_x != cut_y)
        return cut_x < cut_y ? -1 : 1;
    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

/* How many of the n begin with bodies of one table that are cut alike. */
static size_t set_length(struct store_body_want *const *w, size_t n)
{
    size_t i = 1;

    while (i < n &&
           store_ids_body_slot(w[i]->body_id) == store_ids_body_slot(w[0]->body_id) &&
           chunk_bytes((size_t)w[i]->size) == chunk_bytes((size_t)w[0]->size))
        i++;
    return i;
}

static void queue_set(struct arena *a, struct db *db, struct store_body_want *const *w,
                      size_t n, size_t head_bytes)
{
    size_t chunk = chunk_bytes((size_t)w[0]->size);
    int64_t *ids = arena_array(a, n, sizeof(*ids));

    for (size_t i = 0; i < n; i++)
        ids[i] = w[i]->body_id;
    db_queue(db, &stmt_get_set[store_ids_body_slot(ids[0])],
             DB_PARAMS(db_int8s(ids, n),
                       db_int4((int64_t)(head_bytes < chunk ? head_bytes : chunk)),
                       db_int2((int64_t)((head_bytes - 1) / chunk))));
}

/* Into the place that it has in the head; head.n counts what is there. */
static void put_chunk(struct store_body_want *w, size_t offset, size_t head_bytes,
                      str_t bytes)
{
    size_t end = head_of(w, head_bytes);

    if (offset >= end)
        return;
    bytes = str_head(bytes, end - offset);
    memcpy((char *)w->head.p + offset, bytes.p, bytes.n);
    w->head.n += bytes.n;
}

static void take_set(const struct db *db, size_t which, struct store_body_want **w,
                     size_t n, size_t head_bytes)
{
    size_t chunk = chunk_bytes((size_t)w[0]->size);

    for (size_t row = 0; row < db_rows(db, which); row++) {
        struct store_body_want key = { .body_id = db_get_int(db, which, row, 0),
                                       .size = w[0]->size };
        const struct store_body_want *k = &key;
        struct store_body_want **first = bsearch(&k, w, n, sizeof(k), by_place);
        size_t offset = chunk * (size_t)db_get_int(db, which, row, 1);

        CHECK(first != NULL);
        /* Copies of one message share its body. */
        while (first > w && first[-1]->body_id == key.body_id)
            first--;
        for (; first < w + n && (*first)->body_id == key.body_id; first++)
            put_chunk(*first, offset, head_bytes, db_get_str(db, which, row, 2));
    }
}

enum rc store_body_heads(struct arena *a, struct db *db, struct store_body_want *want,
                         size_t n, size_t head_bytes)
{
    struct store_body_want **w = arena_array(a, n + 1, sizeof(struct store_body_want *));
    size_t count = 0, which = 0;
    enum rc rc;

    if (n > STORE_BODY_HEADS_MAX || head_bytes == 0 || head_bytes > STORE_BODY_MAX)
        return RC_LIMIT;
    for (size_t i = 0; i < n; i++) {
        want[i].head = S("");
        if (want[i].size > 0)
            w[count++] = &want[i];
    }
    qsort(w, count, sizeof(struct store_body_want *), by_place);
    for (size_t at = 0; at < count; at += set_length(w + at, count - at))
        queue_set(a, db, w + at, set_length(w + at, count - at), head_bytes);
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < count; i++)
        w[i]->head = str_n(arena_alloc(a, head_of(w[i], head_bytes)), 0);
    for (size_t at = 0; at < count; at += set_length(w + at, count - at))
        take_set(db, which++, w + at, set_length(w + at, count - at), head_bytes);
    for (size_t i = 0; i < count; i++)
        if (w[i]->head.n < head_of(w[i], head_bytes))
            w[i]->head = str_n(NULL, 0);
    return RC_OK;
}

enum rc store_body_is_mine(struct db *db, int64_t body_id, int64_t token, bool *out)
{
    enum rc rc = db_run(db, &stmt_token[store_ids_body_slot(body_id)],
                        DB_PARAMS(db_int8(body_id)));

    *out = rc == RC_OK && db_rows(db, 0) == 1 && !db_is_null(db, 0, 0, 0) &&
           db_get_int(db, 0, 0, 0) == token;
    return rc;
}

enum rc store_body_newest(struct db *db, int slot, int64_t *newest, int64_t *bytes)
{
    enum rc rc;

    CHECK(slot >= 0 && slot < STORE_IDS_BODY_SLOTS);
    rc = db_run(db, &stmt_newest[slot], DB_NO_PARAMS);
    if (rc == RC_OK) {
        *newest = db_get_int(db, 0, 0, 0);
        *bytes = db_get_int(db, 0, 0, 1);
    }
    return rc;
}

/* Looked at again under the lock: nothing can be written between look and deed. */
static enum rc truncate_locked(struct db *db, int slot, int64_t before)
{
    int64_t newest, bytes;
    enum rc rc;

    db_queue(db, &stmt_patience, DB_NO_PARAMS);
    db_queue(db, &stmt_lock[slot], DB_NO_PARAMS);
    rc = db_flush(db);
    if (rc == RC_OK)
        rc = store_body_newest(db, slot, &newest, &bytes);
    if (rc == RC_OK && newest >= before)
        return RC_CONFLICT;
    if (rc == RC_OK)
        db_queue(db, &stmt_truncate[slot], DB_NO_PARAMS);
    return rc == RC_OK ? db_commit(db) : rc;
}

enum rc store_body_truncate(struct db *db, int slot, int64_t before)
{
    enum rc rc;

    CHECK(slot >= 0 && slot < STORE_IDS_BODY_SLOTS);
    db_begin(db);
    rc = truncate_locked(db, slot, before);
    if (rc != RC_OK)
        db_rollback(db);
    return rc;
}
