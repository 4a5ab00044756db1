/* store_alias.h - rows of table alias, and what addresses are: accounts or names for
 * others.
 *
 * Every function is one transaction.  Keys and targets have the form that account/aliases
 * gives them.  Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum { STORE_ALIAS_LIST_MAX = 10000, STORE_ALIAS_KEYS_MAX = 16384 };

struct store_alias {
    str_t key;
    str_t *targets;
    size_t target_count;
};

struct store_alias_account {
    str_t address;
    int state;      /* enum store_account_state */
    uint32_t flags; /* enum store_account_flag */
};

/* What is known about addresses and keys: one statement, whatever their number. */
struct store_alias_known {
    struct store_alias_account *account;
    struct store_alias *alias;
    size_t accounts, aliases; /* in no order */
};

/* The accounts among n addresses, and the aliases among k keys.  RC_LIMIT: more than
 * STORE_ALIAS_KEYS_MAX. */
enum rc store_alias_resolve(struct arena *a, struct db *db, const str_t *addresses,
                            size_t n, const str_t *keys, size_t k,
                            struct store_alias_known *out) RC_CHECKED;

/* Adds or replaces. */
enum rc store_alias_set(struct db *db, const struct store_alias *alias) RC_CHECKED;
/* RC_NOT_FOUND */
enum rc store_alias_remove(struct db *db, str_t key) RC_CHECKED;
/* By key, at most STORE_ALIAS_LIST_MAX. */
enum rc store_alias_list(struct arena *a, struct db *db, struct store_alias **out,
                         size_t *n) RC_CHECKED;
