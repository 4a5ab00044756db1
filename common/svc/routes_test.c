/* routes_test.c - which way a domain's mail takes, and what is no route. */
#include "svc/routes.h"

#include "base/arena.h"
#include "store/store_remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char table[] =
    "a.example=10.0.0.1:2525  B.example=[::1]:25,v6.example=2001:DB8::1:26\t"
    "c.example=smtp://Relay.Example:587,, *=SMTP://all.example:2525, d.example=mx "
    "[192.0.2.1]=smtp://127.0.0.1:1 m\xc3\xbcller.example=_host:65535";

static const struct {
    const char *domain, *target, *host;
    uint16_t port;
} ways[] = {
    { "A.EXAMPLE", "smtp://10.0.0.1:2525", "10.0.0.1", 2525 },
    { "b.example", "smtp://[::1]:25", "::1", 25 },
    { "v6.example", "smtp://[2001:db8::1]:26", "2001:db8::1", 26 },
    { "c.example", "smtp://relay.example:587", "relay.example", 587 },
    { "[192.0.2.1]", "smtp://127.0.0.1:1", "127.0.0.1", 1 },
    { "m\xc3\xbcller.example", "smtp://_host:65535", "_host", 65535 },
    { "x.c.example", "smtp://all.example:2525", "all.example", 2525 },
    { "example", "smtp://all.example:2525", "all.example", 2525 },
};

static const struct {
    const char *text, *why;
} bad[] = {
    { "example.org", "example.org: not domain=smtp://host:port" },
    { "=relay:25", "=relay:25: not domain=smtp://host:port" },
    { "a=b:25 c=d:0", "c=d:0: it has no port from 1 to 65535" },
    { "a=smtp://relay", "write domain=smtp://host:port" },
    { "a=smtp://relay:65536", "no port" },
    { "a=smtp://:25", "no port" },
    { "a=", "no port" },
    { "a=lmtp://relay:24", "there is no transport lmtp; known are: smtp" },
    { "a=://relay:24", "there is no transport ; known are: smtp" },
    { "a=smtp://me:secret@relay:587", "a=: no user, password or path" },
    { "a=smtp://relay:587/", "no user, password or path" },
    { "a=smtp://re lay:587", "no port" },
    { "a=smtp://-relay:587", "neither a host name nor an address" },
    { "a=smtp://10.0.0.1.:587", "neither a host name nor an address" },
    { "a..b=relay:25", "belongs a domain, or * for all others" },
    { "*.example=relay:25", "belongs a domain, or * for all others" },
    { "a=x:25 A=y:25", "A=y:25: the domain has two routes" },
    { "*=x:25,*=y:25", "two routes" },
};

static int make_arena(void **state)
{
    *state = arena_new();
    return 0;
}

static int free_arena(void **state)
{
    struct arena *a = *state;

    arena_free(&a);
    return 0;
}

static void test_ways(void **state)
{
    struct routes r;
    char why[200];

    if (routes_parse(*state, str_of(table), &r, why, sizeof(why)) != RC_OK)
        fail_msg("%s", why);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        str_t target = routes_find(&r, str_of(ways[i].domain));
        struct routes_target t;

        if (!str_eq(target, str_of(ways[i].target)) || !routes_target_parse(target, &t) ||
            !str_eq(t.scheme, S("smtp")) || !str_eq(t.host, str_of(ways[i].host)) ||
            t.port != ways[i].port)
            fail_msg("%s: %.*s", ways[i].domain, STR_ARG(target));
        assert_true(target.n < STORE_REMOTE_DESTINATION_BYTES);
    }
    assert_int_equal(routes_find(&r, S("d.example")).n, 0);
}

static void test_none(void **state)
{
    struct routes r;
    char why[200];

    assert_int_equal(routes_parse(*state, S("a=b:1"), &r, why, sizeof(why)), RC_OK);
    assert_int_equal(routes_find(&r, S("b")).n, 0);
    assert_int_equal(routes_parse(*state, S(" , "), &r, why, sizeof(why)), RC_OK);
    assert_int_equal(routes_find(&r, S("a")).n, 0);
}

static void test_bad(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct routes r;
        char why[200] = "";

        if (routes_parse(*state, str_of(bad[i].text), &r, why, sizeof(why)) !=
                RC_INVALID ||
            str_find(str_of(why), str_of(bad[i].why)) == SIZE_MAX)
            fail_msg("%s: %s", bad[i].text, why);
    }
}

/* What a row of a newer program may hold. */
static void test_targets(void **state)
{
    static const char *const none[] = { "",       "smtp",     "smtp:",
                                        "://h:1", "smtp://h", "smtp://:1" };
    struct routes_target t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(routes_target_parse(str_of(none[i]), &t));
    assert_true(routes_target_parse(S("push://h:1"), &t));
    assert_true(str_eq(t.scheme, S("push")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_targets),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
