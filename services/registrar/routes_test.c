/* The table itself: every row has its path, and no path has two. */
#include "base/str.h"
#include "route.h"
#include "www.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *const paths[] = {
#define ROUTE(path, handler, methods, kind) path,
#include "routes.def"
#undef ROUTE
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_true(www_is_plain_path(str_of(paths[i])));
        for (size_t k = 0; k < i; k++)
            assert_false(str_eq(str_of(paths[i]), str_of(paths[k])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_paths) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
