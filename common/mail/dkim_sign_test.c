/* dkim_sign_test.c - the form of the field; what it covers, and that nothing can be added
 * to it.
 */
#include "mail/dkim_sign.h"

#include "base/arena.h"
#include "mail/dkim_verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1800000000 };

static const str_t header = STR("From: Ann <a@b.test>\r\nTo: c@d\r\nSubject: [...]\r\n"
                                "Message-ID: <x@y>\r\nX-Other: x\r\n");
static const str_t body = STR("Hello\r\n");

struct pair {
    struct arena *a;
    struct crypto_key *key;
    struct dkim_key record;
};

static int make(void **state, enum crypto_key_kind kind)
{
    static struct pair p;

    p.a = arena_new();
    p.key = crypto_key_generate(kind, 2048);
    assert_int_equal(dkim_key_parse(p.a, dkim_key_record(p.a, p.key), &p.record),
                     DKIM_OUTCOME_PASS);
    *state = &p;
    return 0;
}

static int make_rsa(void **state)
{
    return make(state, CRYPTO_KEY_RSA);
}

static int make_ed25519(void **state)
{
    return make(state, CRYPTO_KEY_ED25519);
}

static int end(void **state)
{
    struct pair *p = *state;

    dkim_key_fini(&p->record);
    crypto_key_free(&p->key);
    arena_free(&p->a);
    return 0;
}

static str_t sign(const struct pair *p, str_t fields, struct dkim_sign s)
{
    struct dkim_body hashed;
    struct dkim_header h;
    str_t out;

    dkim_body_init(&hashed, 1U << DKIM_CANON_RELAXED);
    dkim_body_feed(&hashed, body);
    dkim_body_end(&hashed);
    s.key = p->key;
    s.now_unix = NOW;
    s.body_hash = dkim_body_get(&hashed, DKIM_CANON_RELAXED);
    dkim_header_init(p->a, fields, &h);
    out = dkim_sign(p->a, &h, &s);
    dkim_body_fini(&hashed);
    return out;
}

static enum dkim_outcome verify(const struct pair *p, str_t field, str_t fields)
{
    struct buf *message = arena_buf(p->a, 1 << 20);
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    enum dkim_outcome outcome;
    struct dkim_body hashed;
    struct dkim_header h;

    buf_put(message, field);
    buf_put(message, fields);
    assert_true(dkim_signature_find(p->a, buf_str(message), list) > 0);
    dkim_body_init(&hashed, dkim_signature_canons(list, 1));
    dkim_body_feed(&hashed, body);
    dkim_body_end(&hashed);
    outcome = dkim_verify_without_key(&list[0], &hashed, NOW);
    dkim_body_fini(&hashed);
    dkim_header_init(p->a, buf_str(message), &h);
    return outcome != DKIM_OUTCOME_PASS
               ? outcome
               : dkim_verify_with_key(p->a, &list[0], &h, &p->record);
}

static void form(void **state)
{
    struct pair *p = *state;
    bool is_rsa = crypto_key_kind(p->key) == CRYPTO_KEY_RSA;
    str_t field =
        sign(p, header, (struct dkim_sign){ .domain = S("b.test"), .selector = S("s1") });
    struct dkim_signature s;
    struct header_field f;

    assert_int_equal(header_check(field), RC_OK);
    assert_int_equal(header_count(field, S("DKIM-Signature")), 1);
    assert_true(header_find(field, S("dkim-signature"), &f));
    assert_int_equal(f.whole.n, field.n);
    dkim_signature_parse(p->a, &f, &s);
    assert_int_equal(s.outcome, DKIM_OUTCOME_PASS);
    assert_int_equal(s.kind, is_rsa ? CRYPTO_KEY_RSA : CRYPTO_KEY_ED25519);
    assert_int_equal(s.header_canon, DKIM_CANON_RELAXED);
    assert_int_equal(s.body_canon, DKIM_CANON_RELAXED);
    assert_true(str_eq(s.domain, S("b.test")) && str_eq(s.selector, S("s1")));
    assert_int_equal(s.signed_unix, NOW);
    assert_int_equal(s.expires_unix, -1);
    assert_int_equal(s.signature.n, is_rsa ? 256 : 64);
    assert_int_equal(verify(p, field, header), DKIM_OUTCOME_PASS);
}

static void expiry(void **state)
{
    str_t field =
        sign(*state, header,
             (struct dkim_sign){
                 .domain = S("b.test"), .selector = S("s1"), .valid_s = 432000 });

    assert_true(str_find(field, S("x=1800432000;")) != SIZE_MAX);
    assert_int_equal(verify(*state, field, header), DKIM_OUTCOME_PASS);
}

