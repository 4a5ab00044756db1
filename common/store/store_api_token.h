/* store_api_token.h - who may call the admin API: rows of table api_token.
 *
 * The table knows the SHA-256 of each token and not the token.  A hash is
 * CRYPTO_SHA256_BYTES long.  Every function is one transaction, add also a
 * part of its caller's.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

enum { STORE_API_TOKENS_MAX = 10000 }; /* that a list shows */

struct store_api_token {
    str_t name;
    int64_t created_unix;
    int64_t revoked_unix; /* 0: it is valid */
    int32_t used_day;     /* days since 1970; 0: never */
    bool used_today;
};

/* RC_EXISTS: a valid token has this name, or this very one was made before. */
enum rc store_api_token_add(struct db *db, str_t name, str_t hash) RC_CHECKED;

/* The token is to be valid: adds it unless it is there, in place of a valid one of the
 * same name.  RC_DENIED: it is there, and revoked. */
enum rc store_api_token_ensure(struct db *db, str_t name, str_t hash) RC_CHECKED;

/* A valid one; name is copied into a.  RC_NOT_FOUND. */
enum rc store_api_token_find(struct arena *a, struct db *db, str_t hash,
                             struct store_api_token *out) RC_CHECKED;

/* It was used today.  Writes nothing when that is known already. */
enum rc store_api_token_used(struct db *db, str_t hash) RC_CHECKED;

/* Valid and revoked ones, by name and then by age. */
enum rc store_api_token_list(struct arena *a, struct db *db, struct store_api_token **out,
                             size_t *n) RC_CHECKED;

/* RC_NOT_FOUND: no valid token has this name. */
enum rc store_api_token_revoke(struct db *db, str_t name) RC_CHECKED;
