/* store_test_plan.h - what a prepared statement reads when it is executed: buffers and
 * rows, not time.
 */
#pragma once

#include "store/store_test.h"

/* The sum of the numbers that stand behind a word in the plan; of the first only, which
 * is the topmost node's. */
static TEST_UNUSED int64_t test_plan_number(str_t plan, const char *word, bool all)
{
    int64_t sum = 0;
    size_t at;

    while ((at = str_find(plan, str_of(word))) != SIZE_MAX) {
        plan = str_skip(plan, at + strlen(word));
        sum += strtoll(plan.p, NULL, 10);
        if (!all)
            break;
    }
    return sum;
}

/* As PostgreSQL shows it, for "name(arguments)"; nothing of its execution stays. */
static TEST_UNUSED str_t test_plan(struct db *db, const char *format, const char *execute)
{
    struct db_statement s = { .name = "" };
    str_t plan = S("");

    s.sql = arena_printf(test_arena,
                         "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT %s) EXECUTE %s",
                         format, execute);
    db_begin(db);
    assert_int_equal(db_run(db, &s, DB_NO_PARAMS), RC_OK);
    for (size_t i = 0; i < db_rows(db, 0); i++)
        plan = str_of(arena_printf(test_arena, "%.*s%.*s\n", STR_ARG(plan),
                                   STR_ARG(db_get_str(db, 0, i, 0))));
    db_rollback(db);
    return plan;
}

/* Buffers and rows that the statement reads when it is executed here and now. */
static TEST_UNUSED int64_t test_plan_cost(struct db *db, const char *execute)
{
    str_t plan = test_plan(db, "JSON", execute);

    return test_plan_number(plan, "\"Shared Hit Blocks\": ", false) +
           test_plan_number(plan, "\"Shared Read Blocks\": ", false) +
           test_plan_number(plan, "\"Actual Rows\": ", true) +
           test_plan_number(plan, "\"Rows Removed by Filter\": ", true) +
           test_plan_number(plan, "\"Rows Removed by Join Filter\": ", true);
}
