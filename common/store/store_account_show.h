/* store_account_show.h - an account as its operator sees it.  Thread: the db's. */
#pragma once

#include "store/db.h"

struct store_account_show {
    int64_t id;
    str_t address;
    int state;           /* enum store_account_state */
    uint32_t flags;      /* enum store_account_flag */
    int64_t quota_bytes; /* that holds, its own or that of the options */
    bool has_own_quota;
    int64_t used_bytes;  /* of all mailboxes */
    int64_t messages;    /* likewise */
    int64_t mailboxes;   /* INBOX among them */
    int32_t created_day; /* days since 1970 */
    int32_t seen_day;    /* the last one that it was logged in on */
};

/* address in lower case.  RC_NOT_FOUND.  Strings are copied into a. */
enum rc store_account_show(struct arena *a, struct db *db, str_t address,
                           struct store_account_show *out) RC_CHECKED;
