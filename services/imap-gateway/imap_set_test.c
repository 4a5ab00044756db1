/* imap_set_test.c - sequence sets: order, stars, limits. */
#include "imap_set.h"

#include "base/arena.h"
#include "base/buf.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { STAR = 20 };

static const struct {
    const char *text;
    const char *ranges; /* NULL: refused */
} cases[] = {
    { "1", "1-1 " },
    { "1,2,3", "1-1 2-2 3-3 " },
    { "5:2", "2-5 " },
    { "*", "20-20 " },
    { "15:*", "15-20 " },
    { "30:*", "20-30 " },
    { "9,1:3,2:5", "1-5 9-9 " },
    { "1:4294967295", "1-4294967295 " },
    { "", NULL },
    { "0", NULL },
    { "1,", NULL },
    { ",1", NULL },
    { "1::2", NULL },
    { "1:", NULL },
    { "4294967296", NULL },
    { "*:*", "20-20 " },
};

static void test_cases(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct imap_set set;
        struct buf *text = arena_buf(a, 1000);
        enum rc rc = imap_set_parse(a, str_of(cases[i].text), STAR, &set);

        print_message("%s\n", cases[i].text);
        assert_int_equal(rc, cases[i].ranges == NULL ? RC_INVALID : RC_OK);
        if (rc != RC_OK)
            continue;
        for (size_t k = 0; k < set.count; k++)
            buf_printf(text, "%" PRIu32 "-%" PRIu32 " ", set.ranges[k].first,
                       set.ranges[k].last);
        assert_string_equal(arena_cstr(a, buf_str(text)), cases[i].ranges);
    }
    arena_free(&a);
}

static void test_membership(void **state)
{
    struct arena *a = arena_new();
    struct imap_set set;

    (void)state;
    assert_int_equal(imap_set_parse(a, S("2:4,9,15:*"), STAR, &set), RC_OK);
    assert_false(imap_set_has(&set, 1));
    assert_true(imap_set_has(&set, 2));
    assert_true(imap_set_has(&set, 4));
    assert_false(imap_set_has(&set, 5));
    assert_true(imap_set_has(&set, 9));
    assert_true(imap_set_has(&set, 20));
    assert_false(imap_set_has(&set, 21));
    arena_free(&a);
}

/* Clients join every UID with commas. */
static void test_long(void **state)
{
    enum { RANGES = 12000 };
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 100000);
    struct imap_set set;

    (void)state;
    for (int i = 1; i <= RANGES; i++)
        buf_printf(text, "%s%d", i > 1 ? "," : "", 2 * i);
    assert_int_equal(imap_set_parse(a, buf_str(text), STAR, &set), RC_OK);
    assert_int_equal(set.count, RANGES);
    assert_true(imap_set_has(&set, 2 * RANGES));
    assert_false(imap_set_has(&set, RANGES + 1));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_membership),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
