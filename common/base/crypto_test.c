/* crypto_test.c - published vectors, and text forms that decode to nothing else. */
#include "base/crypto.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_hex(const unsigned char *p, size_t n, const char *expected)
{
    char text[2 * 64 + 1];

    assert_true(n <= 64);
    crypto_hex(text, str_n((const char *)p, n));
    assert_string_equal(text, expected);
}

/* FIPS 180-2, and RFC 4231 cases 1, 2 and 6. */
static void test_hashes(void **state)
{
    unsigned char out[CRYPTO_SHA256_BYTES];
    struct crypto_sha256_state *s, *copy;
    char key[131];

    (void)state;
    crypto_sha256(S("abc"), out);
    assert_hex(out, sizeof(out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    s = crypto_sha256_new();
    crypto_sha256_feed(s, S("a"));
    copy = crypto_sha256_copy(s);
    crypto_sha256_feed(s, S("x"));
    crypto_sha256_free(&s);
    assert_null(s);
    crypto_sha256_feed(copy, S(""));
    crypto_sha256_feed(copy, S("bc"));
    crypto_sha256_done(&copy, out);
    assert_null(copy);
    assert_hex(out, sizeof(out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(key, 0x0b, 20);
    crypto_hmac_sha256(str_n(key, 20), S("Hi There"), out);
    assert_hex(out, sizeof(out),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    crypto_hmac_sha256(S("Jefe"), S("what do ya want for nothing?"), out);
    assert_hex(out, sizeof(out),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    crypto_hmac_sha256(str_n(key, sizeof(key)),
                       S("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, sizeof(out),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 5869 A.3: the case without salt, and the same with fewer bytes asked for. */
static void test_hkdf(void **state)
{
    char secret[22];
    unsigned char out[42], other[42];

    (void)state;
    memset(secret, 0x0b, sizeof(secret));
    crypto_hkdf(str_n(secret, sizeof(secret)), "", out, sizeof(out));
    assert_hex(out, sizeof(out),
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
    crypto_hkdf(str_n(secret, sizeof(secret)), "", other, 33);
    assert_memory_equal(out, other, 33);
    crypto_hkdf(str_n(secret, sizeof(secret)), "another purpose", other, sizeof(other));
    assert_memory_not_equal(out, other, 16);
}

/* RFC 4648 10 both ways, and every form that is not exact. */
static void test_base64(void **state)
{
    static const char *const good[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "\xff\xfe", "//4=" },
    };
    static const char *const bad[] = {
        "Z",    "Zg",       "Zg=",      "Zg===", "====", "=g==", "Z===",     "Zh==",
        "Zm9=", "Zm9v\r\n", "Zm 9v===", "Zm9-",  "Zm9_", "Zg=g", "Zg==Zg==",
    };
    struct arena *a = arena_new();
    str_t out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct buf *b = arena_buf(a, 100);

        crypto_base64_encode(b, str_of(good[i][0]));
        assert_true(str_eq(buf_str(b), str_of(good[i][1])));
        assert_int_equal(crypto_base64_decode(a, str_of(good[i][1]), &out), RC_OK);
        assert_true(str_eq(out, str_of(good[i][0])));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(crypto_base64_decode(a, str_of(bad[i]), &out), RC_INVALID);
    assert_int_equal(crypto_base64_decode(a, S("Zm\0v"), &out), RC_INVALID);
    arena_free(&a);
}

static void test_equal_and_wipe(void **state)
{
    char secret[] = "secret";

    (void)state;
    assert_true(crypto_equal(S("abc"), S("abc")) && crypto_equal(S(""), S("")));
    assert_false(crypto_equal(S("abc"), S("abd")) || crypto_equal(S("abc"), S("ab")));
    crypto_wipe(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        assert_int_equal(secret[i], 0);
}

static void test_random(void **state)
{
    bool seen[7] = { false };
    unsigned char many[64] = { 0 };
    size_t zero = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint32_t v = crypto_random_below(ARRAY_LEN(seen));

        assert_true(v < ARRAY_LEN(seen));
        seen[v] = true;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_true(seen[i]);
    assert_int_equal(crypto_random_below(1), 0);
    assert_true(crypto_random_u64() != crypto_random_u64());
    crypto_random(many, sizeof(many));
    for (size_t i = 0; i < sizeof(many); i++)
        zero += many[i] == 0;
    assert_true(zero < 16);
}

static void test_base64_is_strict(void **state)
{
    static const struct {
        str_t text;
        enum rc rc;
        str_t expect;
    } cases[] = {
        { STR(""), RC_OK, STR("") },
        { STR("AA=="), RC_OK, STR("\0") },
        { STR("AAA="), RC_OK, STR("\0\0") },
        { STR("+/+/"), RC_OK, STR("\xfb\xff\xbf") },
        { STR("c2VjcmV0"), RC_OK, STR("secret") },
        { STR("c2VjcmV0Cg=="), RC_OK, STR("secret\n") },
        { STR("c2VjcmV"), RC_INVALID, STR("") },
        { STR("c2Vj\r\n=="), RC_INVALID, STR("") },
        { STR("AB=="), RC_INVALID, STR("") },
        { STR("AAB="), RC_INVALID, STR("") },
        { STR("A==="), RC_INVALID, STR("") },
        { STR("===="), RC_INVALID, STR("") },
        { STR("AA==AAAA"), RC_INVALID, STR("") },
        { STR("AA-_"), RC_INVALID, STR("") },
        { STR("AA\0A"), RC_INVALID, STR("") },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t out = { NULL, 0 };

        assert_int_equal(crypto_base64_decode(a, cases[i].text, &out), cases[i].rc);
        if (cases[i].rc == RC_OK)
            assert_true(str_eq(out, cases[i].expect));
    }
    arena_free(&a);
}

/* "the password" and then something that is not base64. */
static void test_half_a_secret_is_wiped(void **state)
{
    struct arena *a = arena_new();
    char *before = arena_alloc(a, 16);
    str_t out, seen = str_n(before, 64);

    (void)state;
    assert_int_equal(crypto_base64_decode(a, S("dGhlIHBhc3N3b3Jk!!!!"), &out),
                     RC_INVALID);
    assert_int_equal(str_find(seen, S("the pass")), SIZE_MAX);
    assert_int_equal(crypto_base64_decode(a, S("dGhlIHBhc3N3b3Jk"), &out), RC_OK);
    assert_true(out.p > before && out.p < before + 64); /* we did look at the place */
    arena_free(&a);
}

static void base64_digits(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *at = memchr(alphabet, c, 64);

        assert_int_equal(crypto_base64_digit((unsigned char)c),
                         at == NULL ? -1 : at - alphabet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_digits),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_equal_and_wipe),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_half_a_secret_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
