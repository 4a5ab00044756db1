/* store_deliver.c - UIDs come from the locked mailbox row, inside the transaction that
 * delivers: they are gapless and become visible in order. */
#include "store/store_deliver_private.h"

#include "base/log.h"
#include "store/store_mailbox.h"

#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_MAX = 256 * 1024, FIRST_ENTRIES = 64 };

/* What somebody else has locked comes without its mailbox: a batch that waited for one
 * INBOX would keep all its others locked and everybody's mail waiting. */
DB_STATEMENT(stmt_lock, "deliver_lock",
             "SELECT a.addr, a.id, m.id, m.bytes, m.quota, m.uidnext, m.modseq, m.nmsg, "
             "now_us() FROM account a LEFT JOIN LATERAL"
             " (SELECT id, bytes, quota_of(own_quota, $2) AS quota, uidnext, modseq, nmsg"
             "  FROM mailbox WHERE id = a.id << 18 FOR NO KEY UPDATE SKIP LOCKED) m"
             " ON true WHERE a.addr = ANY($1) AND a.state = 0");
DB_STATEMENT(stmt_insert, "deliver_insert",
             "INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size) "
             "SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], "
             "$5::int4[], $6::int4[])");
DB_STATEMENT(stmt_update, "deliver_update",
             "UPDATE mailbox m SET uidnext = u.uidnext, modseq = u.modseq,"
             " nmsg = m.nmsg + u.n, bytes = m.bytes + u.bytes "
             "FROM unnest($1::int8[], $2::int4[], $3::int8[], $4::int4[], $5::int8[])"
             " AS u(id, uidnext, modseq, n, bytes) WHERE m.id = u.id");

DB_STATEMENT(stmt_bytes, "deliver_bytes",
             "UPDATE mailbox m SET bytes = m.bytes + u.bytes "
             "FROM unnest($1::int8[], $2::int8[]) AS u(id, bytes) WHERE m.id = u.id");

static int compare_address(const void *a, const void *b)
{
    const struct store_deliver_box *const *x = a, *const *y = b;

    return str_compare((*x)->address, (*y)->address);
}

/* The next MODSEQ is larger than the last one, and a time: never used twice, even if the
 * newest commits were lost with the server's disk. */
void store_deliver_read(const struct db *db, size_t which, size_t row, int first,
                        struct store_deliver_box *box)
{
    int64_t modseq = db_get_int(db, which, row, first + 1),
            now_us = db_get_int(db, which, row, first + 3);

    box->uidnext = (uint32_t)db_get_int(db, which, row, first);
    box->modseq = modseq + 1 > now_us ? modseq + 1 : now_us;
    box->messages = db_get_int(db, which, row, first + 2);
}

static void read_box(struct arena *a, const struct db *db, size_t which, size_t row,
                     struct store_deliver_box *box)
{
    box->address = arena_str(a, db_get_str(db, which, row, 0));
    box->account = db_get_int(db, which, row, 1);
    box->busy = db_is_null(db, which, row, 2);
    if (box->busy)
        return;
    box->mailbox = db_get_int(db, which, row, 2);
    box->bytes = db_get_int(db, which, row, 3);
    box->quota_bytes = db_get_int(db, which, row, 4);
    store_deliver_read(db, which, row, 5, box);
}

enum rc store_deliver_lock(struct arena *a, struct db *db, size_t queued,
                           const str_t *addresses, size_t n, struct store_deliver **out)
{
    struct store_deliver *d = arena_alloc(a, sizeof(*d));
    enum rc rc;

    CHECK(db_in_transaction(db));
    if (n > ADDRESSES_MAX)
        return RC_LIMIT;
    rc = db_run(db, &stmt_lock,
                DB_PARAMS(db_texts(addresses, n), db_int8(db_quota_bytes(db))));
    if (rc != RC_OK)
        return rc;
    d->arena = a;
    d->box_count = db_rows(db, queued);
    d->boxes = arena_array(a, d->box_count + 1, sizeof(*d->boxes));
    d->by_address = arena_array(a, d->box_count + 1, sizeof(struct store_deliver_box *));
    for (size_t i = 0; i < d->box_count; i++) {
        read_box(a, db, queued, i, &d->boxes[i]);
        d->by_address[i] = &d->boxes[i];
    }
    qsort(d->by_address, d->box_count, sizeof(struct store_deliver_box *),
          compare_address);
    *out = d;
    return RC_OK;
}

struct store_deliver_box *store_deliver_find(struct store_deliver *d, str_t address)
{
    struct store_deliver_box key = { .address = address }, *k = &key;
    struct store_deliver_box **found =
        bsearch(&k, d->by_address, d->box_count, sizeof(struct store_deliver_box *),
                compare_address);

    return found == NULL ? NULL : *found;
}

static struct store_deliver_entry *new_entry(struct store_deliver *d)
{
    if (d->entry_count == d->entry_cap) {
        size_t cap = d->entry_cap == 0 ? FIRST_ENTRIES : d->entry_cap * 2;
        struct store_deliver_entry *larger = arena_array(d->arena, cap, sizeof(*larger));

        if (d->entry_count > 0)
            memcpy(larger, d->entries, d->entry_count * sizeof(*larger));
        d->entries = larger;
        d->entry_cap = cap;
    }
    return &d->entries[d->entry_count++];
}

