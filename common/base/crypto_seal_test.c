/* crypto_seal_test.c - what is sealed opens by its key and label only, and unchanged. */
#include "base/crypto_seal.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char key[CRYPTO_SEAL_KEY_BYTES] =
    "0123456789abcdef0123456789abcdef";
static const str_t label = STR("label"), plain = STR("what nobody shall read");

static int set_up(void **state)
{
    *state = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    struct arena *a = *state;

    arena_free(&a);
    return 0;
}

static void opens(void **state)
{
    str_t sealed = crypto_seal(*state, key, label, plain), out;

    assert_int_equal(sealed.n, plain.n + CRYPTO_SEAL_EXTRA_BYTES);
    assert_int_equal(str_find(sealed, S("nobody")), SIZE_MAX);
    assert_int_equal(crypto_seal_open(*state, key, label, sealed, &out), RC_OK);
    assert_true(str_eq(out, plain));
    assert_false(str_eq(sealed, crypto_seal(*state, key, label, plain)));
    sealed = crypto_seal(*state, key, S(""), S(""));
    assert_int_equal(crypto_seal_open(*state, key, S(""), sealed, &out), RC_OK);
    assert_int_equal(out.n, 0);
}

static void stays_shut(void **state)
{
    str_t sealed = crypto_seal(*state, key, label, plain), out;
    unsigned char other[CRYPTO_SEAL_KEY_BYTES];
    char changed[200];

    memcpy(other, key, sizeof(other));
    other[31] ^= 1;
    assert_int_equal(crypto_seal_open(*state, other, label, sealed, &out), RC_INVALID);
    assert_int_equal(crypto_seal_open(*state, key, S("labe"), sealed, &out), RC_INVALID);
    for (size_t i = 0; i < sealed.n; i++) {
        memcpy(changed, sealed.p, sealed.n);
        changed[i] ^= 1;
        assert_int_equal(
            crypto_seal_open(*state, key, label, str_n(changed, sealed.n), &out),
            RC_INVALID);
        assert_int_equal(crypto_seal_open(*state, key, label, str_head(sealed, i), &out),
                         RC_INVALID);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(opens), TEST(stays_shut) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
