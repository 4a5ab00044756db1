/* The table itself: every row has its path, no two the same, and nothing that waits runs
 * where nothing may wait. */
#include "base/str.h"
#include "route.h"
#include "www.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { GET = 1 << 0, POST = 1 << 1, PUT = 1 << 2, PATCH = 1 << 3, DELETE = 1 << 4 };

static const struct {
    const char *path, *kind, *token, *where;
    unsigned methods;
} rows[] = {
#define ROUTE(path, handler, methods, kind, token, where)                                \
    { path, #kind, #token, #where, methods },
#include "routes.def"
#undef ROUTE
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *names = strdup(rows[i].path);

        for (char *p = names; *p != '\0'; p++)
            *p = strchr("{}", *p) == NULL ? *p : 'x';
        assert_true(www_is_plain_path(str_of(names)));
        free(names);
        for (size_t k = 0; k < i; k++)
            assert_true(strcmp(rows[i].path, rows[k].path) != 0 ||
                        (rows[i].methods & rows[k].methods) == 0);
    }
}

static void test_what_waits_has_a_worker(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(strcmp(rows[i].token, "TOKEN") != 0 ||
                    strcmp(rows[i].where, "WORKER") == 0);
}

/* Below /api/ are programs with tokens and nobody else; what is elsewhere is no API. */
static void test_the_api_is_below_its_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool below = str_starts(str_of(rows[i].path), S("/api/v1/"));

        assert_int_equal(below, strcmp(rows[i].kind, "API") == 0);
        assert_true(!below || strcmp(rows[i].token, "TOKEN") == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_what_waits_has_a_worker),
        cmocka_unit_test(test_the_api_is_below_its_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
