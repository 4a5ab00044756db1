/* crypto.h - hashes, keyed hashes, key derivation, random bytes and their text forms.
 *
 * The only door to libcrypto for these; signatures are crypto_key.h's.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;

enum { CRYPTO_SHA256_BYTES = 32 };

void crypto_random(void *p, size_t n); /* aborts if the system has none */
uint64_t crypto_random_u64(void);
str_t crypto_random_id(struct arena *a); /* 16 hexadecimal digits, to name something */
uint32_t crypto_random_below(uint32_t limit); /* uniform in [0, limit) */

void crypto_sha256(str_t data, unsigned char out[CRYPTO_SHA256_BYTES]);
void crypto_hmac_sha256(str_t key, str_t data, unsigned char out[CRYPTO_SHA256_BYTES]);

/* RFC 5869 with SHA-256 and an empty salt; n at most 255 * 32. */
void crypto_hkdf(str_t secret, const char *info, unsigned char *out, size_t n);

/* A running SHA-256, for bytes that come in pieces. */
struct crypto_sha256_state;
struct crypto_sha256_state *crypto_sha256_new(void);
struct crypto_sha256_state *crypto_sha256_copy(const struct crypto_sha256_state *s);
void crypto_sha256_feed(struct crypto_sha256_state *s, str_t data);
void crypto_sha256_done(struct crypto_sha256_state **s,
                        unsigned char out[CRYPTO_SHA256_BYTES]);
void crypto_sha256_free(struct crypto_sha256_state **s); /* one that is not done */

bool crypto_equal(str_t a, str_t b); /* in constant time for equal lengths */
void crypto_wipe(void *p, size_t n);

/* RFC 4648 4, with padding.  Decoding is strict: alphabet, length and padding must be
 * exact, nothing else may stand in the text.  RC_INVALID otherwise; nothing of the text
 * stays in the arena then. */
void crypto_base64_encode(struct buf *to, str_t data);
enum rc crypto_base64_decode(struct arena *a, str_t text, str_t *out) RC_CHECKED;

/* 0 to 63; -1: no digit.  A table and in line, because a message has many megabytes, and
 * which way a comparison goes cannot be predicted. */
extern const signed char crypto_base64_values[256];
static inline int crypto_base64_digit(unsigned char c)
{
    return crypto_base64_values[c];
}

void crypto_hex(char *out, str_t data); /* writes 2 * data.n characters and a NUL */
