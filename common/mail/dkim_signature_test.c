/* dkim_signature_test.c - every tag's rules, one change at a time. */
#include "mail/dkim_signature.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HASH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="

static const char *const tags[][2] = {
    { "v", "1" },         { "a", "rsa-sha256" }, { "d", "Example.COM" }, { "s", "Sel.x" },
    { "h", "to : From" }, { "bh", HASH },        { "b", "Zm 9\r\n v" },
};

/* The field with one tag changed (NULL: left out) or added. */
static struct dkim_signature parse(struct arena *a, const char *name, const char *value)
{
    struct buf *b = arena_buf(a, 65536);
    struct dkim_signature out;
    struct header_field field;
    struct header_iter it;
    bool done = name == NULL;

    buf_puts(b, "DKIM-Signature:");
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        bool is_it = !done && strcmp(tags[i][0], name) == 0;

        if (!is_it || value != NULL)
            buf_printf(b, " %s=%s;", tags[i][0], is_it ? value : tags[i][1]);
        done |= is_it;
    }
    if (!done)
        buf_printf(b, " %s=%s", name, value);
    buf_puts(b, "\r\n");
    header_init(&it, buf_str(b));
    assert_true(header_next(&it, &field));
    dkim_signature_parse(a, &field, &out);
    return out;
}

static void what_it_says(void **state)
{
    struct arena *a = arena_new();
    struct dkim_signature s = parse(a, NULL, NULL);

    (void)state;
    assert_int_equal(s.outcome, DKIM_OUTCOME_PASS);
    assert_int_equal(s.kind, CRYPTO_KEY_RSA);
    assert_int_equal(s.header_canon, DKIM_CANON_SIMPLE);
    assert_int_equal(s.body_canon, DKIM_CANON_SIMPLE);
    assert_true(str_eq(s.domain, S("example.com")) && str_eq(s.selector, S("sel.x")));
    assert_true(str_eq(s.identity, S("example.com")));
    assert_int_equal(s.name_count, 2);
    assert_true(str_eq(s.names[0], S("to")) && str_eq(s.names[1], S("From")));
    assert_int_equal(s.body_hash.n, 32);
    assert_true(str_eq(s.signature, S("foo")));
    assert_int_equal(s.signed_unix, -1);
    assert_int_equal(s.expires_unix, -1);
    assert_true(str_ends_nocase(s.unsigned_field.whole, S(" bh=" HASH "; b=;\r\n")));
    assert_true(str_ends_nocase(s.unsigned_field.value, S("; b=;")));
    assert_int_equal(s.unsigned_field.whole.n + strlen("Zm 9\r\n v"), s.field.whole.n);

    s = parse(a, "b", " \r\n Zm9v \t");
    assert_true(str_eq(s.signature, S("foo")));
    assert_true(str_ends_nocase(s.unsigned_field.whole, S(" bh=" HASH "; b=;\r\n")));

    s = parse(a, "c", "relaxed");
    assert_int_equal(s.header_canon, DKIM_CANON_RELAXED);
    assert_int_equal(s.body_canon, DKIM_CANON_SIMPLE);
    s = parse(a, "c", "simple/relaxed");
    assert_int_equal(s.header_canon, DKIM_CANON_SIMPLE);
    assert_int_equal(s.body_canon, DKIM_CANON_RELAXED);
    s = parse(a, "a", "ed25519-sha256");
    assert_int_equal(s.kind, CRYPTO_KEY_ED25519);
    s = parse(a, "t", "1528637909");
    assert_int_equal(s.signed_unix, 1528637909);
    s = parse(a, "x", "999999999999");
    assert_true(s.expires_unix == INT64_C(999999999999));
    s = parse(a, "i", "a@b@Sub.example.com");
    assert_true(str_eq(s.identity, S("sub.example.com")));
    arena_free(&a);
}

