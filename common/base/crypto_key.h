/* crypto_key.h - key pairs that sign a SHA-256: RSA (PKCS #1 1.5) and Ed25519.
 *
 * Keys come from the network: sizes are bounded before anything is computed with them.
 * Ed25519 signs the 32 bytes of the hash, as RFC 8463 3 has it.  A key is immutable and
 * may be used by several threads at once; crypto_key_free ends it.
 * Thread: any.
 */
#pragma once

#include "base/crypto.h"

struct crypto_key;

enum crypto_key_kind { CRYPTO_KEY_RSA, CRYPTO_KEY_ED25519 };

enum {
    CRYPTO_KEY_RSA_MIN_BITS = 1024,
    CRYPTO_KEY_RSA_MAX_BITS = 4096,
    CRYPTO_KEY_ED25519_BYTES = 32, /* of a public key */
    CRYPTO_KEY_MAX_BYTES = 4096,   /* of a key in any form that is read */
};

/* A new pair.  bits is 2048 or 4096 (about 0.1 s and 1 s), and ignored for Ed25519. */
struct crypto_key *crypto_key_generate(enum crypto_key_kind kind, unsigned bits);

/* A private key, as PKCS #8 or (RSA) PKCS #1, in DER or PEM.  RC_INVALID: it is none, it
 * has a password, or it is of another kind; RC_LIMIT: RSA with fewer or more bits than
 * those above. */
enum rc crypto_key_read_private(str_t bytes, struct crypto_key **out) RC_CHECKED;

/* A public key as DKIM's records have it: for RSA SubjectPublicKeyInfo or RSAPublicKey in
 * DER (RFC 6376 3.6.1 and its erratum 3017), for Ed25519 its 32 bytes (RFC 8463 4). */
enum rc crypto_key_read_public(enum crypto_key_kind kind, str_t bytes,
                               struct crypto_key **out) RC_CHECKED;

void crypto_key_free(struct crypto_key **key); /* a private one is wiped */

enum crypto_key_kind crypto_key_kind(const struct crypto_key *key);
unsigned crypto_key_bits(const struct crypto_key *key); /* RSA: of the modulus */

/* In the arena.  The private one is PKCS #8 in DER: whoever is done with it wipes it. */
str_t crypto_key_private(struct arena *a, const struct crypto_key *key);
str_t crypto_key_public(struct arena *a, const struct crypto_key *key); /* see above */

/* The signature of a hash, in the arena; the key is a private one. */
str_t crypto_key_sign(struct arena *a, const struct crypto_key *key,
                      const unsigned char sha256[CRYPTO_SHA256_BYTES]);
bool crypto_key_verify(const struct crypto_key *key,
                       const unsigned char sha256[CRYPTO_SHA256_BYTES], str_t signature);
