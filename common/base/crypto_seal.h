/* crypto_seal.h - bytes that nobody can read or change unseen without the key:
 * AES-256-GCM.
 *
 * Thread: any.
 */
#pragma once

#include "base/crypto.h"

enum {
    CRYPTO_SEAL_KEY_BYTES = 32,
    CRYPTO_SEAL_EXTRA_BYTES = 28, /* that a sealed text is longer */
};

/* In the arena: nonce, what was plain, tag.  label says what it is, and is not in it:
 * whoever opens it must name the same, so that one sealed text cannot stand for another.
 * The nonce is random: at most 2^32 texts under one key (NIST SP 800-38D 8.3). */
str_t crypto_seal(struct arena *a, const unsigned char key[CRYPTO_SEAL_KEY_BYTES],
                  str_t label, str_t plain);

/* RC_INVALID: sealed by another key, under another label, or changed. */
enum rc crypto_seal_open(struct arena *a, const unsigned char key[CRYPTO_SEAL_KEY_BYTES],
                         str_t label, str_t sealed, str_t *out) RC_CHECKED;