/* Wherever the folds come to lie. */
static void lines_are_short(void **state)
{
    static const str_t label =
        STR("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
    struct pair *p = *state;

    for (size_t n = 1; n <= label.n; n++) {
        str_t field = sign(
            p, header,
            (struct dkim_sign){ .domain = S("b.test"), .selector = str_head(label, n) });
        str_t rest = field, line;

        while (str_split(&rest, '\n', &line))
            assert_true(line.n <= DKIM_SIGN_LINE_BYTES + 1 && str_trim(line).n > 0);
        assert_int_equal(verify(p, field, header), DKIM_OUTCOME_PASS);
    }
}

/* Names as long as they can be stand on lines of their own, and all still holds. */
static void long_names(void **state)
{
    struct pair *p = *state;
    struct buf *name = arena_buf(p->a, 254);
    str_t field;

    while (name->n < 250)
        buf_puts(name, "abcdefghi.");
    buf_puts(name, "test");
    field =
        sign(p, header,
             (struct dkim_sign){ .domain = buf_str(name), .selector = buf_str(name) });
    assert_int_equal(header_check(field), RC_OK);
    assert_int_equal(verify(p, field, header), DKIM_OUTCOME_PASS);
}

static void nothing_can_be_added(void **state)
{
    static const struct {
        const char *name;
        enum dkim_outcome outcome;
    } cases[] = {
        { "From", DKIM_OUTCOME_SIGNATURE },
        { "from", DKIM_OUTCOME_SIGNATURE },
        { "Cc", DKIM_OUTCOME_SIGNATURE },
        { "Reply-To", DKIM_OUTCOME_SIGNATURE },
        { "Autocrypt", DKIM_OUTCOME_SIGNATURE },
        { "Content-Type", DKIM_OUTCOME_SIGNATURE },
        { "Subject", DKIM_OUTCOME_SIGNATURE },
        { "List-Id", DKIM_OUTCOME_SIGNATURE },
        { "Received", DKIM_OUTCOME_PASS },
        { "X-Spam", DKIM_OUTCOME_PASS },
    };
    struct pair *p = *state;
    str_t field =
        sign(p, header, (struct dkim_sign){ .domain = S("b.test"), .selector = S("s1") });

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t above =
            str_of(arena_printf(p->a, "%s: x\r\n%.*s", cases[i].name, STR_ARG(header)));
        str_t below =
            str_of(arena_printf(p->a, "%.*s%s: x\r\n", STR_ARG(header), cases[i].name));

        assert_int_equal(verify(p, field, above), cases[i].outcome);
        assert_int_equal(verify(p, field, below), cases[i].outcome);
    }
}

/* What is signed cannot be changed or taken away, what is not can. */
static void every_field_that_is_there_is_covered(void **state)
{
    static const char *const names[] = {
#define DKIM_SIGN_FIELD(name, oversigned) name,
#include "mail/dkim_sign_fields.def"
#undef DKIM_SIGN_FIELD
    };
    struct pair *p = *state;
    struct buf *all = arena_buf(p->a, 65536);
    str_t field;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        buf_printf(all, "%s: value\r\n", names[i]);
    field = sign(p, buf_str(all),
                 (struct dkim_sign){ .domain = S("b.test"), .selector = S("s1") });
    assert_int_equal(verify(p, field, buf_str(all)), DKIM_OUTCOME_PASS);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf *without = arena_buf(p->a, 65536);

        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            if (k != i)
                buf_printf(without, "%s: value\r\n", names[k]);
        }
        assert_int_equal(verify(p, field, buf_str(without)), DKIM_OUTCOME_SIGNATURE);
    }
}

static void many_of_a_name(void **state)
{
    struct pair *p = *state;
    struct buf *many = arena_buf(p->a, 1 << 20);
    struct dkim_signature s;
    struct header_field f;
    str_t field;

    buf_put(many, header);
    for (int i = 0; i < 500; i++)
        buf_printf(many, "References: <%d@x>\r\n", i);
    field = sign(p, buf_str(many),
                 (struct dkim_sign){ .domain = S("b.test"), .selector = S("s1") });
    assert_true(header_find(field, S("DKIM-Signature"), &f));
    dkim_signature_parse(p->a, &f, &s);
    assert_true(s.outcome == DKIM_OUTCOME_PASS && s.name_count < 60);
    assert_int_equal(verify(p, field, buf_str(many)), DKIM_OUTCOME_PASS);
}

#define FOR(test, key) cmocka_unit_test_setup_teardown(test, make_##key, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR(form, rsa),
        FOR(form, ed25519),
        FOR(lines_are_short, ed25519),
        FOR(expiry, ed25519),
        FOR(long_names, rsa),
        FOR(nothing_can_be_added, ed25519),
        FOR(every_field_that_is_there_is_covered, ed25519),
        FOR(many_of_a_name, ed25519),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
