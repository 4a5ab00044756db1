/* dkim_keys_test.c - the same text is one key, however many are kept and used at once. */
#include "dkim_keys.h"

#include "base/arena.h"
#include "base/crypto_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include <cmocka.h>

enum { MAX = 16, MANY = 100, THREADS = 4, ROUNDS = 500 };

static struct arena *arena;
static str_t records[MANY];

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    for (size_t i = 0; i < MANY; i++) {
        struct crypto_key *key = crypto_key_generate(CRYPTO_KEY_ED25519, 0);

        records[i] = dkim_key_record(arena, key);
        crypto_key_free(&key);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct dkim_keys_entry *get(struct dkim_keys *k, str_t text)
{
    struct dkim_keys_entry *held;

    assert_int_equal(dkim_keys_get(k, arena, text, &held), DKIM_OUTCOME_PASS);
    assert_non_null(dkim_keys_key(held)->public);
    return held;
}

static void the_same_text_is_read_once(void **state)
{
    struct dkim_keys *k = dkim_keys_new(MAX);
    struct dkim_keys_entry *first = get(k, records[0]), *again = get(k, records[0]);
    struct dkim_keys_entry *other = get(k, records[1]);

    (void)state;
    assert_ptr_equal(dkim_keys_key(first)->public, dkim_keys_key(again)->public);
    assert_ptr_not_equal(dkim_keys_key(first)->public, dkim_keys_key(other)->public);
    assert_int_equal(dkim_keys_count(k), 2);
    dkim_keys_release(k, first);
    dkim_keys_release(k, again);
    dkim_keys_release(k, other);
    first = get(k, records[0]);
    assert_int_equal(dkim_keys_count(k), 2);
    dkim_keys_release(k, first);
    dkim_keys_free(&k);
    assert_null(k);
}

static void what_is_no_good_key_is_not_kept(void **state)
{
    static const struct {
        str_t text;
        enum dkim_outcome outcome;
    } cases[] = {
        { STR("v=DKIM1; p="), DKIM_OUTCOME_KEY_REVOKED },
        { STR("v=spf1 -all"), DKIM_OUTCOME_KEY_SYNTAX },
        { STR(""), DKIM_OUTCOME_KEY_SYNTAX },
    };
    struct dkim_keys *k = dkim_keys_new(MAX);
    struct dkim_keys_entry *held;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(dkim_keys_get(k, arena, cases[i].text, &held), cases[i].outcome);
    assert_int_equal(dkim_keys_count(k), 0);
    dkim_keys_free(&k);
}

/* Who is pushed out stays with those that have it. */
static void never_more_than_it_may_keep(void **state)
{
    struct dkim_keys *k = dkim_keys_new(MAX);
    struct dkim_keys_entry *held = get(k, records[0]), *again;
    const struct crypto_key *public = dkim_keys_key(held)->public;

    (void)state;
    for (size_t i = 1; i < MANY; i++) {
        dkim_keys_release(k, get(k, records[i]));
        assert_true(dkim_keys_count(k) <= MAX);
    }
    assert_true(dkim_keys_count(k) > MAX / 2);
    again = get(k, records[0]);
    assert_ptr_not_equal(dkim_keys_key(again)->public, public);
    assert_int_equal(crypto_key_kind(public), CRYPTO_KEY_ED25519);
    dkim_keys_release(k, held);
    dkim_keys_release(k, again);
    dkim_keys_free(&k);
}

/* One set: what is used stays, what is not goes. */
static void the_longest_unused_goes(void **state)
{
    struct dkim_keys *k = dkim_keys_new(1);
    struct dkim_keys_entry *held = get(k, records[0]);
    const struct crypto_key *public = dkim_keys_key(held)->public;

    (void)state;
    for (size_t i = 1; i < MANY; i++) {
        struct dkim_keys_entry *again;

        dkim_keys_release(k, get(k, records[i]));
        again = get(k, records[0]);
        assert_ptr_equal(dkim_keys_key(again)->public, public);
        dkim_keys_release(k, again);
    }
    dkim_keys_release(k, held);
    dkim_keys_free(&k);
}

static void *use_many(void *arg)
{
    struct dkim_keys *k = arg;
    struct arena *a = arena_new();
    size_t good = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        struct dkim_keys_entry *held;

        if (dkim_keys_get(k, a, records[i * 7 % MANY], &held) != DKIM_OUTCOME_PASS)
            continue;
        good += crypto_key_kind(dkim_keys_key(held)->public) == CRYPTO_KEY_ED25519;
        dkim_keys_release(k, held);
        arena_reset(a);
    }
    arena_free(&a);
    return (void *)(uintptr_t)good;
}

static void threads_share_it(void **state)
{
    struct dkim_keys *k = dkim_keys_new(MAX);
    pthread_t threads[THREADS];
    void *good;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_many, k), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &good);
        assert_int_equal((uintptr_t)good, ROUNDS);
    }
    assert_true(dkim_keys_count(k) <= MAX);
    dkim_keys_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_read_once),
        cmocka_unit_test(what_is_no_good_key_is_not_kept),
        cmocka_unit_test(never_more_than_it_may_keep),
        cmocka_unit_test(the_longest_unused_goes),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
