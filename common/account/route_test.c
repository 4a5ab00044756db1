/* route_test.c - the table of places, and that nobody gets a message twice. */
#include "account/route.h"

#include "base/arena.h"
#include "mail/domains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define L64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *own, *recipient;
    enum route_kind kind;
    const char *address, *domain;
} cases[] = {
    { "c.org", "ann@c.org", ROUTE_LOCAL, "ann@c.org", "" },
    { "c.org", "Ann+Tag@C.org", ROUTE_LOCAL, "ann@c.org", "" },
    { "c.org", "ann@x.c.org", ROUTE_REMOTE, "ann@x.c.org", "x.c.org" },
    { "c.org", "Bob+t@X.Org", ROUTE_REMOTE, "Bob+t@x.org", "x.org" },
    { "c.org", "bob@[192.0.2.1]", ROUTE_REMOTE, "bob@[192.0.2.1]", "[192.0.2.1]" },
    { "[192.0.2.1]", "bob@[192.0.2.1]", ROUTE_LOCAL, "bob@[192.0.2.1]", "" },
    { "[192.0.2.1]", "bob@[192.0.2.2]", ROUTE_REMOTE, "bob@[192.0.2.2]", "[192.0.2.2]" },
    { "c.org", "b\xc3\xb6@x.org", ROUTE_REMOTE, "b\xc3\xb6@x.org", "x.org" },
    { "c.org", "nobody", ROUTE_REFUSED, "nobody", "" },
    { "c.org", "", ROUTE_REFUSED, "", "" },
    /* here: one mailbox in quotes and without, and no way to anywhere else */
    { "c.org", "\"Ann\"@c.org", ROUTE_LOCAL, "ann@c.org", "" },
    { "c.org", "\"ann+tag\"@c.org", ROUTE_LOCAL, "ann@c.org", "" },
    { "c.org", "\"no body+t\"@c.org", ROUTE_LOCAL, "\"no body+t\"@c.org", "" },
    { "c.org", "a%x.org@c.org", ROUTE_LOCAL, "a%x.org@c.org", "" },
    { "c.org", "x.org!a@c.org", ROUTE_LOCAL, "x.org!a@c.org", "" },
    { "c.org", "\"a@x.org\"@c.org", ROUTE_LOCAL, "\"a@x.org\"@c.org", "" },
    /* elsewhere: what the other host makes of it is its own business */
    { "c.org", "a%c.org@x.org", ROUTE_REMOTE, "a%c.org@x.org", "x.org" },
    { "c.org", "c.org!a@x.org", ROUTE_REMOTE, "c.org!a@x.org", "x.org" },
    { "c.org", "\"a@c.org\"@x.org", ROUTE_REMOTE, "\"a@c.org\"@x.org", "x.org" },
    { "c.org", "\"Bob\"@x.org", ROUTE_REMOTE, "Bob@x.org", "x.org" },
    { "c.org", "\"a,b\"@x.org", ROUTE_REMOTE, "\"a,b\"@x.org", "x.org" },
    { "c.org", "b@[IPv6:2001:DB8::1]", ROUTE_REMOTE, "b@[ipv6:2001:db8::1]",
      "[ipv6:2001:db8::1]" },
    { "c.org", L64 "x@x.org", ROUTE_REMOTE, L64 "x@x.org", "x.org" },
    /* what cannot be written to another host, or to none that exists */
    { "c.org", "\"a b\"@x.org", ROUTE_REFUSED, "\"a b\"@x.org", "" },
    { "c.org", "\"a>b\"@x.org", ROUTE_REFUSED, "\"a>b\"@x.org", "" },
    { "c.org", "\"a<b\"@x.org", ROUTE_REFUSED, "\"a<b\"@x.org", "" },
    { "c.org", "\"a\r\nDATA\"@x.org", ROUTE_REFUSED, "\"a\r\nDATA\"@x.org", "" },
    { "c.org", "b@[x400:y]", ROUTE_REFUSED, "b@[x400:y]", "" },
    { "c.org", "b@[IPv6:xyz]", ROUTE_REFUSED, "b@[IPv6:xyz]", "" },
    { "c.org", "b@[192.0.2.01]", ROUTE_REFUSED, "b@[192.0.2.01]", "" },
    { "c.org", "b@" L64 ".org", ROUTE_REFUSED, "b@" L64 ".org", "" },
    { "c.org", L64 L64 L64 L64 "@x.org", ROUTE_REFUSED, L64 L64 L64 L64 "@x.org", "" },
};

