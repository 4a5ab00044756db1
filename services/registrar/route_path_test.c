/* route_path_test.c - which paths fit, and what is decoded. */
#include "route_path.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ROW "/api/v1/accounts/{address}"
#define TWO "/a/{x}/b/{y}"

static struct arena *arena;

static const struct {
    str_t row, path;
    enum route_path_fit fit;
    str_t first, second; /* values */
} cases[] = {
    { STR(ROW), STR("/api/v1/accounts/a@b.example"), ROUTE_PATH_FITS, STR("a@b.example"),
      STR("") },
    { STR(ROW), STR("/api/v1/accounts/a%40b.example"), ROUTE_PATH_FITS,
      STR("a@b.example"), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%61%2fb%2F"), ROUTE_PATH_FITS, STR("a/b/"),
      STR("") },
    { STR(ROW), STR("/api/v1/accounts/%25%34%31"), ROUTE_PATH_FITS, STR("%41"), STR("") },
    { STR(ROW), STR("/api/v1/accounts/a+b"), ROUTE_PATH_FITS, STR("a+b"), STR("") },
    { STR(ROW), STR("/api/v1/accounts/.."), ROUTE_PATH_FITS, STR(".."), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%C3%A4"), ROUTE_PATH_FITS, STR("\xc3\xa4"),
      STR("") },
    { STR(ROW), STR("/api/v1/accounts/%C3"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%ff"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/\xff"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%4"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%4x"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/%-1"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/a%00b"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/a%0d%0ab"), ROUTE_PATH_MALFORMED, STR(""),
      STR("") },
    { STR(ROW), STR("/api/v1/accounts/%7f"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/a/"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/accounts/a/b"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/api/v1//accounts/a"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("api/v1/accounts/a"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/api/v1/%61ccounts/a"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/api/v2/accounts/%"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR(""), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(ROW), STR("/"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(TWO), STR("/a/1/b/2"), ROUTE_PATH_FITS, STR("1"), STR("2") },
    { STR(TWO), STR("/a//b/2"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(TWO), STR("/a/1/c/2"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(TWO), STR("/a/%/c/2"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR(TWO), STR("/a/1/b/%"), ROUTE_PATH_MALFORMED, STR(""), STR("") },
    { STR("/new"), STR("/new"), ROUTE_PATH_FITS, STR(""), STR("") },
    { STR("/new"), STR("/new/"), ROUTE_PATH_OTHER, STR(""), STR("") },
    { STR("/"), STR("/"), ROUTE_PATH_FITS, STR(""), STR("") },
    { STR("/"), STR("//"), ROUTE_PATH_OTHER, STR(""), STR("") },
};

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_path_params p;
        enum route_path_fit fit =
            route_path_match(arena, cases[i].row, cases[i].path, &p);
        bool two = str_eq(cases[i].row, S(TWO));

        if (fit != cases[i].fit)
            fail_msg("%.*s fits %.*s: %d", STR_ARG(cases[i].path), STR_ARG(cases[i].row),
                     fit);
        if (fit != ROUTE_PATH_FITS)
            continue;
        assert_true(str_eq(route_path_get(&p, two ? "x" : "address"), cases[i].first));
        assert_true(str_eq(route_path_get(&p, "y"), cases[i].second));
        assert_int_equal(route_path_get(&p, "z").n, 0);
    }
}

static enum route_path_fit match_long(const char *piece, size_t n)
{
    struct buf *path = arena_buf(arena, 1 << 20);
    struct route_path_params p;

    buf_puts(path, "/api/v1/accounts/");
    for (size_t i = 0; i < n; i++)
        buf_puts(path, piece);
    return route_path_match(arena, S(ROW), buf_str(path), &p);
}

static void values_have_a_greatest_length(void **state)
{
    (void)state;
    assert_int_equal(match_long("a", ROUTE_PATH_VALUE_MAX_BYTES), ROUTE_PATH_FITS);
    assert_int_equal(match_long("a", ROUTE_PATH_VALUE_MAX_BYTES + 1),
                     ROUTE_PATH_MALFORMED);
    assert_int_equal(match_long("%61", ROUTE_PATH_VALUE_MAX_BYTES), ROUTE_PATH_FITS);
    assert_int_equal(match_long("%61", ROUTE_PATH_VALUE_MAX_BYTES + 1),
                     ROUTE_PATH_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(values_have_a_greatest_length),
    };
    int failed;

    arena = arena_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
