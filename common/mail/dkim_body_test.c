/* dkim_body_test.c - only what was asked for is hashed, in both forms, in any pieces. */
#include "mail/dkim_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const unsigned both = 1U << DKIM_CANON_SIMPLE | 1U << DKIM_CANON_RELAXED;

static bool matches(const struct dkim_body *b, enum dkim_canon canon, str_t canonical)
{
    unsigned char hash[CRYPTO_SHA256_BYTES];

    crypto_sha256(canonical, hash);
    return dkim_body_matches(b, canon, str_n((const char *)hash, sizeof(hash)));
}

static void pieces(void **state)
{
    static const str_t text = STR("x  y\r\n.\r\n\r\n..z \r\n\r\n");

    (void)state;
    for (size_t cut = 0; cut <= text.n; cut++) {
        struct dkim_body b;

        dkim_body_init(&b, both);
        dkim_body_feed(&b, str_head(text, cut));
        dkim_body_feed(&b, str_skip(text, cut));
        dkim_body_end(&b);
        assert_true(matches(&b, DKIM_CANON_SIMPLE, S("x  y\r\n.\r\n\r\n..z \r\n")));
        assert_true(matches(&b, DKIM_CANON_SIMPLE, S("x  y\r\n..\r\n\r\n...z \r\n")));
        assert_true(matches(&b, DKIM_CANON_RELAXED, S("x y\r\n.\r\n\r\n..z\r\n")));
        assert_true(matches(&b, DKIM_CANON_RELAXED, S("x y\r\n..\r\n\r\n...z\r\n")));
        assert_false(matches(&b, DKIM_CANON_RELAXED, S("x y\r\n..\r\n\r\n..z\r\n")));
        assert_false(matches(&b, DKIM_CANON_RELAXED, S("x  y\r\n.\r\n\r\n..z \r\n")));
        dkim_body_fini(&b);
    }
}

/* RFC 6376 3.4.3 and 3.4.4 state these. */
static void empty_body(void **state)
{
    struct dkim_body b;
    char hex[2 * CRYPTO_SHA256_BYTES + 1];

    (void)state;
    dkim_body_init(&b, both);
    dkim_body_end(&b);
    crypto_hex(hex, str_n((const char *)dkim_body_get(&b, DKIM_CANON_SIMPLE),
                          CRYPTO_SHA256_BYTES));
    assert_string_equal(
        hex, "7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6");
    crypto_hex(hex, str_n((const char *)dkim_body_get(&b, DKIM_CANON_RELAXED),
                          CRYPTO_SHA256_BYTES));
    assert_string_equal(
        hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    dkim_body_fini(&b);
}

static void only_what_was_asked_for(void **state)
{
    struct dkim_body b;

    (void)state;
    dkim_body_init(&b, 1U << DKIM_CANON_RELAXED);
    dkim_body_feed(&b, S("x\r\n.y\r\n"));
    assert_null(b.of[DKIM_CANON_SIMPLE].plain);
    assert_non_null(b.of[DKIM_CANON_RELAXED].stuffed);
    dkim_body_end(&b);
    assert_true(matches(&b, DKIM_CANON_RELAXED, S("x\r\n.y\r\n")));
    assert_false(matches(&b, DKIM_CANON_SIMPLE, S("x\r\n.y\r\n")));
    dkim_body_fini(&b);

    dkim_body_init(&b, 0);
    dkim_body_feed(&b, S("x"));
    dkim_body_end(&b);
    assert_false(matches(&b, DKIM_CANON_RELAXED, S("x\r\n")));
    dkim_body_fini(&b);

    /* Without a line that begins with a dot there is one hash. */
    dkim_body_init(&b, both);
    dkim_body_feed(&b, S("x.\r\n .y\r\n"));
    assert_null(b.of[DKIM_CANON_SIMPLE].stuffed);
    assert_null(b.of[DKIM_CANON_RELAXED].stuffed);
    dkim_body_fini(&b); /* a connection that ends here leaves nothing behind */
    dkim_body_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),
        cmocka_unit_test(empty_body),
        cmocka_unit_test(only_what_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
