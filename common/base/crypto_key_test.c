/* crypto_key_test.c - forms of keys, sizes, and signatures that do not hold. */
#include "base/crypto_key.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static str_t decoded(struct arena *a, const char *text)
{
    str_t out;

    assert_int_equal(crypto_base64_decode(a, str_of(text), &out), RC_OK);
    return out;
}

/* RFC 8463 A.2: the seed and the point of its Ed25519 key. */
static const char rfc8463_seed[] = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
static const char rfc8463_point[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

static void ed25519(void **state)
{
    static const char prefix[] =
        "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22"
        "\x04\x20"; /* PKCS #8, RFC 8410 7 */
    static const unsigned char hash[CRYPTO_SHA256_BYTES] = { 1, 2, 3 };
    struct crypto_key *key = NULL, *public = NULL;
    struct arena *a = arena_new();
    struct buf *der = arena_buf(a, 64);
    str_t signature;

    (void)state;
    buf_append(der, prefix, sizeof(prefix) - 1);
    buf_put(der, decoded(a, rfc8463_seed));
    assert_int_equal(crypto_key_read_private(buf_str(der), &key), RC_OK);
    assert_int_equal(crypto_key_kind(key), CRYPTO_KEY_ED25519);
    assert_true(str_eq(crypto_key_public(a, key), decoded(a, rfc8463_point)));
    assert_true(str_eq(crypto_key_private(a, key), buf_str(der)));
    assert_int_equal(
        crypto_key_read_public(CRYPTO_KEY_ED25519, decoded(a, rfc8463_point), &public),
        RC_OK);
    signature = crypto_key_sign(a, key, hash);
    assert_int_equal(signature.n, 64);
    assert_true(crypto_key_verify(public, hash, signature));
    assert_false(crypto_key_verify(public, hash, str_head(signature, 63)));
    ((char *)signature.p)[5] ^= 1;
    assert_false(crypto_key_verify(public, hash, signature));
    crypto_key_free(&key);
    crypto_key_free(&public);
    assert_null(public);
    crypto_key_free(&public);
    arena_free(&a);
}

static void private_keys_in_pem(void **state)
{
    static const str_t good =
        STR("-----BEGIN PRIVATE KEY-----\n"
            "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
            "-----END PRIVATE KEY-----\n");
    /* openssl pkcs8 -topk8 -passout pass:secret */
    static const str_t with_password =
        STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
            "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhmuRbZOdBD6wICCAAw\n"
            "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEM0Tbk25xsVePvehWDOvfKEEQOsL\n"
            "5sSdI8ieQOrr1SaM4DtXJhqGqGM5K3lbqEndPztBFrHZL8E/d/njquyzpoUe+OKA\n"
            "HcoikCJSRPiGJs5biNc=\n"
            "-----END ENCRYPTED PRIVATE KEY-----\n");
    struct arena *a = arena_new();
    struct crypto_key *key = NULL;

    (void)state;
    assert_int_equal(crypto_key_read_private(good, &key), RC_OK);
    assert_true(str_eq(crypto_key_public(a, key), decoded(a, rfc8463_point)));
    crypto_key_free(&key);
    assert_int_equal(crypto_key_read_private(with_password, &key), RC_INVALID);
    assert_int_equal(crypto_key_read_private(str_head(good, good.n / 2), &key),
                     RC_INVALID);
    arena_free(&a);
}

static void rsa_pairs_that_are_made(void **state)
{
    static const unsigned sizes[] = { 2048, 4096 };
    unsigned char hash[CRYPTO_SHA256_BYTES] = { 1, 2, 3 };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct crypto_key *key = crypto_key_generate(CRYPTO_KEY_RSA, sizes[i]);
        struct crypto_key *again = NULL, *public = NULL;
        str_t signature = crypto_key_sign(a, key, hash);

        assert_int_equal(crypto_key_bits(key), sizes[i]);
        assert_int_equal(signature.n, sizes[i] / 8);
        assert_int_equal(crypto_key_read_private(crypto_key_private(a, key), &again),
                         RC_OK);
        assert_int_equal(
            crypto_key_read_public(CRYPTO_KEY_RSA, crypto_key_public(a, again), &public),
            RC_OK);
        assert_true(crypto_key_verify(public, hash, signature));
        assert_false(crypto_key_verify(public, hash, S("")));
        hash[31] ^= 1;
        assert_false(crypto_key_verify(public, hash, signature));
        hash[31] ^= 1;
        crypto_key_free(&key);
        crypto_key_free(&again);
        crypto_key_free(&public);
    }
    arena_free(&a);
}

