/* password.h - password hashes: made with yescrypt, checked in every form that accounts
 * are imported with.
 *
 * The only door to libcrypt.  A hash costs milliseconds of a core, so callers live in the
 * login pool: its threads (login_threads) are the number that runs at the same time.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct arena;

enum {
    PASSWORD_HASH_MAX_BYTES = 256,
    PASSWORD_COST_MIN = 1,
    PASSWORD_COST_MAX = 11,
};

/* A new "$y$" hash in the arena.  RC_INVALID: an empty or too long password, one with a
 * NUL byte, or a cost outside the range. */
enum rc password_hash(struct arena *a, str_t password, unsigned cost,
                      str_t *out) RC_CHECKED;

/* Is it the password of this hash?  Knows $y$, $6$, $5$, $2a$, $2b$ and $2y$, also with a
 * scheme word in braces before it ("{SHA512-CRYPT}").  False for everything else.
 * Compares in constant time. */
bool password_verify(struct arena *a, str_t password, str_t hash);
