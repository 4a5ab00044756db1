/* dkim_verify_test.c - the examples of the RFCs, every byte that they cover, and keys
 * that may not be used.
 */
#include "mail/dkim_verify.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/dkim_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1528637909 };

/* RFC 6376 A.2 with its errata 3192 and 4926. */
static const str_t rfc6376 =
    STR("DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
        "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
        "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
        "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
        "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
        "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
        "      4bmp/YzhwvcubU4=;\r\n"
        "Received: from client1.football.example.com  [192.0.2.1]\r\n"
        "      by submitserver.example.com with SUBMISSION;\r\n"
        "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n"
        "From: Joe SixPack <joe@football.example.com>\r\n"
        "To: Suzie Q <suzie@shopping.example.net>\r\n"
        "Subject: Is dinner ready?\r\n"
        "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
        "\r\n"
        "Hi.\r\n"
        "\r\n"
        "We lost the game. Are you hungry yet?\r\n"
        "\r\n"
        "Joe.\r\n");
static const str_t rfc6376_key = STR("v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ"
                                     "KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
                                     "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v"
                                     "/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
                                     "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB");

/* RFC 8463 A.3: two signatures. */
static const str_t rfc8463 =
    STR("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
        " subject : date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
        " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
        " date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
        " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
        " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
        "From: Joe SixPack <joe@football.example.com>\r\n"
        "To: Suzie Q <suzie@shopping.example.net>\r\n"
        "Subject: Is dinner ready?\r\n"
        "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
        "\r\n"
        "Hi.\r\n"
        "\r\n"
        "We lost the game.  Are you hungry yet?\r\n"
        "\r\n"
        "Joe.\r\n"
        "\r\n");
static const str_t rfc8463_keys[] = {
    STR("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    STR("v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
        "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
        "Ip3G+2kryOTIKT+l/K4w3QIDAQAB"),
};

/* Of the signature that is number which in the message. */
static enum dkim_outcome verify(str_t message, size_t which, str_t record, int64_t now)
{
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    str_t header = str_head(message, header_end(message));
    enum dkim_outcome outcome = DKIM_OUTCOME_KEY_MISSING;
    struct arena *a = arena_new();
    struct dkim_key key = { 0 };
    struct dkim_header fields;
    struct dkim_body body;
    size_t count = dkim_signature_find(a, header, list);

    dkim_body_init(&body, dkim_signature_canons(list, count));
    dkim_body_feed(&body, str_skip(message, header.n));
    dkim_body_end(&body);
    if (which < count) {
        dkim_header_init(a, header, &fields);
        outcome = dkim_verify_without_key(&list[which], &body, now);
        if (outcome == DKIM_OUTCOME_PASS)
            outcome = dkim_key_parse(a, record, &key);
        if (outcome == DKIM_OUTCOME_PASS)
            outcome = dkim_verify_with_key(a, &list[which], &fields, &key);
        dkim_key_fini(&key);
    }
    dkim_body_fini(&body);
    arena_free(&a);
    return outcome;
}

static void examples_of_the_rfcs(void **state)
{
    (void)state;
    assert_int_equal(verify(rfc6376, 0, rfc6376_key, NOW), DKIM_OUTCOME_PASS);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(verify(rfc8463, i, rfc8463_keys[i], NOW), DKIM_OUTCOME_PASS);
        assert_int_equal(verify(rfc8463, i, rfc8463_keys[1 - i], NOW),
                         DKIM_OUTCOME_KEY_TYPE);
    }
    assert_int_equal(verify(rfc8463, 1, rfc6376_key, NOW), DKIM_OUTCOME_SIGNATURE);
}

/* Simple/simple covers every byte, but those of an example that stand in no signed field:
 * there are none.  A change of the signature's own field may be seen as several things.
 */
static void every_byte_is_covered(void **state)
{
    size_t body = header_end(rfc6376);
    char *p = test_malloc(rfc6376.n);

    (void)state;
    for (size_t i = 0; i < rfc6376.n; i++) {
        enum dkim_outcome got;

        memcpy(p, rfc6376.p, rfc6376.n);
        p[i] ^= 1;
        got = verify(str_n(p, rfc6376.n), 0, rfc6376_key, NOW);
        if (got == DKIM_OUTCOME_PASS)
            fail_msg("byte %zu can be changed", i);
        if (i >= body && rfc6376.p[i] != '\r' && rfc6376.p[i] != '\n')
            assert_int_equal(got, DKIM_OUTCOME_BODY);
    }
    test_free(p);
}

