/* append_spool_test.c - small messages in memory, large ones in a file, none altered. */
#include "append_spool.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Adds n bytes in pieces and compares what comes out. */
static void keeps(size_t n, size_t piece)
{
    struct append_spool *s = append_spool_new("/tmp", n);
    char *bytes = mem_alloc(n);
    str_t out;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)('a' + i % 23);
    for (size_t at = 0; at < n; at += piece) {
        assert_int_equal(append_spool_left(s), n - at);
        assert_int_equal(
            append_spool_add(s, str_n(bytes + at, n - at < piece ? n - at : piece)),
            RC_OK);
    }
    assert_int_equal(append_spool_bytes(s, &out), RC_OK);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, bytes, n);
    assert_false(append_spool_has_nul(s));
    append_spool_free(&s);
    mem_free(bytes);
}

static void test_sizes(void **state)
{
    (void)state;
    keeps(1, 1);
    keeps(APPEND_SPOOL_MEMORY, 1000);
    keeps(APPEND_SPOOL_MEMORY + 1, 1000);
    keeps(1000 * 1000, 4096);
}

static void test_nul_is_seen(void **state)
{
    struct append_spool *s = append_spool_new("/tmp", 6);

    (void)state;
    assert_int_equal(append_spool_add(s, S("abc")), RC_OK);
    assert_false(append_spool_has_nul(s));
    assert_int_equal(append_spool_add(s, S("\0de")), RC_OK);
    assert_true(append_spool_has_nul(s));
    append_spool_free(&s);
}

static void test_a_folder_that_is_not_there_is_temporary(void **state)
{
    struct append_spool *s = append_spool_new("/nonexistent", APPEND_SPOOL_MEMORY + 1);

    (void)state;
    assert_int_equal(append_spool_add(s, S("abc")), RC_RETRY);
    append_spool_free(&s);
    s = append_spool_new("/nonexistent", 3); /* small ones need none */
    assert_int_equal(append_spool_add(s, S("abc")), RC_OK);
    append_spool_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_nul_is_seen),
        cmocka_unit_test(test_a_folder_that_is_not_there_is_temporary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
