/* spf_test.c - how a check asks, what it gives back, and its limits. */
#include "mail/spf.h"

#include "base/arena.h"
#include "mail/spf_record.h"
#include "mail/test_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const unsigned char ip4[4] = { 192, 0, 2, 3 };

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

static struct spf_facts facts_of(const char *sender)
{
    return (struct spf_facts){ .ip = ip4,
                               .ip_bytes = 4,
                               .sender = str_of(sender),
                               .helo = S("mail.example.org"),
                               .receiver = S("here.example"),
                               .now_unix = 1795263151 };
}

static const struct spf_outcome *run(struct fixture *f, const struct spf_facts *facts)
{
    struct spf *s = spf_begin(f->arena, &f->table, facts);
    size_t steps = 1;

    for (; spf_step(s) == SPF_WAIT; steps++)
        assert_true(test_zone_answer(f->zone, &f->table) > 0);
    assert_in_range(steps, 1, SPF_STEPS_MAX);
    return spf_outcome(s);
}

static void asks_only_what_it_needs(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");
    struct spf *s = spf_begin(f.arena, &f.table, &facts);
    struct dns_table_row *row;

    (void)state;
    test_zone_text(f.zone, "example.org", "v=spf1 mx -all");
    test_zone_host(f.zone, "example.org", DNS_TABLE_MX, "a.example.org");
    test_zone_host(f.zone, "example.org", DNS_TABLE_MX, "b.example.org");
    test_zone_address(f.zone, "b.example.org", "192.0.2.3");
    assert_int_equal(spf_step(s), SPF_WAIT);
    row = dns_table_wanted(&f.table, NULL);
    assert_true(str_eq(row->name, S("example.org")) && row->type == DNS_TABLE_TXT);
    /* Without answers it stays where it is. */
    assert_int_equal(spf_step(s), SPF_WAIT);
    assert_int_equal(test_zone_answer(f.zone, &f.table), 1);
    assert_int_equal(spf_step(s), SPF_WAIT);
    assert_int_equal(test_zone_answer(f.zone, &f.table), 1);
    assert_int_equal(spf_step(s), SPF_WAIT);
    assert_int_equal(test_zone_answer(f.zone, &f.table), 2);
    assert_int_equal(spf_step(s), SPF_DONE);
    assert_int_equal(spf_step(s), SPF_DONE);
    assert_int_equal(spf_outcome(s)->result, SPF_PASS);
    assert_true(str_eq(spf_outcome(s)->mechanism, S("mx")));
    assert_true(str_eq(spf_outcome(s)->domain, S("example.org")));
    assert_false(spf_outcome(s)->is_helo);
    arena_free(&f.arena);
}

static void without_a_sender_it_is_helo(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("");
    const struct spf_outcome *o;

    (void)state;
    test_zone_text(f.zone, "mail.example.org", "v=spf1 -all exp=why.example.org");
    test_zone_text(f.zone, "why.example.org", "%{s} at %{r}, %{t}");
    o = run(&f, &facts);
    assert_true(o->is_helo && str_eq(o->domain, S("mail.example.org")));
    assert_int_equal(o->result, SPF_FAIL);
    assert_true(str_eq(o->explanation,
                       S("postmaster@mail.example.org at here.example, 1795263151")));
    arena_free(&f.arena);
}

static void says_which_term_decided(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");
    const struct spf_outcome *o;

    (void)state;
    test_zone_text(f.zone, "example.org", "v=spf1 ~include:inner.example.org -all");
    test_zone_text(f.zone, "inner.example.org", "v=spf1 redirect=last.example.org");
    test_zone_text(f.zone, "last.example.org", "v=spf1 ip4:192.0.2.0/24 -all");
    o = run(&f, &facts);
    assert_int_equal(o->result, SPF_SOFTFAIL);
    assert_true(str_eq(o->mechanism, S("~include:inner.example.org")));
    facts.sender = S("ann@inner.example.org");
    o = run(&f, &facts);
    assert_int_equal(o->result, SPF_PASS);
    assert_true(str_eq(o->mechanism, S("ip4:192.0.2.0/24")));
    arena_free(&f.arena);
}

