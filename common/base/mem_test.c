/* mem_test.c - who is served when there is no memory.  The module is compiled in here, so
 * that the system can be made to have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

static int failures; /* that are still to come */
static bool no_addresses;

static void *scarce_calloc(size_t n, size_t bytes)
{
    return failures > 0 && failures-- > 0 ? NULL : calloc(n, bytes);
}

static void *scarce_realloc(void *p, size_t bytes)
{
    return failures > 0 && failures-- > 0 ? NULL : realloc(p, bytes);
}

static void *scarce_mmap(void *p, size_t n, int protection, int flags, int fd, off_t at)
{
    return no_addresses ? MAP_FAILED : mmap(p, n, protection, flags, fd, at);
}

#define calloc  scarce_calloc
#define realloc scarce_realloc
#define mmap    scarce_mmap
#include "base/mem.c"

static void who_cannot_be_refused_gets_what_was_kept(void **state)
{
    void *p = mem_try_alloc(10);

    (void)state;
    assert_non_null(p); /* and from now on there is something */
    failures = 1;
    p = mem_realloc(p, 1000);
    assert_non_null(p);
    mem_free(p);
    mem_free(mem_try_alloc(10));
    failures = 1;
    p = mem_alloc(1000);
    assert_non_null(p);
    mem_free(p);
    assert_int_equal(failures, 0);
}

static void who_can_be_refused_is_until_it_is_there_again(void **state)
{
    void *p = mem_try_alloc(10);

    (void)state;
    assert_non_null(p);
    failures = 1;
    mem_free(mem_alloc(1000));
    no_addresses = true;
    assert_null(mem_try_alloc(10));
    assert_null(mem_try_realloc(p, 20));
    mem_free(mem_alloc(1000));
    no_addresses = false;
    p = mem_try_realloc(p, 20);
    assert_non_null(p);
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_cannot_be_refused_gets_what_was_kept),
        cmocka_unit_test(who_can_be_refused_is_until_it_is_there_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
