/* crypto.c - libcrypto behind plain functions.
 *
 * OpenSSL 3 looks an algorithm up by name at each EVP_sha256() use; fetched once here.
 */
#include "base/crypto.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

struct crypto_sha256_state {
    EVP_MD_CTX *ctx;
};

static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    CHECK(sha256 != NULL);
}

void crypto_random(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        CHECK(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

uint64_t crypto_random_u64(void)
{
    uint64_t v;

    crypto_random(&v, sizeof(v));
    return v;
}

str_t crypto_random_id(struct arena *a)
{
    return str_of(arena_printf(a, "%016" PRIx64, crypto_random_u64()));
}

uint32_t crypto_random_below(uint32_t limit)
{
    uint64_t ceiling;
    uint32_t v;

    CHECK(limit > 0);
    /* Values above the last full multiple of limit would favour small results. */
    ceiling = (UINT64_C(1) << 32) / limit * limit;
    do {
        crypto_random(&v, sizeof(v));
    } while (v >= ceiling);
    return v % limit;
}

void crypto_sha256(str_t data, unsigned char out[CRYPTO_SHA256_BYTES])
{
    pthread_once(&once, fetch);
    CHECK(EVP_Digest(data.p, data.n, out, NULL, sha256, NULL) == 1);
}

void crypto_hmac_sha256(str_t key, str_t data, unsigned char out[CRYPTO_SHA256_BYTES])
{
    unsigned int n = CRYPTO_SHA256_BYTES;

    pthread_once(&once, fetch);
    CHECK(HMAC(sha256, key.p, (int)key.n, (const unsigned char *)data.p, data.n, out,
               &n) != NULL);
}

void crypto_hkdf(str_t secret, const char *info, unsigned char *out, size_t n)
{
    static const unsigned char no_salt[CRYPTO_SHA256_BYTES];
    unsigned char key[CRYPTO_SHA256_BYTES], block[CRYPTO_SHA256_BYTES];
    unsigned char input[CRYPTO_SHA256_BYTES + 256 + 1];
    size_t info_n = strlen(info), done = 0, previous = 0;

    CHECK(n <= 255 * CRYPTO_SHA256_BYTES && info_n <= 256);
    crypto_hmac_sha256(str_n((const char *)no_salt, sizeof(no_salt)), secret, key);
    for (unsigned char counter = 1; done < n; counter++) {
        size_t take = n - done < sizeof(block) ? n - done : sizeof(block);

        memcpy(input, block, previous);
        memcpy(input + previous, info, info_n);
        input[previous + info_n] = counter;
        crypto_hmac_sha256(str_n((const char *)key, sizeof(key)),
                           str_n((const char *)input, previous + info_n + 1), block);
        memcpy(out + done, block, take);
        done += take;
        previous = sizeof(block);
    }
    crypto_wipe(key, sizeof(key));
    crypto_wipe(block, sizeof(block));
    crypto_wipe(input, sizeof(input));
}

struct crypto_sha256_state *crypto_sha256_new(void)
{
    struct crypto_sha256_state *s = mem_alloc(sizeof(*s));

    pthread_once(&once, fetch);
    s->ctx = EVP_MD_CTX_new();
    CHECK(s->ctx != NULL && EVP_DigestInit_ex(s->ctx, sha256, NULL) == 1);
    return s;
}

struct crypto_sha256_state *crypto_sha256_copy(const struct crypto_sha256_state *s)
{
    struct crypto_sha256_state *copy = crypto_sha256_new();

    CHECK(EVP_MD_CTX_copy_ex(copy->ctx, s->ctx) == 1);
    return copy;
}

void crypto_sha256_feed(struct crypto_sha256_state *s, str_t data)
{
    CHECK(EVP_DigestUpdate(s->ctx, data.p, data.n) == 1);
}

void crypto_sha256_done(struct crypto_sha256_state **s,
                        unsigned char out[CRYPTO_SHA256_BYTES])
{
    CHECK(EVP_DigestFinal_ex((*s)->ctx, out, NULL) == 1);
    crypto_sha256_free(s);
}

void crypto_sha256_free(struct crypto_sha256_state **s)
{
    if (*s == NULL)
        return;
    EVP_MD_CTX_free((*s)->ctx);
    mem_free(*s);
    *s = NULL;
}

bool crypto_equal(str_t a, str_t b)
{
    return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

void crypto_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void crypto_base64_encode(struct buf *to, str_t data)
{
    for (size_t i = 0; i < data.n; i += 3) {
        size_t left = data.n - i;
        uint32_t v = (uint32_t)(unsigned char)data.p[i] << 16;
        char four[4];

        if (left > 1)
            v |= (uint32_t)(unsigned char)data.p[i + 1] << 8;
        if (left > 2)
            v |= (unsigned char)data.p[i + 2];
        four[0] = alphabet[v >> 18];
        four[1] = alphabet[v >> 12 & 63];
        four[2] = left > 1 ? alphabet[v >> 6 & 63] : '=';
        four[3] = left > 2 ? alphabet[v & 63] : '=';
        buf_append(to, four, 4);
    }
}

#define NO_8   -1, -1, -1, -1, -1, -1, -1, -1
#define NO_32  NO_8, NO_8, NO_8, NO_8
#define NO_128 NO_32, NO_32, NO_32, NO_32
const signed char crypto_base64_values[256] = {
    NO_32, NO_8, -1, -1, -1, 62, -1, -1, -1, 63, 52, 53, 54, 55, 56,    57, 58, 59, 60,
    61,    -1,   -1, -1, -1, -1, -1, -1, 0,  1,  2,  3,  4,  5,  6,     7,  8,  9,  10,
    11,    12,   13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,    -1, -1, -1, -1,
    -1,    -1,   26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,    39, 40, 41, 42,
    43,    44,   45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1, NO_128
};

/* False: not a digit, or bits behind the end that are not zero (RFC 4648 3.5). */
static bool decode_group(const char *four, size_t padding, char *to)
{
    uint32_t v = 0;

    for (size_t k = 0; k < 4; k++) {
        int digit = k >= 4 - padding ? 0 : crypto_base64_digit((unsigned char)four[k]);

        if (digit < 0)
            return false;
        v = v << 6 | (uint32_t)digit;
    }
    to[0] = (char)(v >> 16);
    to[1] = (char)(v >> 8);
    to[2] = (char)v;
    return padding == 0 || (v & (padding == 2 ? 0xffff : 0xff)) == 0;
}

enum rc crypto_base64_decode(struct arena *a, str_t text, str_t *out)
{
    size_t padding = 0, room = text.n / 4 * 3;
    char *to;

    if (text.n % 4 != 0)
        return RC_INVALID;
    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
        padding++;
    to = arena_alloc(a, room + 1);
    for (size_t i = 0; i < text.n; i += 4) {
        if (!decode_group(text.p + i, i + 4 == text.n ? padding : 0, to + i / 4 * 3)) {
            crypto_wipe(to, room); /* it may be half of a password */
            return RC_INVALID;
        }
    }
    *out = str_n(to, room - padding);
    return RC_OK;
}

void crypto_hex(char *out, str_t data)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < data.n; i++) {
        *out++ = digits[(unsigned char)data.p[i] >> 4];
        *out++ = digits[(unsigned char)data.p[i] & 15];
    }
    *out = '\0';
}