/* Bytes put in at every place: no field may be added above, within or below. */
static void nothing_can_be_added(void **state)
{
    static const char *const added[] = { "X", " ", "From: eve@example.com\r\n",
                                         "\r\nFrom: eve@example.com" };
    char *p = test_malloc(rfc8463.n + 64);

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(added); k++) {
        size_t n = strlen(added[k]), passed = 0;

        for (size_t i = 0; i <= rfc8463.n; i++) {
            str_t changed = str_n(p, rfc8463.n + n);

            memcpy(p, rfc8463.p, i);
            memcpy(p + i, added[k], n);
            memcpy(p + i + n, rfc8463.p + i, rfc8463.n - i);
            if (verify(changed, 0, rfc8463_keys[0], NOW) != DKIM_OUTCOME_PASS)
                continue;
            passed++;
            assert_int_equal(header_count(changed, S("From")), 1);
        }
        if (k == 3)
            assert_int_equal(passed, 0);
    }
    test_free(p);
}

/* Changes of one place of a message, and what is said then.  key NULL: RFC 8463's. */
static const struct {
    const char *from, *to, *key;
    int64_t later_s;
    enum dkim_outcome outcome;
} cases[] = {
    { "v=1;", "v=1;", NULL, 0, DKIM_OUTCOME_PASS },
    /* The field itself is covered, so a sound change is a wrong signature. */
    { "v=1;", "v=1; z=x;", NULL, 0, DKIM_OUTCOME_SIGNATURE },
    { "v=1;", "v=1; l=5;", NULL, 0, DKIM_OUTCOME_LENGTH },
    { "v=1;", "v=1; l=100000;", NULL, 0, DKIM_OUTCOME_LENGTH },
    { "v=1;", "v=1; x=1528637910;", NULL, 0, DKIM_OUTCOME_SIGNATURE },
    { "v=1;", "v=1; x=1528637910;", NULL, DKIM_VERIFY_CLOCK_SKEW_S + 1,
      DKIM_OUTCOME_SIGNATURE },
    { "v=1;", "v=1; x=1528637910;", NULL, DKIM_VERIFY_CLOCK_SKEW_S + 2,
      DKIM_OUTCOME_EXPIRED },
    { "v=1;", "v=1;", NULL, -DKIM_VERIFY_CLOCK_SKEW_S - 1, DKIM_OUTCOME_FUTURE },
    { "v=1;", "v=1;", NULL, -DKIM_VERIFY_CLOCK_SKEW_S, DKIM_OUTCOME_PASS },
    { "Hi.", "Ho.", NULL, 0, DKIM_OUTCOME_BODY },
    { "dinner", "supper", NULL, 0, DKIM_OUTCOME_SIGNATURE },
    { "Subject: Is dinner", "subject:   Is \t dinner", NULL, 0, DKIM_OUTCOME_PASS },
    { "\r\nTo:", "\r\nFROM : x@y\r\nTo:", NULL, 0, DKIM_OUTCOME_SIGNATURE },
    { "\r\nTo:", "\r\nDate: x\r\nTo:", NULL, 0, DKIM_OUTCOME_SIGNATURE },
    { "\r\nTo:", "\r\nX-New: x\r\nTo:", NULL, 0, DKIM_OUTCOME_PASS },
    /* To is not oversigned in the example: one above it is not seen. */
    { "\r\nTo:", "\r\nTo: x\r\nTo:", NULL, 0, DKIM_OUTCOME_PASS },
    { "i=@football", "i=@x.football", "v=DKIM1; k=ed25519; t=y:s; p=", 0,
      DKIM_OUTCOME_KEY_IDENTITY },
    { "i=@football", "i=@x.football", "v=DKIM1; k=ed25519; t=y; p=", 0,
      DKIM_OUTCOME_SIGNATURE },
    { "v=1;", "v=1;", "k=ed25519; t=s; p=", 0, DKIM_OUTCOME_PASS },
    { "v=1;", "v=1;", "v=DKIM1; k=ed25519; h=sha1; p=", 0, DKIM_OUTCOME_KEY_HASH },
    { "v=1;", "v=1;", "v=DKIM1; k=ed25519; h=sha1 : sha256; p=", 0, DKIM_OUTCOME_PASS },
    { "v=1;", "v=1;", "v=DKIM1; k=ed25519; s=tlsrpt; p=", 0, DKIM_OUTCOME_KEY_SERVICE },
    { "v=1;", "v=1;", "v=DKIM1; p=", 0, DKIM_OUTCOME_KEY_SYNTAX },
    { "v=1;", "v=1;", "v=DKIM2; k=ed25519; p=", 0, DKIM_OUTCOME_KEY_SYNTAX },
};

