/* crypto_key.c - libcrypto's keys behind plain functions. */
#include "base/crypto_key.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/* Larger exponents are nobody's, and make a verification as dear as a signature. */
enum { EXPONENT_MIN_BITS = 2, EXPONENT_MAX_BITS = 64 };

struct crypto_key {
    enum crypto_key_kind kind;
    EVP_PKEY *pkey;
};

static struct crypto_key *key_of(enum crypto_key_kind kind, EVP_PKEY *pkey)
{
    struct crypto_key *key = mem_alloc(sizeof(*key));

    key->kind = kind;
    key->pkey = pkey;
    return key;
}

struct crypto_key *crypto_key_generate(enum crypto_key_kind kind, unsigned bits)
{
    EVP_PKEY *pkey;

    CHECK(kind == CRYPTO_KEY_ED25519 || bits == 2048 || bits == 4096);
    pkey = kind == CRYPTO_KEY_RSA ? EVP_RSA_gen(bits)
                                  : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    CHECK(pkey != NULL);
    return key_of(kind, pkey);
}

static bool is_usable_exponent(const EVP_PKEY *pkey)
{
    BIGNUM *e = NULL;
    bool usable = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
                  BN_num_bits(e) >= EXPONENT_MIN_BITS &&
                  BN_num_bits(e) <= EXPONENT_MAX_BITS && BN_is_odd(e);

    BN_free(e);
    return usable;
}

/* Takes the key that was read, NULL if there was none. */
static enum rc judge(EVP_PKEY *pkey, struct crypto_key **out)
{
    enum rc rc = RC_INVALID;
    int bits;

    /* What could not be read lies in this thread's queue of errors. */
    ERR_clear_error();
    if (pkey == NULL)
        return RC_INVALID;
    bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        *out = key_of(CRYPTO_KEY_ED25519, pkey);
        return RC_OK;
    }
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        if (bits < CRYPTO_KEY_RSA_MIN_BITS || bits > CRYPTO_KEY_RSA_MAX_BITS) {
            rc = RC_LIMIT;
        } else if (is_usable_exponent(pkey)) {
            *out = key_of(CRYPTO_KEY_RSA, pkey);
            return RC_OK;
        }
    }
    EVP_PKEY_free(pkey);
    return rc;
}

/* A key that is followed by something else is none. */
static EVP_PKEY *whole(EVP_PKEY *pkey, const unsigned char *end, str_t der)
{
    if (pkey != NULL && (const char *)end != der.p + der.n) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

/* Without it libcrypto would ask the terminal. */
static int no_password(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static EVP_PKEY *read_pem(str_t text)
{
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

    BIO_free(bio);
    return pkey;
}

enum rc crypto_key_read_private(str_t bytes, struct crypto_key **out)
{
    const unsigned char *at = (const unsigned char *)bytes.p;
    EVP_PKEY *pkey;

    if (bytes.n == 0 || bytes.n > CRYPTO_KEY_MAX_BYTES)
        return RC_INVALID;
    if (str_starts(bytes, S("-----BEGIN ")))
        return judge(read_pem(bytes), out);
    pkey = d2i_AutoPrivateKey(NULL, &at, (long)bytes.n);
    return judge(whole(pkey, at, bytes), out);
}

static EVP_PKEY *read_rsa(str_t der)
{
    const unsigned char *at = (const unsigned char *)der.p;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)der.n);

    if (pkey == NULL) {
        at = (const unsigned char *)der.p;
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)der.n);
    }
    if (pkey != NULL && !EVP_PKEY_is_a(pkey, "RSA")) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return whole(pkey, at, der);
}

enum rc crypto_key_read_public(enum crypto_key_kind kind, str_t bytes,
                               struct crypto_key **out)
{
    if (bytes.n == 0 || bytes.n > CRYPTO_KEY_MAX_BYTES)
        return RC_INVALID;
    if (kind == CRYPTO_KEY_RSA)
        return judge(read_rsa(bytes), out);
    if (bytes.n != CRYPTO_KEY_ED25519_BYTES)
        return RC_INVALID;
    return judge(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                             (const unsigned char *)bytes.p, bytes.n),
                 out);
}

