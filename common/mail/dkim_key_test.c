/* dkim_key_test.c - key records as zones have them, and ours. */
#include "mail/dkim_key.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RSA_1                                                                            \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/"      \
    "zYtIxN"                                                                             \
    "2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR"
#define RSA_2 "+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
#define RSA   RSA_1 RSA_2
#define POINT "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
/* 768 bits. */
#define SHORT                                                                            \
    "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMCcsnFKn/"                                         \
    "HaYgC1C1wfxyq5POqftuROTwdOJ4gGZcpXIl+OCIRA"                                         \
    "He8MwFmrXXRlbqeP6PmU0YEFejwOn7DJP9uyaUzzeBpSK85ZakLEgbAf2UjwUAojFtgIwlckgn6JtQIDAQ" \
    "AB"

static void records_that_are_good(void **state)
{
    static const struct {
        const char *text;
        enum crypto_key_kind kind;
        bool no_subdomains, testing;
    } cases[] = {
        { "p=" RSA, CRYPTO_KEY_RSA, false, false },
        { "v=DKIM1;k=rsa;p=" RSA ";s=email;t=s", CRYPTO_KEY_RSA, true, false },
        { "v=DKIM1; t=y : s; p=" RSA_1 " \r\n\t" RSA_2 ";", CRYPTO_KEY_RSA, true, true },
        { "v=DKIM1; t=x; p=" RSA, CRYPTO_KEY_RSA, false, false },
        { "k=ed25519; p=" POINT, CRYPTO_KEY_ED25519, false, false },
        { "\"v=DKIM1; k=rsa; \" \"p=" RSA_1 "\" \"" RSA_2 "\"", CRYPTO_KEY_RSA, false,
          false },
        { "h=sha1:sha256; s=*; p=" RSA, CRYPTO_KEY_RSA, false, false },
        { "s=tlsrpt : email; p=" RSA, CRYPTO_KEY_RSA, false, false },
        { "n=a note; g=*; unknown=x; p=" RSA, CRYPTO_KEY_RSA, false, false },
    };
    struct arena *a = arena_new();
    struct dkim_key key;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum dkim_outcome got = dkim_key_parse(a, str_of(cases[i].text), &key);

        if (got != DKIM_OUTCOME_PASS)
            fail_msg("%s: %s", cases[i].text, dkim_outcome_text(got));
        assert_int_equal(crypto_key_kind(key.public), cases[i].kind);
        assert_true(key.no_subdomains == cases[i].no_subdomains);
        assert_true(key.testing == cases[i].testing);
        dkim_key_fini(&key);
        dkim_key_fini(&key);
    }
    arena_free(&a);
}

static void records_that_are_not(void **state)
{
    static const struct {
        const char *text;
        enum dkim_outcome outcome;
    } cases[] = {
        { "v=DKIM1; p=", DKIM_OUTCOME_KEY_REVOKED },
        { "v=DKIM1; k=x; p= ;", DKIM_OUTCOME_KEY_REVOKED },
        { "h=sha1; p=" RSA, DKIM_OUTCOME_KEY_HASH },
        { "s=tlsrpt; p=" RSA, DKIM_OUTCOME_KEY_SERVICE },
        { "k=dsa; p=" RSA, DKIM_OUTCOME_KEY_TYPE },
        { "k=rsa; p=" SHORT, DKIM_OUTCOME_KEY_SIZE },
        { "k=rsa; p=" POINT, DKIM_OUTCOME_KEY_SYNTAX },
        { "k=ed25519; p=" RSA, DKIM_OUTCOME_KEY_SYNTAX },
        { "v=DKIM2; p=" RSA, DKIM_OUTCOME_KEY_SYNTAX },
        { "k=rsa; v=DKIM1; p=" RSA, DKIM_OUTCOME_KEY_SYNTAX },
        { "v=DKIM1; k=rsa", DKIM_OUTCOME_KEY_SYNTAX },
        { "v=DKIM1; p=Zm9", DKIM_OUTCOME_KEY_SYNTAX },
        { "v=DKIM1; p=" RSA "; p=" RSA, DKIM_OUTCOME_KEY_SYNTAX },
        { "v=spf1 a -all", DKIM_OUTCOME_KEY_SYNTAX },
        { "", DKIM_OUTCOME_KEY_SYNTAX },
    };
    struct arena *a = arena_new();
    struct dkim_key key;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum dkim_outcome got = dkim_key_parse(a, str_of(cases[i].text), &key);

        if (got != cases[i].outcome)
            fail_msg("%s: %s", cases[i].text, dkim_outcome_text(got));
        assert_null(key.public);
    }
    arena_free(&a);
}

static void not_too_long(void **state)
{
    struct arena *a = arena_new();
    struct buf *b = arena_buf(a, DKIM_KEY_MAX_BYTES + 1);
    struct dkim_key key;

    (void)state;
    buf_puts(b, "k=ed25519;p=" POINT ";n=");
    while (b->n < DKIM_KEY_MAX_BYTES)
        buf_putc(b, 'x');
    assert_int_equal(dkim_key_parse(a, buf_str(b), &key), DKIM_OUTCOME_PASS);
    dkim_key_fini(&key);
    buf_putc(b, 'x');
    assert_int_equal(dkim_key_parse(a, buf_str(b), &key), DKIM_OUTCOME_KEY_SYNTAX);
    arena_free(&a);
}

static void ours(void **state)
{
    static const enum crypto_key_kind kinds[] = { CRYPTO_KEY_RSA, CRYPTO_KEY_ED25519 };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct crypto_key *key = crypto_key_generate(kinds[i], 2048);
        str_t text = dkim_key_record(a, key);
        struct dkim_key read;

        assert_true(str_starts(text, kinds[i] == CRYPTO_KEY_RSA
                                         ? S("v=DKIM1;k=rsa;p=")
                                         : S("v=DKIM1;k=ed25519;p=")));
        assert_true(str_ends_nocase(text, S(";s=email;t=s")));
        assert_int_equal(dkim_key_parse(a, text, &read), DKIM_OUTCOME_PASS);
        assert_int_equal(crypto_key_kind(read.public), kinds[i]);
        assert_true(read.no_subdomains);
        assert_true(str_eq(crypto_key_public(a, read.public), crypto_key_public(a, key)));
        dkim_key_fini(&read);
        crypto_key_free(&key);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_that_are_good),
        cmocka_unit_test(records_that_are_not),
        cmocka_unit_test(not_too_long),
        cmocka_unit_test(ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
