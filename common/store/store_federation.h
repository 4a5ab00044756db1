/* store_federation.h - rows of table federation: with which domains mail is exchanged.
 *
 * Every function is one transaction.  Patterns have the form that svc/federation
 * gives them.  Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum { STORE_FEDERATION_MAX = 10000 };

struct store_federation_row {
    str_t pattern;
    unsigned directions; /* enum federation_direction */
    bool blocks;
};

/* Adds or replaces.  RC_LIMIT: there are STORE_FEDERATION_MAX already. */
enum rc store_federation_set(struct db *db,
                             const struct store_federation_row *row) RC_CHECKED;
/* RC_NOT_FOUND */
enum rc store_federation_remove(struct db *db, str_t pattern) RC_CHECKED;
/* By pattern. */
enum rc store_federation_list(struct arena *a, struct db *db,
                              struct store_federation_row **out, size_t *n) RC_CHECKED;
