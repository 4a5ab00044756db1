/* store_federation_test.c - rows are replaced, removed, listed, and bounded in number. */
#include "store/store_federation.h"

#include "store/store_test.h"

static int empty(void **state)
{
    (void)state;
    db_reset(test_db);
    arena_reset(test_arena);
    return db_script(test_db, "TRUNCATE federation") == RC_OK ? 0 : -1;
}

static enum rc set(const char *pattern, unsigned directions, bool blocks)
{
    const struct store_federation_row row = { str_of(pattern), directions, blocks };

    return store_federation_set(test_db, &row);
}

static size_t count(struct store_federation_row **rows)
{
    size_t n;

    assert_int_equal(store_federation_list(test_arena, test_db, rows, &n), RC_OK);
    return n;
}

static void rows_are_replaced_and_removed(void **state)
{
    struct store_federation_row *rows;

    (void)state;
    assert_int_equal(set("far.example", 3, true), RC_OK);
    assert_int_equal(set("*", 1, true), RC_OK);
    assert_int_equal(set("far.example", 2, false), RC_OK);
    assert_int_equal(count(&rows), 2);
    assert_true(str_eq(rows[0].pattern, S("*")) && rows[0].blocks);
    assert_int_equal(rows[0].directions, 1);
    assert_true(str_eq(rows[1].pattern, S("far.example")) && !rows[1].blocks);
    assert_int_equal(rows[1].directions, 2);
    assert_int_equal(store_federation_remove(test_db, S("*")), RC_OK);
    assert_int_equal(store_federation_remove(test_db, S("*")), RC_NOT_FOUND);
    assert_int_equal(count(&rows), 1);
}

static void directions_are_none_but_these(void **state)
{
    (void)state;
    assert_int_not_equal(set("a.example", 0, true), RC_OK);
    assert_int_not_equal(set("a.example", 4, true), RC_OK);
}

static void their_number_is_bounded(void **state)
{
    struct store_federation_row *rows;

    (void)state;
    assert_int_equal(db_script(test_db,
                               "INSERT INTO federation SELECT 'd' || i, 3, true, 0 "
                               "FROM generate_series(2, 10000) i"),
                     RC_OK);
    assert_int_equal(set("last", 3, true), RC_OK);
    assert_int_equal(set("one-more", 3, true), RC_LIMIT);
    assert_int_equal(set("last", 3, false), RC_OK);
    assert_int_equal(count(&rows), STORE_FEDERATION_MAX);
    assert_int_equal(store_federation_remove(test_db, S("d2")), RC_OK);
    assert_int_equal(set("one-more", 3, true), RC_OK);
}

#define TEST(fn) cmocka_unit_test_setup(fn, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_are_replaced_and_removed),
        TEST(directions_are_none_but_these),
        TEST(their_number_is_bounded),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