static const struct {
    const char *name, *value;
    enum dkim_outcome outcome;
} cases[] = {
    { "v", NULL, DKIM_OUTCOME_SYNTAX },
    { "v", "2", DKIM_OUTCOME_VERSION },
    { "v", "1.0", DKIM_OUTCOME_VERSION },
    { "a", NULL, DKIM_OUTCOME_SYNTAX },
    { "a", "rsa-sha1", DKIM_OUTCOME_SHA1 },
    { "a", "rsa-sha512", DKIM_OUTCOME_ALGORITHM },
    { "d", NULL, DKIM_OUTCOME_SYNTAX },
    { "d", "", DKIM_OUTCOME_SYNTAX },
    { "d", "a..b", DKIM_OUTCOME_SYNTAX },
    { "d", "[1.2.3.4]", DKIM_OUTCOME_SYNTAX },
    { "d", "_x.test", DKIM_OUTCOME_PASS },
    { "d", "\xc3\xa4.test", DKIM_OUTCOME_PASS },
    { "d", "\xc3.test", DKIM_OUTCOME_SYNTAX },
    { "s", NULL, DKIM_OUTCOME_SYNTAX },
    { "s", "a b", DKIM_OUTCOME_SYNTAX },
    { "h", NULL, DKIM_OUTCOME_SYNTAX },
    { "h", "", DKIM_OUTCOME_SYNTAX },
    { "h", "To", DKIM_OUTCOME_FROM_UNSIGNED },
    { "h", "To:Fromm", DKIM_OUTCOME_FROM_UNSIGNED },
    { "h", "FROM", DKIM_OUTCOME_PASS },
    { "h", "From:", DKIM_OUTCOME_SYNTAX },
    { "h", ":From", DKIM_OUTCOME_SYNTAX },
    { "h", "From::To", DKIM_OUTCOME_SYNTAX },
    { "h", "From:T o", DKIM_OUTCOME_SYNTAX },
    { "bh", NULL, DKIM_OUTCOME_SYNTAX },
    { "bh", "Zm9v", DKIM_OUTCOME_SYNTAX },
    { "bh", "x" HASH, DKIM_OUTCOME_SYNTAX },
    { "b", NULL, DKIM_OUTCOME_SYNTAX },
    { "b", "", DKIM_OUTCOME_SYNTAX },
    { "b", "Zm9", DKIM_OUTCOME_SYNTAX },
    { "c", "relaxed/", DKIM_OUTCOME_SYNTAX },
    { "c", "nowsp", DKIM_OUTCOME_SYNTAX },
    { "c", "simple/simple/simple", DKIM_OUTCOME_SYNTAX },
    { "i", "@example.com", DKIM_OUTCOME_PASS },
    { "i", "@a.b.example.com", DKIM_OUTCOME_PASS },
    { "i", "example.com", DKIM_OUTCOME_SYNTAX },
    { "i", "x@", DKIM_OUTCOME_SYNTAX },
    { "i", "@xexample.com", DKIM_OUTCOME_IDENTITY },
    { "i", "@com", DKIM_OUTCOME_IDENTITY },
    { "i", "@example.com.org", DKIM_OUTCOME_IDENTITY },
    { "l", "0", DKIM_OUTCOME_LENGTH },
    { "l", "99999999999999999999999999", DKIM_OUTCOME_LENGTH },
    { "l", "-1", DKIM_OUTCOME_SYNTAX },
    { "q", "dns/txt", DKIM_OUTCOME_PASS },
    { "q", "http : dns/txt", DKIM_OUTCOME_PASS },
    { "q", "http", DKIM_OUTCOME_QUERY },
    { "t", "", DKIM_OUTCOME_SYNTAX },
    { "t", "-1", DKIM_OUTCOME_SYNTAX },
    { "t", "1234567890123", DKIM_OUTCOME_SYNTAX },
    { "x", "1x", DKIM_OUTCOME_SYNTAX },
    { "x", "5; t=5", DKIM_OUTCOME_SYNTAX },
    { "x", "6; t=5", DKIM_OUTCOME_PASS },
    { "z", "From:x|To:y", DKIM_OUTCOME_PASS },
    { "unknown_9", "x", DKIM_OUTCOME_PASS },
    { "z", "1; z=2", DKIM_OUTCOME_SYNTAX },
};

static void rules(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dkim_signature s = parse(a, cases[i].name, cases[i].value);

        if (s.outcome != cases[i].outcome)
            fail_msg("%s=%s: %s", cases[i].name,
                     cases[i].value == NULL ? "(none)" : cases[i].value,
                     dkim_outcome_text(s.outcome));
        assert_int_equal(dkim_signature_canons(&s, 1),
                         s.outcome == DKIM_OUTCOME_PASS ? 1U << DKIM_CANON_SIMPLE : 0);
    }
    arena_free(&a);
}

static void not_too_many_names(void **state)
{
    struct arena *a = arena_new();
    struct buf *h = arena_buf(a, 65536);

    (void)state;
    buf_puts(h, "From");
    for (int i = 1; i < DKIM_SIGNATURE_MAX_NAMES; i++)
        buf_puts(h, ":x");
    assert_int_equal(parse(a, "h", arena_cstr(a, buf_str(h))).outcome, DKIM_OUTCOME_PASS);
    buf_puts(h, ":x");
    assert_int_equal(parse(a, "h", arena_cstr(a, buf_str(h))).outcome,
                     DKIM_OUTCOME_SYNTAX);
    arena_free(&a);
}

static void not_too_long(void **state)
{
    struct arena *a = arena_new();
    size_t all = parse(a, "z", "x").field.whole.n;
    struct buf *z = arena_buf(a, 65536);

    (void)state;
    while (z->n < DKIM_SIGNATURE_MAX_BYTES + 1 - all)
        buf_putc(z, 'x');
    assert_int_equal(parse(a, "z", arena_cstr(a, buf_str(z))).outcome, DKIM_OUTCOME_PASS);
    buf_putc(z, 'x');
    assert_int_equal(parse(a, "z", arena_cstr(a, buf_str(z))).outcome,
                     DKIM_OUTCOME_SYNTAX);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(rules),
        cmocka_unit_test(not_too_many_names),
        cmocka_unit_test(not_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
