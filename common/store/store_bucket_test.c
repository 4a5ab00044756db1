/* store_bucket_test.c - what belongs to a bucket is one range of keys in each table, so
 * it is read without the rest. */
#include "store/store_test.h"
#include "store/store_test_plan.h"

enum { ACCOUNTS = 20000, ROW_COST = 3, COST_FIXED = 20 };

/* As 0010_buckets.sql says it. */
#define ACCOUNTS_OF " BETWEEN $1::int8 << 35 AND ($1::int8 << 35) + ((1::int8 << 35) - 1)"
#define MAILBOXES_OF                                                                     \
    " BETWEEN $1::int8 << 53 AND ($1::int8 << 53) + ((1::int8 << 53) - 1)"

static const struct {
    const char *table, *column, *range, *account;
} tables[] = {
    { "account", "id", ACCOUNTS_OF, "id" },
    { "device", "account_id", ACCOUNTS_OF, "account_id" },
    { "mailbox", "id", MAILBOXES_OF, "id >> 18" },
    { "message", "mailbox_id", MAILBOXES_OF, "mailbox_id >> 18" },
    { "expunged", "mailbox_id", MAILBOXES_OF, "mailbox_id >> 18" },
};

static const int buckets[] = { 0, 1, 511, 1022, 1023 };

/* Every account has a row in each table, in the first folder or the last. */
static int fill(void **state)
{
    (void)state;
    test_sql(
        "INSERT INTO account (id, created_day, seen_day, addr, pwhash) "
        "SELECT (bucket_of(addr) << 35) + CASE WHEN i %% 2 = 0 THEN i "
        "  ELSE (1::int8 << 35) - i END, 1, 1, addr, '' FROM "
        "(SELECT i, 'user' || i || '@example.org' addr FROM generate_series(1, %d) i) s",
        ACCOUNTS);
    test_sql("INSERT INTO mailbox (id, uidvalidity) "
             "SELECT id << 18 | CASE WHEN id %% 2 = 0 THEN 0 ELSE 262143 END, 1 "
             "FROM account");
    test_sql("INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size) "
             "SELECT id, 1, 1, 1, 1, 1 FROM mailbox");
    test_sql("INSERT INTO expunged SELECT id, 1, '{1}' FROM mailbox");
    test_sql("INSERT INTO device (account_id, token, renewed) SELECT id, 't', 1 "
             "FROM account");
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        test_sql("ANALYZE %s", tables[i].table);
    return 0;
}

static int64_t in_range(size_t table, int bucket)
{
    const char *name = tables[table].table;

    test_sql("PREPARE q_%s_%d AS SELECT count(*) FROM %s WHERE %s%s", name, bucket, name,
             tables[table].column, tables[table].range);
    return test_number(
        test_db, arena_printf(test_arena, "EXECUTE q_%s_%d(%d)", name, bucket, bucket));
}

static int64_t by_address(size_t table, int bucket)
{
    return test_number(test_db,
                       arena_printf(test_arena,
                                    "SELECT count(*) FROM %s t JOIN account a ON a.id = "
                                    "t.%s WHERE bucket_of(a.addr) = %d",
                                    tables[table].table, tables[table].account, bucket));
}

static void a_bucket_is_one_range_of_each_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (size_t k = 0; k < ARRAY_LEN(buckets); k++) {
            int64_t n = in_range(i, buckets[k]);
            const char *execute = arena_printf(test_arena, "q_%s_%d(%d)", tables[i].table,
                                               buckets[k], buckets[k]);

            assert_true(n > 0);
            assert_int_equal(n, by_address(i, buckets[k]));
            assert_in_range(test_plan_cost(test_db, execute), n,
                            ROW_COST * n + COST_FIXED);
        }
    }
}

/* Database and services agree about it. */
static void the_database_knows_the_bucket_of_an_address(void **state)
{
    (void)state;
    for (int i = 1; i <= 100; i++) {
        str_t address = test_address(i);

        assert_int_equal(
            test_number(test_db, arena_printf(test_arena, "SELECT bucket_of('%.*s')",
                                              STR_ARG(address))),
            store_ids_bucket(store_ids_new_account(address)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bucket_is_one_range_of_each_table, fill),
        cmocka_unit_test(the_database_knows_the_bucket_of_an_address),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