static void mapped_addresses_are_ipv4(void **state)
{
    static const unsigned char mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 3 };
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");

    (void)state;
    facts.ip = mapped;
    facts.ip_bytes = sizeof(mapped);
    test_zone_text(f.zone, "example.org", "v=spf1 ip6:::/0 ip4:192.0.2.3 -all");
    assert_true(str_eq(run(&f, &facts)->mechanism, S("ip4:192.0.2.3")));
    arena_free(&f.arena);
}

/* Of several MX hosts one that cannot be asked hides no other that matches. */
static void a_host_that_fails_hides_no_match(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");

    (void)state;
    test_zone_text(f.zone, "example.org", "v=spf1 mx -all");
    test_zone_host(f.zone, "example.org", DNS_TABLE_MX, "error.example.org");
    test_zone_host(f.zone, "example.org", DNS_TABLE_MX, "b.example.org");
    test_zone_address(f.zone, "b.example.org", "192.0.2.3");
    assert_int_equal(run(&f, &facts)->result, SPF_PASS);
    f.zone->rows[f.zone->count - 1].name = S("c.example.org");
    dns_table_init(&f.table, f.arena);
    assert_int_equal(run(&f, &facts)->result, SPF_TEMPERROR);
    arena_free(&f.arena);
}

static void the_validated_name_is_a_lookup(void **state)
{
    static const struct {
        const char *record;
        enum spf_result result;
    } cases[] = {
        { "v=spf1 a a a a a a a a exists:%{p}.x.example.org -all", SPF_FAIL },
        { "v=spf1 a a a a a a a a a exists:%{p}.x.example.org -all", SPF_PERMERROR },
        { "v=spf1 a a a a a a a a ptr:x.org exists:%{p}.x.example.org -all", SPF_FAIL },
        { "v=spf1 a a a a a a a a a a -all exp=%{p}.x.example.org", SPF_FAIL },
    };
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f.zone->count = 0;
        dns_table_init(&f.table, f.arena);
        test_zone_address(f.zone, "example.org", "192.0.2.1");
        test_zone_text(f.zone, "example.org", cases[i].record);
        print_message("%s\n", cases[i].record);
        assert_int_equal(run(&f, &facts)->result, cases[i].result);
    }
    arena_free(&f.arena);
}

/* An MX host without an address in this family is no question in vain, if another has. */
static void a_term_is_in_vain_at_most_once(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");

    (void)state;
    test_zone_text(f.zone, "example.org", "v=spf1 mx a:n1.example.org -all");
    for (int i = 0; i < 4; i++)
        test_zone_host(f.zone, "example.org", DNS_TABLE_MX,
                       arena_printf(f.arena, "m%d.example.org", i));
    assert_int_equal(run(&f, &facts)->result, SPF_FAIL);
    dns_table_init(&f.table, f.arena);
    f.zone->count = 0;
    test_zone_text(f.zone, "example.org", "v=spf1 mx a:n1.example.org ptr -all");
    assert_int_equal(run(&f, &facts)->result, SPF_PERMERROR);
    f.zone->count = 0;
    dns_table_init(&f.table, f.arena);
    test_zone_text(f.zone, "example.org", "v=spf1 mx a:n1.example.org a:b..c.org -all");
    assert_int_equal(run(&f, &facts)->result, SPF_FAIL);
    f.zone->count = 0;
    test_zone_text(f.zone, "example.org", "v=spf1 mx a:n1.example.org ptr -all");
    /* A name that is not the address's own is an answer all the same. */
    dns_table_init(&f.table, f.arena);
    test_zone_host(f.zone, "3.2.0.192.in-addr.arpa", DNS_TABLE_PTR, "x.example.org");
    assert_int_equal(run(&f, &facts)->result, SPF_FAIL);
    arena_free(&f.arena);
}

