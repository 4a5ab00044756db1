/* milters_test.c - where milters listen. */
#include "svc/milters.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void good_ones(void **state)
{
    struct arena *a = arena_new();
    struct milters m;
    const char *why;

    (void)state;
    assert_int_equal(milters_parse(a, S(""), &m, &why), RC_OK);
    assert_int_equal(m.count, 0);
    assert_int_equal(milters_parse(a,
                                   S("inet:opendkim:8891, unix:/run/x.sock inet:[::1]:1"),
                                   &m, &why),
                     RC_OK);
    assert_int_equal(m.count, 3);
    assert_string_equal(m.all[0].host, "opendkim");
    assert_string_equal(m.all[0].port, "8891");
    assert_null(m.all[0].path);
    assert_string_equal(m.all[1].path, "/run/x.sock");
    assert_string_equal(m.all[1].text, "unix:/run/x.sock");
    assert_string_equal(m.all[2].host, "::1");
    arena_free(&a);
}

static void bad_ones(void **state)
{
    static const char *const bad[] = {
        "opendkim:8891",  "inet:opendkim", "inet::1",        "inet:a:0", "inet:a:65536",
        "inet:::1:8891",  "inet:[]:1",     "unix:run/x",     "unix:",    "tcp://a:1",
        "inet:a:1,inet:", "inet:a:b",      "unix:/a unix:b",
    };
    struct arena *a = arena_new();
    struct milters m;
    const char *why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(milters_parse(a, str_of(bad[i]), &m, &why), RC_INVALID);
    assert_int_equal(milters_parse(a,
                                   S("unix:/1 unix:/2 unix:/3 unix:/4 unix:/5 unix:/6 "
                                     "unix:/7 unix:/8 unix:/9"),
                                   &m, &why),
                     RC_INVALID);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
