/* store_body.h - the bytes of messages: immutable, shared, in one table per day.
 *
 * A body is cut into chunks of 8,000 bytes up to 64 KiB (they fit a page, no TOAST) and
 * of 256 KiB above.  How it was cut follows from its size, which is why every reader
 * gives the size that the message or queue row has.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum {
    STORE_BODY_SMALL_MAX = 64 * 1024,
    STORE_BODY_SMALL_CHUNK = 8000,
    STORE_BODY_LARGE_CHUNK = 256 * 1024,
    STORE_BODY_MAX = 64 * 1024 * 1024,
    STORE_BODY_HEADS_MAX = 256,
};

/* length bytes from offset on, fewer at the end; copied into a.
 * RC_NOT_FOUND: the body is gone (expired); RC_LIMIT: more than 64 MiB. */
enum rc store_body_read(struct arena *a, struct db *db, int64_t body_id, int32_t size,
                        int64_t offset, size_t length, str_t *out) RC_CHECKED;

struct store_body_want {
    int64_t body_id;
    int32_t size;
    str_t head; /* set: at most head_bytes from the start; p == NULL: gone */
};

/* The beginnings of at most STORE_BODY_HEADS_MAX messages in one round trip, with one
 * statement for each table that they lie in. */
enum rc store_body_heads(struct arena *a, struct db *db, struct store_body_want *want,
                         size_t n, size_t head_bytes) RC_CHECKED;

/* Of a few messages as part of somebody else's round trip: queue, flush, take.  `which`
 * is the number of the first queued statement. */
void store_body_queue_heads(struct db *db, const struct store_body_want *want, size_t n,
                            size_t head_bytes);
void store_body_take_heads(struct arena *a, const struct db *db, size_t which,
                           struct store_body_want *want, size_t n, size_t head_bytes);

/* For store_accept, store_queue and store_message: queue the inserts of one body, which
 * is head and body one after the other; `a` holds the chunk that straddles both. */
void store_body_put(struct arena *a, struct db *db, int64_t body_id, int64_t token,
                    str_t head, str_t body);

/* Does the body with this id carry this token, is it ours? */
enum rc store_body_is_mine(struct db *db, int64_t body_id, int64_t token,
                           bool *out) RC_CHECKED;

/* For store_expire.  The newest body of a slot (0: none) and the table's size on disk. */
enum rc store_body_newest(struct db *db, int slot, int64_t *newest,
                          int64_t *bytes) RC_CHECKED;
/* Empty the slot's table, in a transaction of its own, if its newest body is still older
 * than before.  RC_RETRY when readers do not let go of it within two seconds. */
enum rc store_body_truncate(struct db *db, int slot, int64_t before) RC_CHECKED;
