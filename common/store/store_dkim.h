/* store_dkim.h - the keys by which mail is signed: rows of table dkim_key.
 *
 * What is private comes sealed and goes sealed: nothing here can open it
 * (svc/signing_keys). Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum {
    STORE_DKIM_USED_MAX = 4,   /* keys that sign for one domain */
    STORE_DKIM_LIST_MAX = 100, /* keys of one domain */
};

struct store_dkim_key {
    str_t domain, selector;
    str_t record; /* the text for DNS */
    str_t sealed; /* the private key */
    int64_t made_unix;
    int64_t used_unix;      /* signs since then; 0: not yet */
    int64_t retired_unix;   /* signs no more since then; 0: it still may */
    int64_t withdrawn_unix; /* its record is needed until then; 0: it is not retired */
};

/* Those of a domain that sign, at most STORE_DKIM_USED_MAX, by selector; in the arena.
 * Rows whose record nobody needs any more are removed on the way.  Own transaction. */
enum rc store_dkim_used(struct arena *a, struct db *db, str_t domain,
                        struct store_dkim_key **out, size_t *n) RC_CHECKED;

/* Within db_begin: until its end nobody else makes or changes keys. */
enum rc store_dkim_lock(struct db *db) RC_CHECKED;

/* Taken from key: domain, selector, record, sealed; it signs at once, if used.
 * RC_EXISTS: the domain has a key of that selector. */
enum rc store_dkim_add(struct db *db, const struct store_dkim_key *key,
                       bool used) RC_CHECKED;

/* The domain's keys that do not sign yet do so from now on, and the others no more; those
 * are withdrawn so long after.  RC_NOT_FOUND: there are none that do not sign yet. */
enum rc store_dkim_change(struct db *db, str_t domain,
                          int64_t withdrawn_after_s) RC_CHECKED;

/* Another seal around the same key, if it still has the one that was read. */
enum rc store_dkim_reseal(struct db *db, const struct store_dkim_key *key,
                          str_t sealed) RC_CHECKED;

/* All of a domain, the oldest first, without what is sealed; and PostgreSQL's time. */
enum rc store_dkim_list(struct arena *a, struct db *db, str_t domain,
                        struct store_dkim_key **out, size_t *n,
                        int64_t *now_unix) RC_CHECKED;
