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
                           .report = true,
                           .account = INT64_C(1) << 44,
                           .id = S("4b1.X-9") };
    struct arena *a = arena_new();
    struct envelope out;
    str_t text = envelope_format(a, &in);

    (void)state;
    assert_true(str_eq(text, S("{\"smtputf8\":true,\"submission\":true,"
                               "\"quarantine\":true,\"report\":true,"
                               "\"account\":17592186044416,\"id\":\"4b1.X-9\"}")));
    assert_true(envelope_parse(text, &out));
    assert_true(out.smtputf8 && out.submission && out.quarantine && out.report &&
                !out.eight_bit);
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

static void test_recipients(void **state)
{
    static const struct envelope_recipient recipients[] = {
        { STR("a@x.example"), ENVELOPE_NOTIFY_NEVER, STR("rfc822;a@x.example") },
        { STR("\"b \\\"\"@x.example"), ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_DELAY,
          STR("x400;\"]}, =+") },
        { STR("\xc3\xa4@y.example"), 0, STR("utf-8;\\x{E4}@y.example") },
    };
    struct envelope in = { .ret = ENVELOPE_RET_FULL,
                           .requiretls = true,
                           .tls_optional = true,
                           .envid = S("a \"=+ id"),
                           .recipients = recipients,
                           .recipient_count = ARRAY_LEN(recipients),
                           .id = S("x") };
    struct arena *a = arena_new();
    struct envelope_recipient r;
    str_t text = envelope_format(a, &in),
          two[] = { STR("A@X.example"), STR("\xc3\xa4@y.example") };
    struct envelope out;

    (void)state;
    assert_true(envelope_parse(text, &out) && str_eq(out.id, S("x")));
    assert_true(out.ret == ENVELOPE_RET_FULL && out.requiretls && out.tls_optional);
    assert_true(str_eq(envelope_envid(a, &out), in.envid));
    for (size_t i = 0; i < ARRAY_LEN(recipients); i++) {
        assert_true(envelope_find(a, &out, recipients[i].address, &r));
        assert_int_equal(r.notify, recipients[i].notify);
        assert_true(str_eq(r.orcpt, recipients[i].orcpt));
    }
    assert_false(envelope_find(a, &out, S("b@x.example"), &r));
    text = envelope_narrow(a, text, two, 2);
    assert_true(envelope_parse(text, &out) && str_eq(out.id, S("x")));
    assert_true(envelope_find(a, &out, S("a@x.example"), &r));
    assert_true(str_eq(r.orcpt, S("rfc822;a@x.example")));
    assert_true(envelope_find(a, &out, two[1], &r));
    assert_false(envelope_find(a, &out, recipients[1].address, &r));
    text = envelope_narrow(a, text, NULL, 0);
    assert_true(envelope_parse(text, &out) && !envelope_find(a, &out, two[0], &r));
    /* what a newer program has written stays */
    assert_true(str_eq(envelope_narrow(a,
                                       S("{\"new\":[1], \"recipients\": [\"a - =\", "
                                         "\"b N -\"], \"id\":\"y\"}"),
                                       &(const str_t){ "b", 1 }, 1),
                       S("{\"new\":[1], \"recipients\": [\"b N -\"], \"id\":\"y\"}")));
    assert_true(str_eq(envelope_narrow(a, S("{}"), two, 2), S("{}")));
    arena_free(&a);
}

/* A name is quoted or not, as its writer likes: it is one recipient's. */
static void test_quoted(void **state)
{
    static const str_t ways[] = { STR("\"a\\b\"@x.example"), STR("ab@x.example") };
    static const str_t orcpts[] = { STR("rfc822;ab@x.example"),
                                    STR("rfc822;\"ab\"@x.example") };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct envelope_recipient r = { ways[i & 1], ENVELOPE_NOTIFY_NEVER,
                                        orcpts[i >> 2] };
        struct envelope in = { .recipients = &r, .recipient_count = 1 }, out;
        str_t text = envelope_format(a, &in);
        const str_t *other = &ways[i >> 1 & 1];
        struct envelope_recipient found;

        text = envelope_narrow(a, text, other, 1);
        assert_true(envelope_parse(text, &out));
        assert_true(envelope_find(a, &out, *other, &found));
        assert_int_equal(found.notify, ENVELOPE_NOTIFY_NEVER);
        assert_true(str_eq(found.orcpt, r.orcpt));
        assert_true(str_eq(found.address, *other));
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_body_hash),
        cmocka_unit_test(test_tolerance),  cmocka_unit_test(test_broken),
        cmocka_unit_test(test_recipients), cmocka_unit_test(test_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
