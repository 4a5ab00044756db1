/* store_deliver_junk.c - the mailbox for quarantined mail, made where it is missing.
 *
 * Whoever has locked an INBOX may add to the account's list of mailboxes, so no two make
 * one.  A mailbox that a client made for that purpose, under any name, is it (RFC 6154).
 */
#include "store/store_deliver_private.h"

#include "base/log.h"
#include "store/store_ids.h"
#include "store/store_mailbox.h"

#include <stdlib.h>

#define IS_JUNK "(x.use = 3 OR x.name = 'Junk')"

_Static_assert(STORE_MAILBOX_USE_JUNK == 3, "the statements below say so");
_Static_assert(STORE_MAILBOX_COUNT_MAX == 1000, "likewise");

DB_STATEMENT(stmt_make, "deliver_make_junk",
             "WITH base AS MATERIALIZED (SELECT b.id, b.next_folder,"
             "  greatest(b.next_validity, now_unix()::int4) AS validity"
             "  FROM mailbox b WHERE b.id = ANY($1) AND b.next_folder <= $2"
             "  AND NOT EXISTS (SELECT 1 FROM mailbox x"
             "   WHERE x.id BETWEEN b.id AND b.id + $2 AND " IS_JUNK ")"
             "  AND (SELECT count(*) FROM mailbox x"
             "   WHERE x.id BETWEEN b.id AND b.id + $2) < 1000), "
             "i AS (INSERT INTO mailbox (id, name, use, uidvalidity, modseq)"
             "  SELECT id + next_folder, 'Junk', 3, validity, now_us() FROM base) "
             "UPDATE mailbox m SET next_folder = m.next_folder + 1,"
             " next_validity = base.validity + 1 FROM base WHERE m.id = base.id");
/* Without the second id there is none, without the third somebody works on it. */
DB_STATEMENT(stmt_lock, "deliver_lock_junk",
             "SELECT b.id, j.id, m.id, m.uidnext, m.modseq, m.nmsg, now_us() "
             "FROM unnest($1::int8[]) AS b(id) LEFT JOIN LATERAL"
             " (SELECT x.id FROM mailbox x WHERE x.id BETWEEN b.id AND b.id + $2"
             "  AND " IS_JUNK " ORDER BY x.use = 3 DESC, x.id LIMIT 1) j ON true"
             " LEFT JOIN LATERAL (SELECT id, uidnext, modseq, nmsg FROM mailbox"
             "  WHERE id = j.id FOR NO KEY UPDATE SKIP LOCKED) m ON true");

static int compare_mailbox(const void *a, const void *b)
{
    const struct store_deliver_box *const *x = a, *const *y = b;

    return ((*x)->mailbox > (*y)->mailbox) - ((*x)->mailbox < (*y)->mailbox);
}

/* Those of the addresses whose INBOX is ours, each once, by their mailbox. */
static size_t wanted(struct store_deliver *d, const str_t *addresses, size_t n,
                     struct store_deliver_box **out)
{
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < n; i++) {
        struct store_deliver_box *box = store_deliver_find(d, addresses[i]);

        if (box != NULL && !box->busy)
            out[count++] = box;
    }
    qsort(out, count, sizeof(*out), compare_mailbox);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || out[kept - 1] != out[i])
            out[kept++] = out[i];
    return kept;
}

static struct store_deliver_box *find_by_mailbox(struct store_deliver_box **boxes,
                                                 size_t n, int64_t mailbox)
{
    struct store_deliver_box key = { .mailbox = mailbox }, *k = &key, **found;

    found = bsearch(&k, boxes, n, sizeof(*boxes), compare_mailbox);
    CHECK(found != NULL);
    return *found;
}

static void read_junk(struct store_deliver *d, const struct db *db, size_t row,
                      struct store_deliver_box *inbox)
{
    struct store_deliver_box *box = &d->junk[d->junk_count];

    if (db_is_null(db, 1, row, 1))
        return;
    *box = (struct store_deliver_box){ .address = inbox->address,
                                       .busy = db_is_null(db, 1, row, 2),
                                       .account = inbox->account,
                                       .inbox = inbox };
    if (!box->busy) {
        box->mailbox = db_get_int(db, 1, row, 2);
        store_deliver_read(db, 1, row, 3, box);
    }
    inbox->junk = box;
    d->junk_count++;
}

enum rc store_deliver_lock_junk(struct store_deliver *d, struct db *db,
                                const str_t *addresses, size_t n)
{
    struct store_deliver_box **boxes = arena_array(d->arena, n + 1, sizeof(*boxes));
    size_t count = wanted(d, addresses, n, boxes);
    int64_t *ids = arena_array(d->arena, count + 1, sizeof(*ids));
    enum rc rc;

    CHECK(db_in_transaction(db) && d->junk == NULL);
    if (count == 0)
        return RC_OK;
    for (size_t i = 0; i < count; i++)
        ids[i] = boxes[i]->mailbox;
    db_queue(db, &stmt_make,
             DB_PARAMS(db_int8s(ids, count), db_int8(STORE_IDS_FOLDER_MAX)));
    db_queue(db, &stmt_lock,
             DB_PARAMS(db_int8s(ids, count), db_int8(STORE_IDS_FOLDER_MAX)));
    rc = db_flush(db);
    if (rc != RC_OK)
        return rc;
    d->junk = arena_array(d->arena, count, sizeof(*d->junk));
    for (size_t i = 0; i < db_rows(db, 1); i++)
        read_junk(d, db, i, find_by_mailbox(boxes, count, db_get_int(db, 1, i, 0)));
    return RC_OK;
}
