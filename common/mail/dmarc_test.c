/* dmarc_test.c - which policy counts, what is aligned, and what follows. */
#include "mail/dmarc.h"

#include "base/arena.h"
#include "mail/test_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct test_zone *zone;
    struct dns_table table;
};

static struct fixture new_fixture(void)
{
    struct fixture f = { .arena = arena_new() };

    f.zone = arena_alloc(f.arena, sizeof(*f.zone));
    f.zone->arena = f.arena;
    dns_table_init(&f.table, f.arena);
    return f;
}

static const struct dmarc_outcome *run(struct fixture *f, const struct dmarc_facts *facts)
{
    struct dmarc *d;
    size_t steps = 1;

    dns_table_init(&f->table, f->arena);
    d = dmarc_begin(f->arena, &f->table, facts);
    for (; dmarc_step(d) == DMARC_WAIT; steps++)
        assert_true(test_zone_answer(f->zone, &f->table) > 0);
    assert_in_range(steps, 1, 3);
    assert_int_equal(dmarc_step(d), DMARC_DONE);
    return dmarc_outcome(d);
}

static void aligns(void **state)
{
    static const struct {
        const char *record, *author, *spf, *dkim;
        enum dmarc_result result;
    } cases[] = {
        { "", "a.example.com", "example.com", "", DMARC_PASS },
        { "", "example.com", "bounce.a.example.com", "", DMARC_PASS },
        { "", "a.example.com", "", "b.EXAMPLE.com", DMARC_PASS },
        { "", "example.com", "other.com", "other.com", DMARC_FAIL },
        { "", "example.com", "notexample.com", "com", DMARC_FAIL },
        { "", "example.com", "", "", DMARC_FAIL },
        { "; aspf=s", "example.com", "a.example.com", "", DMARC_FAIL },
        { "; aspf=s", "example.com", "Example.com", "", DMARC_PASS },
        { "; aspf=s", "example.com", "a.example.com", "a.example.com", DMARC_PASS },
        { "; adkim=s", "example.com", "", "a.example.com", DMARC_FAIL },
        { "; adkim=s", "example.com", "a.example.com", "", DMARC_PASS },
        { "; adkim=s", "example.com", "", "example.com", DMARC_PASS },
        /* Public suffixes are nobody's. */
        { "", "a.co.uk", "b.co.uk", "c.co.uk", DMARC_FAIL },
        { "", "a.co.uk", "x.a.co.uk", "", DMARC_PASS },
        { "", "me.github.io", "you.github.io", "github.io", DMARC_FAIL },
    };
    struct fixture f = new_fixture();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dmarc_identifier signatures[2] = {
            { S("broken.example"), false, false }, { str_of(cases[i].dkim), true, false }
        };
        struct dmarc_facts facts = { .author = str_of(cases[i].author),
                                     .spf = { str_of(cases[i].spf), true, false },
                                     .signatures = signatures,
                                     .signature_count = 2 };

        f.zone->count = 0;
        test_zone_text(f.zone, arena_printf(f.arena, "_dmarc.%s", cases[i].author),
                       arena_printf(f.arena, "v=DMARC1; p=reject%s", cases[i].record));
        print_message("%s %s %s%s\n", cases[i].author, cases[i].spf, cases[i].dkim,
                      cases[i].record);
        assert_int_equal(run(&f, &facts)->result, cases[i].result);
        assert_int_equal(run(&f, &facts)->policy, cases[i].result == DMARC_FAIL
                                                      ? DMARC_POLICY_REJECT
                                                      : DMARC_POLICY_NONE);
    }
    arena_free(&f.arena);
}

static void nothing_that_failed_counts(void **state)
{
    struct dmarc_identifier signature = { S("example.com"), false, false };
    struct dmarc_facts facts = { .author = S("example.com"),
                                 .spf = { S("example.com"), false, false },
                                 .signatures = &signature,
                                 .signature_count = 1 };
    struct fixture f = new_fixture();

    (void)state;
    test_zone_text(f.zone, "_dmarc.example.com", "v=DMARC1; p=reject");
    assert_int_equal(run(&f, &facts)->result, DMARC_FAIL);
    /* What may pass later, and would be aligned, is no failure yet. */
    facts.spf.temporary = true;
    assert_int_equal(run(&f, &facts)->result, DMARC_TEMPERROR);
    assert_int_equal(run(&f, &facts)->policy, DMARC_POLICY_NONE);
    facts.spf.domain = S("other.com");
    assert_int_equal(run(&f, &facts)->result, DMARC_FAIL);
    signature.temporary = true;
    assert_int_equal(run(&f, &facts)->result, DMARC_TEMPERROR);
    facts.spf = (struct dmarc_identifier){ S("example.com"), true, false };
    assert_int_equal(run(&f, &facts)->result, DMARC_PASS);
    arena_free(&f.arena);
}