static const struct domains c_org = DOMAINS_ONE("c.org");

static struct domains only(struct arena *a, const char *domain)
{
    struct domains d;
    char why[100];

    assert_int_equal(domains_parse(a, str_of(domain), S(""), S(""), &d, why, sizeof(why)),
                     RC_OK);
    return d;
}

static void test_table(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct domains d = only(a, cases[i].own);
        struct route_rules rules = { &d, S("+") };
        struct route r;

        route_find(a, &rules, str_of(cases[i].recipient), &r);
        if (r.kind != cases[i].kind || !str_eq(r.address, str_of(cases[i].address)) ||
            !str_eq(r.domain, str_of(cases[i].domain)) ||
            !str_eq(r.recipient, str_of(cases[i].recipient)))
            fail_msg("%s at %s: kind %d address %.*s domain %.*s", cases[i].recipient,
                     cases[i].own, (int)r.kind, STR_ARG(r.address), STR_ARG(r.domain));
    }
    arena_free(&a);
}

static void test_all(void **state)
{
    const str_t in[] = { STR("z@b.org"),   STR("ann@c.org"), STR("y@a.org"),
                         STR("ANN@c.org"), STR("x@B.org"),   STR("ann+1@c.org"),
                         STR("z@b.org"),   STR("Z@b.org"),   STR("\"z\"@b.org") };
    static const char *const want[] = { "ann@c.org", "y@a.org", "Z@b.org", "x@b.org",
                                        "z@b.org" };
    static const struct route_rules rules = { &c_org, STR("+") };
    struct arena *a = arena_new();
    struct route *r;
    size_t n = route_all(a, &rules, in, ARRAY_LEN(in), &r);

    (void)state;
    assert_int_equal(n, ARRAY_LEN(want));
    for (size_t i = 0; i < n; i++)
        assert_true(str_eq(r[i].address, str_of(want[i])));
    assert_int_equal(route_all(a, &rules, NULL, 0, &r), 0);
    arena_free(&a);
}

/* Each domain's own accounts, an alias's those of its domain, and the delimiter as
 * configured. */
static void test_several_domains(void **state)
{
    static const struct {
        const char *recipient, *address;
    } here[] = {
        { "Ann@one.example", "ann@one.example" },
        { "Ann@Two.example", "ann@two.example" },
        { "Ann=x@OLD.example", "ann@one.example" },
        { "ann+x@two.example", "ann+x@two.example" },
        { "ann@b\xc3\xbc"
          "cher.example",
          "ann@xn--bcher-kva.example" },
        { "ann@XN--bcher-kva.example", "ann@xn--bcher-kva.example" },
    };
    struct arena *a = arena_new();
    struct domains d;
    struct route_rules rules = { &d, S("=") };
    struct route r;
    char why[100];

    (void)state;
    assert_int_equal(domains_parse(a, S("one.example"),
                                   S("two.example xn--bcher-kva.example"),
                                   S("old.example=one.example"), &d, why, sizeof(why)),
                     RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(here); i++) {
        route_find(a, &rules, str_of(here[i].recipient), &r);
        assert_int_equal(r.kind, ROUTE_LOCAL);
        assert_true(str_eq(r.address, str_of(here[i].address)));
    }
    route_find(a, &rules, S("ann@x.old.example"), &r);
    assert_int_equal(r.kind, ROUTE_REMOTE);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_several_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
