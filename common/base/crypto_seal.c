/* crypto_seal.c - libcrypto's AES-256-GCM behind plain functions. */
#include "base/crypto_seal.h"

#include "base/arena.h"
#include "base/log.h"

#include <openssl/evp.h>

#include <limits.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16 };

_Static_assert(NONCE_BYTES + TAG_BYTES == CRYPTO_SEAL_EXTRA_BYTES, "as the header says");

static const unsigned char *bytes(const char *p)
{
    return (const unsigned char *)p;
}

str_t crypto_seal(struct arena *a, const unsigned char key[CRYPTO_SEAL_KEY_BYTES],
                  str_t label, str_t plain)
{
    unsigned char *out = arena_alloc(a, plain.n + CRYPTO_SEAL_EXTRA_BYTES);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    CHECK(ctx != NULL && plain.n < INT_MAX && label.n < INT_MAX);
    crypto_random(out, NONCE_BYTES);
    CHECK(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, out) == 1);
    CHECK(EVP_EncryptUpdate(ctx, NULL, &n, bytes(label.p), (int)label.n) == 1);
    CHECK(EVP_EncryptUpdate(ctx, out + NONCE_BYTES, &n, bytes(plain.p), (int)plain.n) ==
          1);
    CHECK(EVP_EncryptFinal_ex(ctx, out + NONCE_BYTES + n, &n) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES,
                              out + NONCE_BYTES + plain.n) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return str_n((const char *)out, plain.n + CRYPTO_SEAL_EXTRA_BYTES);
}

enum rc crypto_seal_open(struct arena *a, const unsigned char key[CRYPTO_SEAL_KEY_BYTES],
                         str_t label, str_t sealed, str_t *out)
{
    size_t size;
    unsigned char *plain;
    EVP_CIPHER_CTX *ctx;
    int n = 0;
    bool good;

    if (sealed.n < CRYPTO_SEAL_EXTRA_BYTES || sealed.n > INT_MAX || label.n > INT_MAX)
        return RC_INVALID;
    size = sealed.n - CRYPTO_SEAL_EXTRA_BYTES;
    plain = arena_alloc(a, size + 1);
    ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx != NULL);
    CHECK(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, bytes(sealed.p)) == 1);
    CHECK(EVP_DecryptUpdate(ctx, NULL, &n, bytes(label.p), (int)label.n) == 1);
    CHECK(EVP_DecryptUpdate(ctx, plain, &n, bytes(sealed.p) + NONCE_BYTES, (int)size) ==
          1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES,
                              (void *)(sealed.p + NONCE_BYTES + size)) == 1);
    good = EVP_DecryptFinal_ex(ctx, plain + size, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) {
        crypto_wipe(plain, size); /* what was not proven is nobody's to read */
        return RC_INVALID;
    }
    *out = str_n((const char *)plain, size);
    return RC_OK;
}
