/* store_deliver_private.h - what the files of store_deliver share: a batch. */
#pragma once

#include "store/store_deliver.h"

struct store_deliver_entry {
    int64_t mailbox, body_id, modseq, idate;
    int32_t uid, size;
};

struct store_deliver {
    struct arena *arena;
    struct store_deliver_box *boxes;       /* the INBOXes */
    struct store_deliver_box **by_address; /* the same, sorted */
    size_t box_count;
    struct store_deliver_box *junk; /* of some of them */
    size_t junk_count;
    struct store_deliver_entry *entries;
    size_t entry_count, entry_cap;
};

/* Columns from `first` on: uidnext, modseq, nmsg, now_us(). */
void store_deliver_read(const struct db *db, size_t which, size_t row, int first,
                        struct store_deliver_box *box);