static void changes(void **state)
{
    static const char *const point = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    struct buf message, key;

    (void)state;
    buf_init(&message, 65536);
    buf_init(&key, 1024);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t from = str_of(cases[i].from);
        size_t at = str_find(rfc8463, from);
        enum dkim_outcome got;

        buf_clear(&message);
        buf_put(&message, str_head(rfc8463, at));
        buf_puts(&message, cases[i].to);
        buf_put(&message, str_skip(rfc8463, at + from.n));
        buf_clear(&key);
        buf_puts(&key, cases[i].key == NULL ? "k=ed25519; p=" : cases[i].key);
        buf_puts(&key, point);
        got = verify(buf_str(&message), 0, buf_str(&key), NOW + cases[i].later_s);
        if (got != cases[i].outcome)
            fail_msg("case %zu: %s: %s", i, cases[i].to, dkim_outcome_text(got));
    }
    buf_fini(&message);
    buf_fini(&key);
}

static void keys_that_are_too_short(void **state)
{
    /* 768 bits. */
    static const str_t key =
        STR("k=rsa; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMCcsnFKn/HaYgC1C1wfxyq5POqftuRO"
            "TwdOJ4gGZcpXIl+OCIRAHe8MwFmrXXRlbqeP6PmU0YEFejwOn7DJP9uyaUzzeBpSK85Zak"
            "LEgbAf2UjwUAojFtgIwlckgn6JtQIDAQAB");

    (void)state;
    assert_int_equal(verify(rfc8463, 1, key, NOW), DKIM_OUTCOME_KEY_SIZE);
}

/* The body as it was on the wire, with its dots doubled, is what some servers sign. */
static void dots_on_the_wire(void **state)
{
    static const str_t header = STR("From: a@b\r\nSubject: x\r\n");
    static const str_t wire = STR("..\r\nx\r\n"), taken = STR(".\r\nx\r\n"),
                       other = STR("...\r\nx\r\n");
    struct crypto_key *key = crypto_key_generate(CRYPTO_KEY_ED25519, 0);
    struct arena *a = arena_new();
    struct dkim_sign s = {
        .domain = S("b"), .selector = S("s"), .key = key, .now_unix = NOW
    };
    const str_t bodies[] = { wire, taken, other };
    str_t record = dkim_key_record(a, key);
    struct dkim_header fields;

    (void)state;
    dkim_header_init(a, header, &fields);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct buf *message = arena_buf(a, 4096);
        struct dkim_body body;

        dkim_body_init(&body, 1 << DKIM_CANON_RELAXED);
        dkim_body_feed(&body, bodies[i]);
        dkim_body_end(&body);
        s.body_hash = dkim_body_get(&body, DKIM_CANON_RELAXED);
        buf_put(message, dkim_sign(a, &fields, &s));
        buf_put(message, header);
        buf_puts(message, "\r\n");
        buf_put(message, taken);
        assert_int_equal(verify(buf_str(message), 0, record, NOW),
                         i < 2 ? DKIM_OUTCOME_PASS : DKIM_OUTCOME_BODY);
        dkim_body_fini(&body);
    }
    crypto_key_free(&key);
    arena_free(&a);
}

static void not_more_than_eight(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < DKIM_SIGNATURE_MAX - 1; i++)
        buf_puts(&b, "DKIM-Signature: junk\r\n");
    buf_put(&b, rfc8463);
    assert_int_equal(verify(buf_str(&b), DKIM_SIGNATURE_MAX - 1, rfc8463_keys[0], NOW),
                     DKIM_OUTCOME_PASS);
    assert_int_equal(verify(buf_str(&b), DKIM_SIGNATURE_MAX, rfc8463_keys[1], NOW),
                     DKIM_OUTCOME_KEY_MISSING);
    buf_fini(&b);
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(dkim_outcome_word(DKIM_OUTCOME_PASS), "pass");
    assert_string_equal(dkim_outcome_word(DKIM_OUTCOME_KEY_UNREACHABLE), "temperror");
    assert_string_equal(dkim_outcome_word(DKIM_OUTCOME_LENGTH), "policy");
    for (int i = 0; i < DKIM_OUTCOME_COUNT; i++) {
        assert_true(strlen(dkim_outcome_text((enum dkim_outcome)i)) > 0);
        assert_int_equal(dkim_outcome_result((enum dkim_outcome)i) == DKIM_RESULT_PASS,
                         i == DKIM_OUTCOME_PASS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfcs),
        cmocka_unit_test(every_byte_is_covered),
        cmocka_unit_test(nothing_can_be_added),
        cmocka_unit_test(changes),
        cmocka_unit_test(keys_that_are_too_short),
        cmocka_unit_test(dots_on_the_wire),
        cmocka_unit_test(not_more_than_eight),
        cmocka_unit_test(words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