static void finds_the_policy(void **state)
{
    static const struct {
        const char *own, *organization; /* NULL: none; "!": it fails */
        enum dmarc_result result;
        enum dmarc_policy policy;
        const char *domain;
    } cases[] = {
        { NULL, NULL, DMARC_NONE, DMARC_POLICY_NONE, "" },
        { NULL, "v=DMARC1; p=reject", DMARC_FAIL, DMARC_POLICY_REJECT, "example.com" },
        { NULL, "v=DMARC1; p=none; sp=reject", DMARC_FAIL, DMARC_POLICY_REJECT,
          "example.com" },
        { NULL, "v=DMARC1; p=reject; sp=none", DMARC_FAIL, DMARC_POLICY_NONE,
          "example.com" },
        { "v=DMARC1; p=quarantine; sp=none", "v=DMARC1; p=reject", DMARC_FAIL,
          DMARC_POLICY_QUARANTINE, "a.b.example.com" },
        { "v=spf1 -all", "v=DMARC1; p=reject", DMARC_FAIL, DMARC_POLICY_REJECT,
          "example.com" },
        { "v=DMARC1; p=bad", "v=DMARC1; p=reject", DMARC_PERMERROR, DMARC_POLICY_NONE,
          "" },
        { "!", "v=DMARC1; p=reject", DMARC_TEMPERROR, DMARC_POLICY_NONE, "" },
        { NULL, "!", DMARC_TEMPERROR, DMARC_POLICY_NONE, "" },
    };
    struct dmarc_facts facts = { .author = S("a.b.example.com"), .random = 99 };
    struct fixture f = new_fixture();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const names[] = { "_dmarc.a.b.example.com", "_dmarc.example.com" };
        const char *const records[] = { cases[i].own, cases[i].organization };
        const struct dmarc_outcome *o;

        f.zone->count = 0;
        for (size_t n = 0; n < 2; n++) {
            if (records[n] != NULL && records[n][0] == '!')
                test_zone_add(f.zone, str_of(names[n]), TEST_ZONE_TIMEOUT, S(""));
            else if (records[n] != NULL)
                test_zone_text(f.zone, names[n], records[n]);
        }
        /* In between nobody looks. */
        test_zone_text(f.zone, "_dmarc.b.example.com", "v=DMARC1; p=quarantine");
        o = run(&f, &facts);
        print_message("%zu %s\n", i, dmarc_result_name(o->result));
        assert_int_equal(o->result, cases[i].result);
        assert_int_equal(o->policy, cases[i].policy);
        assert_true(str_eq(o->domain, str_of(cases[i].domain)));
    }
    arena_free(&f.arena);
}

static void several_policies_are_none(void **state)
{
    struct dmarc_facts facts = { .author = S("a.example.com") };
    struct fixture f = new_fixture();

    (void)state;
    test_zone_text(f.zone, "_dmarc.a.example.com", "v=DMARC1; p=reject");
    test_zone_text(f.zone, "_dmarc.a.example.com", "v=DMARC1; p=reject");
    test_zone_text(f.zone, "_dmarc.example.com", "v=DMARC1; p=reject");
    assert_int_equal(run(&f, &facts)->result, DMARC_NONE);
    arena_free(&f.arena);
}

static void asks_once_for_an_organization(void **state)
{
    struct dmarc_facts facts = { .author = S("Example.com") };
    struct fixture f = new_fixture();

    (void)state;
    assert_int_equal(run(&f, &facts)->result, DMARC_NONE);
    assert_int_equal(f.zone->asked, 1);
    facts.author = S("[192.0.2.1]");
    assert_int_equal(run(&f, &facts)->result, DMARC_NONE);
    facts.author = S("\xc3\xb6.example.com");
    assert_int_equal(run(&f, &facts)->result, DMARC_NONE);
    assert_int_equal(f.zone->asked, 1);
    arena_free(&f.arena);
}

static void pct_makes_some_milder(void **state)
{
    static const struct {
        const char *record;
        unsigned random;
        enum dmarc_policy policy;
        bool sampled_out;
    } cases[] = {
        { "v=DMARC1; p=reject; pct=25", 24, DMARC_POLICY_REJECT, false },
        { "v=DMARC1; p=reject; pct=25", 25, DMARC_POLICY_QUARANTINE, true },
        { "v=DMARC1; p=quarantine; pct=25", 24, DMARC_POLICY_QUARANTINE, false },
        { "v=DMARC1; p=quarantine; pct=25", 25, DMARC_POLICY_NONE, true },
        { "v=DMARC1; p=none; pct=25", 25, DMARC_POLICY_NONE, false },
        { "v=DMARC1; p=reject; pct=0", 0, DMARC_POLICY_QUARANTINE, true },
        { "v=DMARC1; p=reject; pct=100", 99, DMARC_POLICY_REJECT, false },
    };
    struct dmarc_facts facts = { .author = S("example.com") };
    struct fixture f = new_fixture();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct dmarc_outcome *o;

        f.zone->count = 0;
        test_zone_text(f.zone, "_dmarc.example.com", cases[i].record);
        facts.random = cases[i].random;
        o = run(&f, &facts);
        assert_int_equal(o->result, DMARC_FAIL);
        assert_int_equal(o->policy, cases[i].policy);
        assert_int_equal(o->sampled_out, cases[i].sampled_out);
    }
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns),
        cmocka_unit_test(nothing_that_failed_counts),
        cmocka_unit_test(finds_the_policy),
        cmocka_unit_test(several_policies_are_none),
        cmocka_unit_test(asks_once_for_an_organization),
        cmocka_unit_test(pct_makes_some_milder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
