/* login_cache.h - which passwords were verified against which hashes not long ago.
 *
 * Holds no password and no hash: a tag is an HMAC of account, hash and password under a
 * key that exists in this process only.  Whoever changes the password changes the hash in
 * the row, and with it the tag that is asked for.
 * Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct login_cache;

/* entries 0: remembers nothing. */
struct login_cache *login_cache_new(size_t entries, int64_t age_ms);
void login_cache_free(struct login_cache **c);

/* True if login_cache_put was called with the same three not longer than age_ms ago;
 * a hit counts as a use. */
bool login_cache_has(struct login_cache *c, int64_t account, str_t hash, str_t password,
                     int64_t now_ms);
/* An account has one entry at most.  When its set is full the longest unused goes. */
void login_cache_put(struct login_cache *c, int64_t account, str_t hash, str_t password,
                     int64_t now_ms);
