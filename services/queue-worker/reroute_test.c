/* reroute_test.c - each row has the way that the routes say, the day they change too. */
#include "reroute.h"

#include "mail/domains.h"
#include "batch.h"
#include "store/store_remote.h"
#include "store/store_test.h"
#include "svc/routes.h"

static const struct domains domains = DOMAINS_ONE("example.org");
static struct deliver_rules rules = {
    .route = { .domains = &domains, .delimiters = STR("+") },
    .hostname = STR("mx.example.org"),
    .remote_lifetime_s = 1000,
};

static void set_routes(const char *text)
{
    char why[200];

    if (routes_parse(test_arena, str_of(text), &rules.routes, why, sizeof(why)) != RC_OK)
        fail_msg("%s", why);
}

/* One message for three domains, through the queue. */
static void make_rows(void)
{
    const str_t to[] = { STR("a@one.net"), STR("b@two.net"), STR("c@three.net") };
    struct store_accept m = { .head = S("Subject: x\r\n\r\n"),
                              .body = S("x\r\n"),
                              .sender = S("me@example.org"),
                              .recipients = to,
                              .recipient_count = 3 };
    struct batch_news news;
    struct batch b;

    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    batch_init(&b, test_db, &rules, 64, 3);
    assert_int_equal(batch_run(&b, &news), RC_OK);
    assert_int_equal(news.remote_rows, 3);
    batch_fini(&b);
}

static void expect_way(const char *domain, const char *target)
{
    int64_t n = test_number(
        test_db, arena_printf(test_arena,
                              "SELECT count(*) FROM queue_remote WHERE domain = '%s' "
                              "AND transport = '%s'",
                              domain, target));

    if (n != 1)
        fail_msg("%s does not go by %s", domain, target);
}

/* A whole pass. */
static size_t follow(void)
{
    size_t rows, all = 0;
    int64_t after = 0;

    do {
        assert_int_equal(reroute(test_db, &rules.routes, &after, &rows), RC_OK);
        all += rows;
    } while (after != 0);
    return all;
}

static void test_rows_are_made_with_their_way(void **state)
{
    (void)state;
    set_routes("one.net=10.0.0.1:25, *=smtp://relay:587, two.net=mx");
    make_rows();
    expect_way("one.net", "smtp://10.0.0.1:25");
    expect_way("two.net", "");
    expect_way("three.net", "smtp://relay:587");
    assert_int_equal(follow(), 0);
}

static void test_what_waits_follows(void **state)
{
    (void)state;
    set_routes("");
    make_rows();
    test_sql("UPDATE queue_remote SET due = now_us() + 3600000000, attempts = 5");
    /* In somebody's hands: its lease is not touched. */
    test_sql("UPDATE queue_remote SET lease = 1 WHERE domain = 'two.net'");
    /* By a worker that knows nothing of ways. */
    test_sql("UPDATE queue_remote SET transport = NULL WHERE domain = 'three.net'");
    assert_int_equal(follow(), 0);
    set_routes("one.net=smtp://new:25 two.net=smtp://new:25");
    assert_int_equal(follow(), 2);
    assert_int_equal(follow(), 0);
    expect_way("one.net", "smtp://new:25");
    expect_way("two.net", "smtp://new:25");
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote "
                                          "WHERE due <= now_us() AND domain = 'one.net'"),
                     1);
    assert_int_equal(
        test_number(test_db, "SELECT count(*) FROM queue_remote WHERE due <= now_us()"),
        1);
    set_routes("*=smtp://other:25,one.net=mx");
    assert_int_equal(follow(), 3);
    expect_way("one.net", "");
    expect_way("three.net", "smtp://other:25");
}

static void test_a_pass_reaches_all(void **state)
{
    enum { MANY = 2 * STORE_REMOTE_WAYS_MAX };

    (void)state;
    test_sql(
        "INSERT INTO queue_remote (id, due, body_id, created, expires, size, domain, "
        "sender, rcpt, prefix, transport) SELECT i, now_us(), i, 1, 1, 100, 'd' || i,"
        " 's', ARRAY['a'], '', '' FROM generate_series(1, %d) i",
        MANY);
    set_routes("d7=smtp://seven:25, *=smtp://relay:25");
    assert_int_equal(follow(), MANY);
    expect_way("d7", "smtp://seven:25");
    expect_way("d2000", "smtp://relay:25");
    assert_int_equal(follow(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_rows_are_made_with_their_way, test_setup),
        cmocka_unit_test_setup(test_what_waits_follows, test_setup),
        cmocka_unit_test_setup(test_a_pass_reaches_all, test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