static void explanations_are_fit_for_a_reply(void **state)
{
    static const struct {
        const char *sender, *text, *explanation;
    } cases[] = {
        { "ann@example.org", "No %{l}", "No ann" },
        { "j\xc3\xb6rg@example.org", "No %{l}", "" },
        { "j\xc3\xb6rg@example.org", "No %{L}", "No j%C3%B6rg" },
        { "a\r\n250 b@example.org", "No %{l}", "" },
        { "ann@example.org", "No %{l}%{x}", "" },
    };
    struct fixture f = new_fixture();
    char longer[2 * 512 + 1];
    struct spf_facts facts;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f.zone->count = 0;
        dns_table_init(&f.table, f.arena);
        test_zone_text(f.zone, "example.org", "v=spf1 -all exp=e.example.org");
        test_zone_text(f.zone, "e.example.org", cases[i].text);
        facts = facts_of(cases[i].sender);
        assert_true(str_eq(run(&f, &facts)->explanation, str_of(cases[i].explanation)));
    }
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    f.zone->count = 1;
    dns_table_init(&f.table, f.arena);
    test_zone_text(f.zone, "e.example.org", longer);
    assert_true(run(&f, &facts)->explanation.n == 0);
    arena_free(&f.arena);
}

static void names_beyond_ascii_do_not_exist(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("j\xc3\xb6rg@example.org");

    (void)state;
    test_zone_text(f.zone, "example.org", "v=spf1 exists:%{l}.example.org ?all");
    assert_int_equal(run(&f, &facts)->result, SPF_NEUTRAL);
    assert_int_equal(f.zone->asked, 1);
    facts.sender = S("ann@\xc3\xb6.example.org");
    assert_int_equal(run(&f, &facts)->result, SPF_NONE);
    assert_int_equal(f.zone->asked, 1);
    arena_free(&f.arena);
}

static void an_endless_record_is_an_error(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");
    struct buf *record = arena_buf(f.arena, 2 * SPF_RECORD_MAX_BYTES);

    (void)state;
    buf_puts(record, "v=spf1");
    while (record->n <= SPF_RECORD_MAX_BYTES)
        buf_puts(record, " ip4:192.0.2.3");
    buf_putc(record, '\0');
    test_zone_text(f.zone, "example.org", record->p);
    assert_int_equal(run(&f, &facts)->result, SPF_PERMERROR);
    arena_free(&f.arena);
}

static void answers_are_hostile(void **state)
{
    struct fixture f = new_fixture();
    struct spf_facts facts = facts_of("ann@example.org");

    (void)state;
    test_zone_text(f.zone, "example.org", "v=spf1 a mx ptr -all");
    test_zone_add(f.zone, S("example.org"), DNS_TABLE_TXT, S("\xffv=spf1 +all"));
    test_zone_add(f.zone, S("example.org"), DNS_TABLE_A, S("\300\0\2"));
    test_zone_add(f.zone, S("example.org"), DNS_TABLE_MX, S("\0"));
    test_zone_add(f.zone, S("example.org"), DNS_TABLE_MX, S("\0\0\3a.b\0"));
    test_zone_add(f.zone, S("example.org"), DNS_TABLE_MX, S("\0\0\7a"));
    test_zone_add(f.zone, S("3.2.0.192.in-addr.arpa"), DNS_TABLE_PTR, S("\1a\0x"));
    assert_int_equal(run(&f, &facts)->result, SPF_FAIL);
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_only_what_it_needs),
        cmocka_unit_test(without_a_sender_it_is_helo),
        cmocka_unit_test(says_which_term_decided),
        cmocka_unit_test(mapped_addresses_are_ipv4),
        cmocka_unit_test(a_host_that_fails_hides_no_match),
        cmocka_unit_test(the_validated_name_is_a_lookup),
        cmocka_unit_test(a_term_is_in_vain_at_most_once),
        cmocka_unit_test(explanations_are_fit_for_a_reply),
        cmocka_unit_test(names_beyond_ascii_do_not_exist),
        cmocka_unit_test(an_endless_record_is_an_error),
        cmocka_unit_test(answers_are_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
