/* routes_test.c - the transport map: what it accepts and what it finds. */
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(const struct routes *r, const char *domain, const char *host, int port)
{
    const struct routes_target *t = routes_find(r, str_of(domain));

    if (host == NULL) {
        assert_null(t);
        return;
    }
    assert_non_null(t);
    assert_true(str_eq(t->host, str_of(host)));
    assert_int_equal(t->port, port);
}

static void test_finds(void **state)
{
    struct routes *r = NULL;

    (void)state;
    assert_int_equal(routes_new(S("a.org=mx.a.org:2525, B.org = [2001:db8::1]:26,"
                                  "c.org=192.0.2.1,[192.0.2.9]=[::1],"),
                                25, &r),
                     RC_OK);
    expect(r, "A.ORG", "mx.a.org", 2525);
    expect(r, "b.org", "2001:db8::1", 26);
    expect(r, "c.org", "192.0.2.1", 25);
    expect(r, "[192.0.2.9]", "::1", 25);
    expect(r, "x.a.org", NULL, 0);
    routes_free(&r);
    assert_int_equal(routes_new(S("*=smart:587,a.org=b"), 25, &r), RC_OK);
    expect(r, "a.org", "b", 25);
    expect(r, "z.org", "smart", 587);
    routes_free(&r);
    assert_int_equal(routes_new(S(""), 25, &r), RC_OK);
    expect(r, "a.org", NULL, 0);
    routes_free(&r);
}

static void test_refuses(void **state)
{
    static const char *const bad[] = { "a.org", "a.org=",    "=b:25",
                                       "a=b:0", "a=b:x",     "a=[::1",
                                       "a=:25", "a=b:65536", "a=[::1]x" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct routes *r = NULL;

        if (routes_new(str_of(bad[i]), 25, &r) != RC_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_null(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
