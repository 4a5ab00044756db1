/* store_api_token_test.c - tokens are found by their hash while they are valid. */
#include "store/store_api_token.h"

#include "store/store_test.h"

#define HASH_A S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
#define HASH_B S("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")

static int empty(void **state)
{
    (void)state;
    db_reset(test_db);
    arena_reset(test_arena);
    return db_script(test_db, "TRUNCATE api_token") == RC_OK ? 0 : -1;
}

static void assert_valid(str_t hash, const char *name)
{
    struct store_api_token t;

    assert_int_equal(store_api_token_find(test_arena, test_db, hash, &t), RC_OK);
    assert_true(str_eq(t.name, str_of(name)));
}

static void assert_unknown(str_t hash)
{
    struct store_api_token t;

    assert_int_equal(store_api_token_find(test_arena, test_db, hash, &t), RC_NOT_FOUND);
}

static void a_token_is_valid_until_it_is_revoked(void **state)
{
    (void)state;
    assert_unknown(HASH_A);
    assert_int_equal(store_api_token_add(test_db, S("ann"), HASH_A), RC_OK);
    assert_valid(HASH_A, "ann");
    assert_unknown(HASH_B);
    assert_int_equal(store_api_token_revoke(test_db, S("bob")), RC_NOT_FOUND);
    assert_valid(HASH_A, "ann");
    assert_int_equal(store_api_token_revoke(test_db, S("ann")), RC_OK);
    assert_unknown(HASH_A);
    assert_int_equal(store_api_token_revoke(test_db, S("ann")), RC_NOT_FOUND);
}

static void a_name_belongs_to_one_valid_token(void **state)
{
    (void)state;
    assert_int_equal(store_api_token_add(test_db, S("ann"), HASH_A), RC_OK);
    assert_int_equal(store_api_token_add(test_db, S("ann"), HASH_B), RC_EXISTS);
    assert_int_equal(store_api_token_add(test_db, S("bob"), HASH_A), RC_EXISTS);
    assert_int_equal(store_api_token_revoke(test_db, S("ann")), RC_OK);
    assert_int_equal(store_api_token_add(test_db, S("ann"), HASH_B), RC_OK);
    assert_valid(HASH_B, "ann");
    assert_unknown(HASH_A);
    /* Never again. */
    assert_int_equal(store_api_token_add(test_db, S("carl"), HASH_A), RC_EXISTS);
    assert_unknown(HASH_A);
}

static void what_is_to_be_valid_takes_the_place_of_what_was(void **state)
{
    (void)state;
    assert_int_equal(store_api_token_ensure(test_db, S("operator"), HASH_A), RC_OK);
    assert_int_equal(store_api_token_ensure(test_db, S("operator"), HASH_A), RC_OK);
    assert_valid(HASH_A, "operator");
    assert_int_equal(store_api_token_ensure(test_db, S("operator"), HASH_B), RC_OK);
    assert_valid(HASH_B, "operator");
    assert_unknown(HASH_A);
    assert_int_equal(store_api_token_ensure(test_db, S("operator"), HASH_A), RC_DENIED);
    assert_valid(HASH_B, "operator");
    assert_unknown(HASH_A);
}

static void use_is_noted_once_a_day(void **state)
{
    struct store_api_token t;

    (void)state;
    assert_int_equal(store_api_token_add(test_db, S("ann"), HASH_A), RC_OK);
    assert_int_equal(store_api_token_find(test_arena, test_db, HASH_A, &t), RC_OK);
    assert_int_equal(t.used_day, 0);
    assert_false(t.used_today);
    assert_int_equal(store_api_token_used(test_db, HASH_A), RC_OK);
    assert_int_equal(store_api_token_find(test_arena, test_db, HASH_A, &t), RC_OK);
    assert_true(t.used_today && t.used_day > 20000);
    assert_int_equal(store_api_token_used(test_db, HASH_A), RC_OK);
    assert_int_equal(db_affected(test_db, 0), 0);
}

static void a_list_shows_all(void **state)
{
    struct store_api_token *list;
    size_t n;

    (void)state;
    assert_int_equal(store_api_token_add(test_db, S("bob"), HASH_A), RC_OK);
    assert_int_equal(store_api_token_add(test_db, S("ann"), HASH_B), RC_OK);
    assert_int_equal(store_api_token_revoke(test_db, S("bob")), RC_OK);
    assert_int_equal(store_api_token_list(test_arena, test_db, &list, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_true(str_eq(list[0].name, S("ann")) && list[0].revoked_unix == 0);
    assert_true(str_eq(list[1].name, S("bob")) && list[1].revoked_unix > 0);
    assert_true(list[0].created_unix > 1000000000);
}

#define TEST(fn) cmocka_unit_test_setup(fn, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_valid_until_it_is_revoked),
        TEST(a_name_belongs_to_one_valid_token),
        TEST(what_is_to_be_valid_takes_the_place_of_what_was),
        TEST(use_is_noted_once_a_day),
        TEST(a_list_shows_all),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