static void public_keys_that_are_read(void **state)
{
    static const struct {
        const char *text;
        enum crypto_key_kind kind;
        enum rc rc;
    } cases[] = {
        /* 1024 bits as SubjectPublicKeyInfo and as RSAPublicKey. */
        { "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/"
          "zYt"
          "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/"
          "NMqJ0"
          "fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
          CRYPTO_KEY_RSA, RC_OK },
        { "MIGJAoGBAPAhE/9QLdIGwSYapn1klbf8OQygZ4udCDV9afv/Ni0jE3ZKcUKPE4Iob2/"
          "dviNh9xM2HmKN"
          "KyrrfW4Ei0truh36/9G10LZTMnWVZP3jupH5FxpzaBu2j80yonR/N9WMfg64qGK11j21/"
          "qZzAaNo0FxZ"
          "OggyY9I8N1A81RhyRxDZAgMBAAE=",
          CRYPTO_KEY_RSA, RC_OK },
        /* A byte behind it. */
        { "MIGJAoGBAPAhE/9QLdIGwSYapn1klbf8OQygZ4udCDV9afv/Ni0jE3ZKcUKPE4Iob2/"
          "dviNh9xM2HmKN"
          "KyrrfW4Ei0truh36/9G10LZTMnWVZP3jupH5FxpzaBu2j80yonR/N9WMfg64qGK11j21/"
          "qZzAaNo0FxZ"
          "OggyY9I8N1A81RhyRxDZAgMBAAEA",
          CRYPTO_KEY_RSA, RC_INVALID },
        /* The exponent 1: everybody could sign. */
        { "MIGHAoGBAPAhE/9QLdIGwSYapn1klbf8OQygZ4udCDV9afv/Ni0jE3ZKcUKPE4Iob2/"
          "dviNh9xM2HmKN"
          "KyrrfW4Ei0truh36/9G10LZTMnWVZP3jupH5FxpzaBu2j80yonR/N9WMfg64qGK11j21/"
          "qZzAaNo0FxZ"
          "OggyY9I8N1A81RhyRxDZAgEB",
          CRYPTO_KEY_RSA, RC_INVALID },
        /* 768 bits. */
        { "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMCcsnFKn/"
          "HaYgC1C1wfxyq5POqftuROTwdOJ4gGZcpXIl+O"
          "CIRAHe8MwFmrXXRlbqeP6PmU0YEFejwOn7DJP9uyaUzzeBpSK85ZakLEgbAf2UjwUAojFtgIwlckgn"
          "6J"
          "tQIDAQAB",
          CRYPTO_KEY_RSA, RC_LIMIT },
        /* Ed25519 where RSA is meant, and as SubjectPublicKeyInfo. */
        { "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", CRYPTO_KEY_RSA,
          RC_INVALID },
        { "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
          CRYPTO_KEY_ED25519, RC_INVALID },
        { "AAAA", CRYPTO_KEY_RSA, RC_INVALID },
        { "", CRYPTO_KEY_RSA, RC_INVALID },
        { "", CRYPTO_KEY_ED25519, RC_INVALID },
    };
    struct arena *a = arena_new();
    struct crypto_key *key = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc =
            crypto_key_read_public(cases[i].kind, decoded(a, cases[i].text), &key);

        if (rc != cases[i].rc)
            fail_msg("case %zu: %s", i, rc_name(rc));
        assert_true((key != NULL) == (rc == RC_OK));
        crypto_key_free(&key);
    }
    assert_int_equal(crypto_key_read_private(S("x"), &key), RC_INVALID);
    assert_int_equal(crypto_key_read_private(S(""), &key), RC_INVALID);
    arena_free(&a);
}

static void larger_than_4096(void **state)
{
    /* A modulus of 4104 bits: 513 bytes of which the first is 0x80. */
    unsigned char der[4 + 4 + 514 + 5] = { 0x30, 0x82, 0x02, 0x0b, 0x02,
                                           0x82, 0x02, 0x02, 0x00, 0x80 };
    struct crypto_key *key = NULL;

    (void)state;
    memset(der + 10, 0x55, 512);
    memcpy(der + sizeof(der) - 5, "\x02\x03\x01\x00\x01", 5);
    assert_int_equal(crypto_key_read_public(CRYPTO_KEY_RSA,
                                            str_n((const char *)der, sizeof(der)), &key),
                     RC_LIMIT);
    /* The same with 4096. */
    memmove(der + 10, der + 11, sizeof(der) - 11);
    der[3]--;
    der[7]--;
    assert_int_equal(crypto_key_read_public(
                         CRYPTO_KEY_RSA, str_n((const char *)der, sizeof(der) - 1), &key),
                     RC_OK);
    crypto_key_free(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ed25519),
        cmocka_unit_test(private_keys_in_pem),
        cmocka_unit_test(rsa_pairs_that_are_made),
        cmocka_unit_test(public_keys_that_are_read),
        cmocka_unit_test(larger_than_4096),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
