/* envelope_test.c - what is written is read again, and a newer or broken writer is
 * survived. */
#include "mail/envelope.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_round_trip(void **state)
{
    struct envelope in = { .smtputf8 = true,
                           .submission = true,
                           .quarantine = true,
                           .account = INT64_C(1) << 44,
                           .id = S("4b1.X-9") };
    struct arena *a = arena_new();
    struct envelope out;
    str_t text = envelope_format(a, &in);

    (void)state;
    assert_true(str_eq(text, S("{\"smtputf8\":true,\"submission\":true,"
                               "\"quarantine\":true,"
                               "\"account\":17592186044416,\"id\":\"4b1.X-9\"}")));
    assert_true(envelope_parse(text, &out));
    assert_true(out.smtputf8 && out.submission && out.quarantine && !out.eight_bit);
    assert_true(out.account == in.account && str_eq(out.id, in.id));
    in = (struct envelope){ .id = S("a\"b\r\n,c") };
    assert_true(str_eq(envelope_format(a, &in), S("{\"id\":\"abc\"}")));
    in = (struct envelope){ 0 };
    assert_true(str_eq(envelope_format(a, &in), S("{}")));
    arena_free(&a);
}

/* For whoever signs: the same as hashing what is stored, blanks at the end of a line and
 * lines at the end of the body apart (RFC 6376 3.4.4). */
static void test_body_hash(void **state)
{
    static const str_t bodies[] = { STR("a b\r\n"), STR("a  \t b \r\n\r\n\r\n"),
                                    STR("a b") };
    struct arena *a = arena_new();
    unsigned char hash[CRYPTO_SHA256_BYTES];
    struct envelope in, out;

    (void)state;
    crypto_sha256(bodies[0], hash);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        in = (struct envelope){ .id = S("x") };
        envelope_hash_body(&in, bodies[i]);
        assert_true(envelope_parse(envelope_format(a, &in), &out));
        assert_true(out.has_body_hash && str_eq(out.id, S("x")));
        assert_memory_equal(out.body_hash, hash, sizeof(hash));
    }
    assert_true(envelope_parse(S("{\"body_hash\":\"00ff\",\"id\":\"x\"}"), &out));
    assert_false(out.has_body_hash);
    assert_true(envelope_parse(
        S("{\"body_hash\":"
          "\"z0ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff\"}"),
        &out));
    assert_false(out.has_body_hash);
    arena_free(&a);
}

/* jsonb gives other blanks and another order; a newer service gives other fields. */
static void test_tolerance(void **state)
{
    struct envelope e;

    (void)state;
    assert_true(
        envelope_parse(S(" { \"new\" : {\"smtputf8\":[true,\"}]\\\"\"]} , \"id\": "
                         "\"x\", \"eight_bit\" :true, \"account\": -3, "
                         "\"smtputf8\": \"yes\", \"n\":null } "),
                       &e));
    assert_true(str_eq(e.id, S("x")) && e.eight_bit);
    assert_true(!e.smtputf8 && e.account == 0);
    assert_true(envelope_parse(S("{}"), &e));
    assert_true(envelope_parse(S("{\"id\":\"a\\u0041\"}"), &e) && e.id.n == 0);
}

static void test_broken(void **state)
{
    static const str_t bad[] = { STR(""),
                                 STR("null"),
                                 STR("{"),
                                 STR("{\"smtputf8\":true"),
                                 STR("{\"smtputf8\":true,"),
                                 STR("{\"smtputf8\":true,}"),
                                 STR("{\"a"),
                                 STR("{\"a\":\"b\\"),
                                 STR("{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}"),
                                 STR("{\"a\":[}") };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct envelope e;

        if (envelope_parse(bad[i], &e) || e.smtputf8)
            fail_msg("accepted: %.*s", STR_ARG(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_body_hash),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
