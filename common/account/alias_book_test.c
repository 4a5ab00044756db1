/* alias_book_test.c - a file that is changed while it is in use. */
#include "account/alias_book.h"

#include "account/aliases.h"
#include "base/arena.h"
#include "base/clock.h"
#include "mail/domains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 30000 };

static const struct domains domains = DOMAINS_ONE("c.org");
static char file[] = "/tmp/alias_book_test.XXXXXX";
static struct arena *arena;

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* 0: no such alias. */
static size_t count(struct alias_book *b, const char *address)
{
    struct alias_book_view v;
    const str_t *to;
    size_t n;

    alias_book_take(b, &v);
    n = v.of_file == NULL ? 0 : aliases_find(v.of_file, arena, str_of(address), &to);
    alias_book_give_back(b, &v);
    return n;
}

static void wait_for(struct alias_book *b, const char *address, size_t n)
{
    int64_t until = clock_monotonic_ms() + WAIT_MS;

    while (count(b, address) != n) {
        assert_true(clock_monotonic_ms() < until);
        poll(NULL, 0, 10);
    }
}

static void test_a_change_is_taken_up(void **state)
{
    struct alias_book_view old;
    struct alias_book *b;
    const str_t *to;

    (void)state;
    write_file("info: ann\n");
    assert_int_equal(alias_book_new(&domains, S(""), file, &b), RC_OK);
    assert_int_equal(count(b, "info@c.org"), 1);
    alias_book_take(b, &old);
    write_file("info: ann, bob\nhelp: ann\n");
    wait_for(b, "info@c.org", 2);
    assert_int_equal(count(b, "help@c.org"), 1);
    /* Who is reading reads on. */
    assert_int_equal(aliases_find(old.of_file, arena, S("info@c.org"), &to), 1);
    alias_book_give_back(b, &old);
    /* A bad line changes nothing, until it is mended. */
    write_file("info: ann, bob, carl\nbroken\n");
    assert_int_equal(count(b, "info@c.org"), 2);
    write_file("info: ann, bob, carl\n");
    wait_for(b, "info@c.org", 3);
    /* Neither does it when the file is away for a while. */
    assert_int_equal(unlink(file), 0);
    assert_int_equal(count(b, "info@c.org"), 3);
    write_file("info: a, b, c, d\n");
    wait_for(b, "info@c.org", 4);
    alias_book_free(&b);
}

static void test_a_bad_file_ends_the_start(void **state)
{
    struct alias_book *b;

    (void)state;
    write_file("info: ann\nbroken\n");
    assert_int_equal(alias_book_new(&domains, S(""), file, &b), RC_INVALID);
    assert_null(b);
    assert_int_equal(alias_book_new(&domains, S("x"), "", &b), RC_INVALID);
    assert_int_equal(alias_book_new(&domains, S(""), "/", &b), RC_INVALID);
}

static void test_a_missing_file_is_waited_for(void **state)
{
    struct alias_book *b;

    (void)state;
    unlink(file);
    assert_int_equal(alias_book_new(&domains, S("x: y"), file, &b), RC_OK);
    assert_int_equal(count(b, "info@c.org"), 0);
    write_file("info: ann\n");
    wait_for(b, "info@c.org", 1);
    alias_book_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_is_taken_up),
        cmocka_unit_test(test_a_bad_file_ends_the_start),
        cmocka_unit_test(test_a_missing_file_is_waited_for),
    };
    int failed, fd = mkstemp(file);

    if (fd < 0)
        return 1;
    close(fd);
    arena = arena_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    unlink(file);
    return failed;
}
