/* password_test.c - new hashes, imported hashes, hostile hashes. */
#include "account/password.h"

#include "base/arena.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void round_trip(void **state)
{
    struct arena *a = arena_new();
    str_t one, two;

    (void)state;
    assert_int_equal(password_hash(a, S("correct horse"), 1, &one), RC_OK);
    assert_int_equal(password_hash(a, S("correct horse"), 1, &two), RC_OK);
    assert_true(str_starts(one, S("$y$")));
    assert_false(str_eq(one, two)); /* salted */
    assert_true(password_verify(a, S("correct horse"), one));
    assert_true(password_verify(a, S("correct horse"), two));
    assert_false(password_verify(a, S("correct horsf"), one));
    assert_false(password_verify(a, S(""), one));
    assert_false(password_verify(a, S("correct horse\0x"), one));
    arena_free(&a);
}

static void imported(void **state)
{
    /* "Hello world!": the published test vector of SHA-crypt. */
    static const char sha512[] =
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu"
        "esI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    /* "U*U": the published test vector of bcrypt. */
    static const char bcrypt[] =
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    struct arena *a = arena_new();
    char *dovecot = arena_printf(a, "{SHA512-CRYPT}%s", sha512);

    (void)state;
    assert_true(password_verify(a, S("Hello world!"), str_of(sha512)));
    assert_true(password_verify(a, S("Hello world!"), str_of(dovecot)));
    assert_false(password_verify(a, S("Hello world?"), str_of(sha512)));
    assert_true(password_verify(a, S("U*U"), str_of(bcrypt)));
    assert_false(password_verify(a, S("U*V"), str_of(bcrypt)));
    arena_free(&a);
}

static void rubbish_never_matches(void **state)
{
    static const char *const hashes[] = { "",     "x",    "*0",    "*1",   "$y$",
                                          "$6$",  "$1$a", "plain", "{}",   "{PLAIN}x",
                                          "$y$j", "$2b$", "!$6$x", "{x$6$" };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        assert_false(password_verify(a, S("x"), str_of(hashes[i])));
        assert_false(password_verify(a, str_of(hashes[i]), str_of(hashes[i])));
    }
    arena_free(&a);
}

static void limits(void **state)
{
    struct arena *a = arena_new();
    char longest[511], longer[512];
    str_t hash;

    (void)state;
    memset(longest, 'p', sizeof(longest));
    memset(longer, 'p', sizeof(longer));
    assert_int_equal(password_hash(a, str_n(longest, sizeof(longest)), 1, &hash), RC_OK);
    assert_int_equal(password_hash(a, str_n(longer, sizeof(longer)), 1, &hash),
                     RC_INVALID);
    assert_int_equal(password_hash(a, S("x"), 0, &hash), RC_INVALID);
    assert_int_equal(password_hash(a, S("x"), 12, &hash), RC_INVALID);
    arena_free(&a);
}

static void *hash_thread(void *ok)
{
    struct arena *a = arena_new();
    str_t hash;

    *(bool *)ok = password_hash(a, S("parallel"), 1, &hash) == RC_OK &&
                  password_verify(a, S("parallel"), hash);
    arena_free(&a);
    return NULL;
}

static void parallel_callers(void **state)
{
    pthread_t threads[8];
    bool ok[ARRAY_LEN(threads)] = { false };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_thread, &ok[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_true(ok[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(imported),
        cmocka_unit_test(rubbish_never_matches),
        cmocka_unit_test(limits),
        cmocka_unit_test(parallel_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
