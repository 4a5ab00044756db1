/* mx_test.c - which hosts are tried, and which domains take no mail from us. */
#include "mx.h"

#include "mail/domains.h"
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct domains own = DOMAINS_ONE("own.org");
static const struct mx_finder finder = {
    .domains = &own,
    .hostname = STR("mx.own.org"),
    .port = 25,
};

static const struct {
    const char *name;
    struct dns_mx answer;
    struct dns_mx_host host[4];
    const char *want[4]; /* names in order */
    int code;            /* or the refusal */
} cases[] = {
    { "in order",
      { .count = 2 },
      { { 10, STR("a.x") }, { 20, STR("b.x") } },
      { "a.x", "b.x" },
      0 },
    { "implicit", { .count = 1, .implicit = true }, { { 0, STR("x") } }, { "x" }, 0 },
    { "null", { .count = 0, .null_mx = true }, { { 0 } }, { 0 }, 556 },
    { "none", { .count = 0 }, { { 0 } }, { 0 }, 451 },
    { "we are second: only the first",
      { .count = 3 },
      { { 10, STR("a.x") }, { 20, STR("MX.own.org") }, { 20, STR("b.x") } },
      { "a.x" },
      0 },
    { "we share the preference, after the other",
      { .count = 2 },
      { { 10, STR("b.x") }, { 10, STR("mx.own.org") } },
      { 0 },
      554 },
    { "we are first",
      { .count = 2 },
      { { 10, STR("own.org") }, { 20, STR("b.x") } },
      { 0 },
      554 },
};

static void test_select(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dns_mx answer = cases[i].answer;
        struct dns_mx_host host[4];
        struct mail_hosts_refusal why = { 0 };
        struct mail_hosts got = { 0 };
        size_t n = 0;
        enum rc rc;

        memcpy(host, cases[i].host, sizeof(host));
        answer.host = host;
        rc = mx_select(a, &finder, S("x"), &answer, &got, &why);
        while (n < 4 && cases[i].want[n] != NULL)
            n++;
        if (rc != (cases[i].code == 0 ? RC_OK : RC_DENIED) || why.code != cases[i].code ||
            got.count != n)
            fail_msg("%s: %d, code %d, %zu hosts", cases[i].name, (int)rc, why.code,
                     got.count);
        for (size_t k = 0; k < n; k++)
            assert_true(str_eq(got.host[k].name, str_of(cases[i].want[k])));
    }
    arena_free(&a);
}

static void test_at_most(void **state)
{
    struct arena *a = arena_new();
    struct dns_mx_host host[100];
    struct dns_mx answer = { .count = 100, .host = host };
    struct mail_hosts_refusal why;
    struct mail_hosts got;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        host[i] = (struct dns_mx_host){ (uint16_t)i, STR("h.x") };
    assert_int_equal(mx_select(a, &finder, S("x"), &answer, &got, &why), RC_OK);
    assert_int_equal(got.count, MAIL_HOSTS_MAX);
    arena_free(&a);
}

/* What needs no DNS: finder.dns is NULL here. */
static void test_without_dns(void **state)
{
    static const struct {
        const char *domain, *host;
    } want[] = {
        { "[192.0.2.1]", "192.0.2.1" },
        { "[IPv6:2001:db8::2]", "2001:db8::2" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct mail_hosts_refusal why;
        struct mail_hosts got;

        assert_int_equal(
            mx_find(a, &finder, str_of(want[i].domain), deadline_in_ms(0), &got, &why),
            RC_OK);
        assert_int_equal(got.count, 1);
        if (!str_eq(got.host[0].name, str_of(want[i].host)) || got.host[0].port != 25 ||
            got.host[0].by_operator)
            fail_msg("%s: %.*s:%u", want[i].domain, STR_ARG(got.host[0].name),
                     (unsigned)got.host[0].port);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_at_most),
        cmocka_unit_test(test_without_dns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