enum rc store_deliver_add(struct store_deliver *d, struct store_deliver_box *box,
                          int64_t body_id, int32_t size, int64_t idate_unix)
{
    struct store_deliver_box *account = box->inbox != NULL ? box->inbox : box;

    CHECK(!box->busy);
    if (account->bytes + size > account->quota_bytes ||
        box->messages + box->added >= STORE_MAILBOX_MESSAGES_MAX)
        return RC_LIMIT;
    *new_entry(d) = (struct store_deliver_entry){ .mailbox = box->mailbox,
                                                  .body_id = body_id,
                                                  .modseq = box->modseq,
                                                  .idate = idate_unix,
                                                  .uid = (int32_t)box->uidnext,
                                                  .size = size };
    box->uidnext++;
    account->bytes += size;
    box->added++;
    box->added_bytes += size;
    box->last_body = body_id;
    box->last_size = size;
    return RC_OK;
}

static void queue_messages(const struct store_deliver *d, struct db *db)
{
    size_t n = d->entry_count;
    int64_t *mailbox = arena_array(d->arena, n, sizeof(int64_t));
    int64_t *body = arena_array(d->arena, n, sizeof(int64_t));
    int64_t *modseq = arena_array(d->arena, n, sizeof(int64_t));
    int64_t *idate = arena_array(d->arena, n, sizeof(int64_t));
    int32_t *uid = arena_array(d->arena, n, sizeof(int32_t));
    int32_t *size = arena_array(d->arena, n, sizeof(int32_t));

    for (size_t i = 0; i < n; i++) {
        mailbox[i] = d->entries[i].mailbox;
        body[i] = d->entries[i].body_id;
        modseq[i] = d->entries[i].modseq;
        idate[i] = d->entries[i].idate;
        uid[i] = d->entries[i].uid;
        size[i] = d->entries[i].size;
    }
    db_queue(db, &stmt_insert,
             DB_PARAMS(db_int8s(mailbox, n), db_int8s(body, n), db_int8s(modseq, n),
                       db_int8s(idate, n), db_int4s(uid, n), db_int4s(size, n)));
}

/* The bytes of all mailboxes are counted at INBOX, which may have got nothing else. */
static void queue_junk_bytes(const struct store_deliver *d, struct db *db)
{
    int64_t *id = arena_array(d->arena, d->junk_count + 1, sizeof(int64_t));
    int64_t *bytes = arena_array(d->arena, d->junk_count + 1, sizeof(int64_t));
    size_t n = 0;

    for (size_t i = 0; i < d->junk_count; i++) {
        if (d->junk[i].added == 0)
            continue;
        id[n] = d->junk[i].inbox->mailbox;
        bytes[n] = d->junk[i].added_bytes;
        n++;
    }
    if (n > 0)
        db_queue(db, &stmt_bytes, DB_PARAMS(db_int8s(id, n), db_int8s(bytes, n)));
}

static void queue_boxes(const struct store_deliver *d, struct db *db)
{
    size_t all, n = 0;
    const struct store_deliver_box *boxes = store_deliver_boxes(d, &all);
    int64_t *id = arena_array(d->arena, all, sizeof(int64_t));
    int32_t *uidnext = arena_array(d->arena, all, sizeof(int32_t));
    int64_t *modseq = arena_array(d->arena, all, sizeof(int64_t));
    int32_t *count = arena_array(d->arena, all, sizeof(int32_t));
    int64_t *bytes = arena_array(d->arena, all, sizeof(int64_t));

    for (size_t i = 0; i < all; i++) {
        const struct store_deliver_box *box = &boxes[i];

        if (box->added == 0)
            continue;
        id[n] = box->mailbox;
        uidnext[n] = (int32_t)box->uidnext;
        modseq[n] = box->modseq;
        count[n] = (int32_t)box->added;
        bytes[n] = box->inbox == NULL ? box->added_bytes : 0;
        n++;
    }
    db_queue(db, &stmt_update,
             DB_PARAMS(db_int8s(id, n), db_int4s(uidnext, n), db_int8s(modseq, n),
                       db_int4s(count, n), db_int8s(bytes, n)));
    queue_junk_bytes(d, db);
}

void store_deliver_put(struct store_deliver *d, struct db *db)
{
    CHECK(db_in_transaction(db));
    if (d->entry_count == 0)
        return;
    queue_messages(d, db);
    queue_boxes(d, db);
}

const struct store_deliver_box *store_deliver_boxes(const struct store_deliver *d,
                                                    size_t *n)
{
    struct store_deliver_box *all;

    *n = d->box_count + d->junk_count;
    if (d->junk_count == 0)
        return d->boxes;
    all = arena_array(d->arena, *n, sizeof(*all));
    memcpy(all, d->boxes, d->box_count * sizeof(*all));
    memcpy(all + d->box_count, d->junk, d->junk_count * sizeof(*all));
    return all;
}