void crypto_key_free(struct crypto_key **key)
{
    if (*key == NULL)
        return;
    EVP_PKEY_free((*key)->pkey);
    mem_free(*key);
    *key = NULL;
}

enum crypto_key_kind crypto_key_kind(const struct crypto_key *key)
{
    return key->kind;
}

unsigned crypto_key_bits(const struct crypto_key *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->pkey);
}

str_t crypto_key_private(struct arena *a, const struct crypto_key *key)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
    int n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
    unsigned char *p, *to;

    CHECK(n > 0);
    to = p = arena_alloc(a, (size_t)n);
    CHECK(i2d_PKCS8_PRIV_KEY_INFO(info, &to) == n);
    PKCS8_PRIV_KEY_INFO_free(info);
    return str_n((const char *)p, (size_t)n);
}

str_t crypto_key_public(struct arena *a, const struct crypto_key *key)
{
    size_t raw = CRYPTO_KEY_ED25519_BYTES;
    unsigned char *p, *to;
    int n;

    if (key->kind == CRYPTO_KEY_ED25519) {
        p = arena_alloc(a, raw);
        CHECK(EVP_PKEY_get_raw_public_key(key->pkey, p, &raw) == 1);
        return str_n((const char *)p, raw);
    }
    n = i2d_PUBKEY(key->pkey, NULL);
    CHECK(n > 0);
    to = p = arena_alloc(a, (size_t)n);
    CHECK(i2d_PUBKEY(key->pkey, &to) == n);
    return str_n((const char *)p, (size_t)n);
}

/* PKCS #1 1.5 puts the hash's name and the hash under the signature (RFC 8017 9.2). */
static bool set_rsa(EVP_PKEY_CTX *ctx)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
           EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0;
}

static size_t sign_rsa(EVP_PKEY *pkey, const unsigned char *sha256, unsigned char *to,
                       size_t room)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);

    CHECK(ctx != NULL && EVP_PKEY_sign_init(ctx) > 0 && set_rsa(ctx));
    CHECK(EVP_PKEY_sign(ctx, to, &room, sha256, CRYPTO_SHA256_BYTES) > 0);
    EVP_PKEY_CTX_free(ctx);
    return room;
}

static size_t sign_ed25519(EVP_PKEY *pkey, const unsigned char *sha256, unsigned char *to,
                           size_t room)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    CHECK(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1);
    CHECK(EVP_DigestSign(ctx, to, &room, sha256, CRYPTO_SHA256_BYTES) == 1);
    EVP_MD_CTX_free(ctx);
    return room;
}

str_t crypto_key_sign(struct arena *a, const struct crypto_key *key,
                      const unsigned char sha256[CRYPTO_SHA256_BYTES])
{
    size_t room = (size_t)EVP_PKEY_get_size(key->pkey);
    unsigned char *to = arena_alloc(a, room);
    size_t n = key->kind == CRYPTO_KEY_RSA ? sign_rsa(key->pkey, sha256, to, room)
                                           : sign_ed25519(key->pkey, sha256, to, room);

    return str_n((const char *)to, n);
}

/* No CHECK here: what the key is made of came from a stranger. */
static bool verify_rsa(EVP_PKEY *pkey, const unsigned char *sha256, str_t signature)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool good = ctx != NULL && EVP_PKEY_verify_init(ctx) > 0 && set_rsa(ctx) &&
                EVP_PKEY_verify(ctx, (const unsigned char *)signature.p, signature.n,
                                sha256, CRYPTO_SHA256_BYTES) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool verify_ed25519(EVP_PKEY *pkey, const unsigned char *sha256, str_t signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
                EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                                 sha256, CRYPTO_SHA256_BYTES) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

bool crypto_key_verify(const struct crypto_key *key,
                       const unsigned char sha256[CRYPTO_SHA256_BYTES], str_t signature)
{
    bool good = key->kind == CRYPTO_KEY_RSA
                    ? verify_rsa(key->pkey, sha256, signature)
                    : verify_ed25519(key->pkey, sha256, signature);

    ERR_clear_error();
    return good;
}
