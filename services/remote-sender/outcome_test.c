/* outcome_test.c - who has the mail, who never will, and who is asked again when. */
#include "outcome.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct backoff waits = { .min_ms = 60000, .max_ms = 3600000 };

static struct smtp_client_rcpt rcpts[] = {
    { .address = STR("a@x"), .answer = { 250, STR("2.1.5"), STR("250 2.1.5 ok") } },
    { .address = STR("b@x"), .answer = { 550, STR("5.1.1"), STR("550 5.1.1 no") } },
    { .address = STR("c@x"), .answer = { 452, STR("4.2.2"), STR("452 4.2.2 full") } },
    { .address = STR("d@x"), .answer = { 0, STR(""), STR("connection lost") } },
    { .address = STR("e@x"), .answer = { 554, STR("4.0.0"), STR("554 4.0.0 odd") } },
};

static struct outcome_counts sort(struct arena *a, int attempts, int64_t expires,
                                  struct store_remote_outcome *out)
{
    static struct store_remote_row row;
    struct outcome_facts f = {
        .row = &row,
        .rcpt = rcpts,
        .rcpt_count = ARRAY_LEN(rcpts),
        .host = STR("mx.x"),
        .backoff = &waits,
        .now_unix = 1000000,
        .random = 15000,
    };

    row.attempts = attempts;
    row.expires_unix = expires;
    return outcome_sort(a, &f, out);
}

static void test_sorts(void **state)
{
    struct arena *a = arena_new();
    struct store_remote_outcome o;
    struct outcome_counts n = sort(a, 1, 2000000, &o);

    (void)state;
    assert_int_equal(n.done, 1);
    assert_int_equal(o.failure_count, 2);
    assert_true(str_eq(o.failures[0].recipient, S("b@x")));
    assert_true(str_eq(o.failures[0].status, S("5.1.1")));
    assert_true(str_eq(o.failures[0].remote_mta, S("mx.x")));
    assert_true(str_eq(o.failures[1].status, S("5.0.0")));
    assert_int_equal(o.retry_count, 2);
    assert_true(str_eq(o.retry[0], S("c@x")) && str_eq(o.retry[1], S("d@x")));
    assert_true(str_eq(o.last_error, S("connection lost")));
    assert_int_equal(o.retry_after_s, 60);
    sort(a, 4, 2000000, &o);
    assert_in_range(o.retry_after_s, 360, 600);
    arena_free(&a);
}

static void test_expires(void **state)
{
    struct arena *a = arena_new();
    struct store_remote_outcome o;
    struct outcome_counts n = sort(a, 9, 1000000, &o);

    (void)state;
    assert_int_equal(n.retry, 0);
    assert_int_equal(o.retry_count, 0);
    assert_int_equal(o.failure_count, 4);
    assert_true(str_eq(o.failures[1].status, S("5.4.7")));
    assert_true(str_find(o.failures[1].diagnostic, S("452 4.2.2 full")) != SIZE_MAX);
    sort(a, 9, 1000100, &o); /* there is a last try before the dispatcher's end */
    assert_int_equal(o.retry_after_s, 40);
    sort(a, 9, 1000010, &o);
    assert_int_equal(o.retry_after_s, 10);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorts),
        cmocka_unit_test(test_expires),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
