/* spf_suite_test.c - the test suite of RFC 7208, each case as it is there.
 *
 * Reads tests/spf/rfc7208-tests.txt, from the root of the source.
 */
#include "mail/spf.h"

#include "base/arena.h"
#include "mail/test_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SUITE "tests/spf/rfc7208-tests.txt"

enum { CASES = 203, FIELDS_MAX = 8 };

struct test {
    str_t name, host, helo, mailfrom, explanation;
    bool has_explanation;
};

static str_t unescape(struct arena *a, str_t s)
{
    struct buf *b = arena_buf(a, 4096);

    while (s.n > 0) {
        if (s.p[0] == '\\') {
            buf_putc(b, (char)(str_hex_value(s.p[2]) * 16 + str_hex_value(s.p[3])));
            s = str_skip(s, 4);
        } else {
            buf_putc(b, s.p[0]);
            s = str_skip(s, 1);
        }
    }
    return buf_str(b);
}

static size_t read_fields(struct arena *a, str_t line, str_t fields[FIELDS_MAX])
{
    str_t field;
    size_t n = 0;
    bool more = true;

    for (; more && n < FIELDS_MAX; n++) {
        size_t tab = str_find_char(line, '\t');

        more = tab != SIZE_MAX;
        field = str_head(line, tab);
        line = str_skip(line, more ? tab + 1 : line.n);
        fields[n] = unescape(a, field);
    }
    for (size_t i = n; i < FIELDS_MAX; i++)
        fields[i] = S("");
    return n;
}

static void add_record(struct test_zone *z, str_t fields[FIELDS_MAX], size_t n)
{
    const char *name = arena_cstr(z->arena, fields[1]);
    const char *value = arena_cstr(z->arena, fields[3]);
    struct buf *b;

    if (n < 3) {
        test_zone_add(z, fields[1], TEST_ZONE_NOTHING, S(""));
    } else if (str_eq(fields[2], S("A")) || str_eq(fields[2], S("AAAA"))) {
        test_zone_address(z, name, value);
    } else if (str_eq(fields[2], S("MX"))) {
        test_zone_host(z, name, DNS_TABLE_MX, arena_cstr(z->arena, fields[4]));
    } else if (str_eq(fields[2], S("PTR"))) {
        test_zone_host(z, name, DNS_TABLE_PTR, value);
    } else if (str_eq(fields[2], S("CNAME"))) {
        test_zone_add(z, fields[1], TEST_ZONE_CNAME, fields[3]);
    } else if (str_eq(fields[2], S("TIMEOUT"))) {
        test_zone_add(z, fields[1], TEST_ZONE_TIMEOUT, S(""));
    } else {
        assert_true(str_eq(fields[2], S("TXT")));
        b = arena_buf(z->arena, 65535);
        for (size_t i = 3; i < n; i++)
            test_zone_put_text(b, fields[i]);
        test_zone_add(z, fields[1], DNS_TABLE_TXT, buf_str(b));
    }
}

/* True: the result is one of those, and the explanation is that. */
static bool run(struct test_zone *z, const struct test *t, str_t *results, size_t count)
{
    unsigned char ip[16];
    const char *host = arena_cstr(z->arena, t->host);
    bool v6 = strchr(host, ':') != NULL;
    const struct spf_outcome *o;
    struct dns_table table;
    struct spf_facts facts = { .ip = ip,
                               .ip_bytes = v6 ? 16 : 4,
                               .sender = t->mailfrom,
                               .helo = t->helo,
                               .receiver = S("receiver.example") };
    struct spf *s;
    size_t steps = 1;
    bool ok = false;

    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, host, ip), 1);
    dns_table_init(&table, z->arena);
    s = spf_begin(z->arena, &table, &facts);
    for (; spf_step(s) == SPF_WAIT; steps++)
        assert_true(test_zone_answer(z, &table) > 0);
    assert_in_range(steps, 1, SPF_STEPS_MAX);
    o = spf_outcome(s);
    for (size_t i = 0; i < count; i++)
        ok = ok || str_eq(results[i], str_of(spf_result_name(o->result)));
    if (ok && t->has_explanation)
        ok = str_eq(t->explanation, o->explanation.n > 0 ? o->explanation : S("DEFAULT"));
    if (!ok)
        print_message("%.*s: %s \"%.*s\" (%s)\n", STR_ARG(t->name),
                      spf_result_name(o->result), STR_ARG(o->explanation),
                      o->reason == NULL ? "" : o->reason);
    return ok;
}

static void gives_the_results_of_the_suite(void **state)
{
    struct arena *a = arena_new();
    struct test_zone *z = arena_alloc(a, sizeof(*z));
    struct test test = { 0 };
    size_t passed = 0, cases = 0, size = 0;
    FILE *file = fopen(SUITE, "r");
    char *line = NULL;
    ssize_t n;

    (void)state;
    if (file == NULL)
        fail_msg("cannot read " SUITE ", which is found from the root of the source");
    z->arena = a;
    while ((n = getline(&line, &size, file)) > 0) {
        str_t fields[FIELDS_MAX], text = str_n(line, (size_t)n - 1);
        size_t count;

        if (line[0] == '#')
            continue;
        count = read_fields(a, text, fields);
        if (str_eq(fields[0], S("scenario"))) {
            z->count = 0;
        } else if (str_eq(fields[0], S("name"))) {
            add_record(z, fields, count);
        } else if (str_eq(fields[0], S("test"))) {
            test = (struct test){ .name = fields[1] };
        } else if (str_eq(fields[0], S("host"))) {
            test.host = fields[1];
        } else if (str_eq(fields[0], S("helo"))) {
            test.helo = fields[1];
        } else if (str_eq(fields[0], S("mailfrom"))) {
            test.mailfrom = fields[1];
        } else if (str_eq(fields[0], S("explanation"))) {
            test.explanation = fields[1];
            test.has_explanation = true;
        } else {
            assert_true(str_eq(fields[0], S("result")));
            cases++;
            passed += run(z, &test, fields + 1, count - 1);
        }
    }
    free(line);
    fclose(file);
    print_message("%zu of %zu\n", passed, cases);
    assert_int_equal(cases, CASES);
    assert_int_equal(passed, CASES);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_results_of_the_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
