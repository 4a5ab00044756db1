/* spool_test.c - small, large, too many, and a broken directory. */
#include "spool.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct spool_limits limits = { "/tmp", 1000, 100000 };

static char pattern(size_t i)
{
    return (char)('a' + i % 23);
}

static void fill(struct spool *s, size_t n, size_t piece)
{
    char *p = mem_alloc(n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = pattern(i);
    for (size_t i = 0; i < n; i += piece)
        spool_append(s, p + i, n - i < piece ? n - i : piece);
    mem_free(p);
}

static void what_goes_in_comes_out(void **state)
{
    static const size_t sizes[] = { 0, 1, 999, 1000, 1001, 2000, 2001, 50000 };
    static const size_t pieces[] = { 1, 7, 1000, 100000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < ARRAY_LEN(pieces); j++) {
            struct spool *s = spool_new(&limits);
            str_t m;

            fill(s, sizes[i], pieces[j]);
            assert_int_equal(spool_finish(s, &m), RC_OK);
            assert_int_equal(m.n, sizes[i]);
            for (size_t k = 0; k < m.n; k++)
                assert_int_equal(m.p[k], pattern(k));
            assert_int_equal(spool_all_files_bytes(), sizes[i] > 1000 ? sizes[i] : 0);
            spool_free(&s);
            assert_null(s);
            assert_int_equal(spool_all_files_bytes(), 0);
        }
    }
}

static void the_sum_of_all_files_is_bounded(void **state)
{
    struct spool *a = spool_new(&limits), *b = spool_new(&limits);
    struct spool *c = spool_new(&limits);
    str_t m;

    (void)state;
    fill(a, 60000, 500);
    assert_int_equal(spool_finish(a, &m), RC_OK);
    fill(b, 60000, 500);
    fill(c, 900, 500);
    assert_int_equal(spool_finish(b, &m), RC_LIMIT);
    assert_int_equal(spool_finish(c, &m), RC_OK); /* small ones go on */
    spool_free(&a);
    spool_free(&b);
    spool_free(&c);
    assert_int_equal(spool_all_files_bytes(), 0);
}

static void a_broken_directory_is_temporary(void **state)
{
    static const struct spool_limits broken = { "/nonexistent", 1000, 100000 };
    struct spool *s = spool_new(&broken);
    str_t m;

    (void)state;
    fill(s, 5000, 100);
    assert_int_equal(spool_finish(s, &m), RC_RETRY);
    spool_free(&s);
    assert_int_equal(spool_all_files_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(the_sum_of_all_files_is_bounded),
        cmocka_unit_test(a_broken_directory_is_temporary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
