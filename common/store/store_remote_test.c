/* store_remote_test.c - fair turns for destinations, one holder per row, failures kept.
 */
#include "store/store_test.h"

#include "store/store_remote.h"

static void add(const char *domain, int n)
{
    str_t to[2] = { str_of(arena_printf(test_arena, "a@%s", domain)),
                    str_of(arena_printf(test_arena, "b@%s", domain)) };
    struct store_remote_row r = { .body_id = store_ids_new_body(),
                                  .size = 100,
                                  .domain = str_of(domain),
                                  .sender = S("me@example.org"),
                                  .recipients = to,
                                  .recipient_count = 2,
                                  .prefix = S("Received: x\r\n") };

    db_begin(test_db);
    for (int i = 0; i < n; i++)
        store_remote_add(test_db, &r, 172800);
    assert_int_equal(db_commit(test_db), RC_OK);
}

static struct store_remote_row *claim(struct store_remote_cursor *c, size_t limit,
                                      size_t per_domain, const str_t *busy, size_t busy_n,
                                      size_t *n)
{
    struct store_remote_claim how = { .limit = limit,
                                      .per_destination = per_domain,
                                      .lease_s = 60,
                                      .busy = busy,
                                      .busy_count = busy_n };
    struct store_remote_row *rows = NULL;

    assert_int_equal(store_remote_claim(test_arena, test_db, c, &how, &rows, n), RC_OK);
    return rows;
}

static struct store_remote_row *claim_any(size_t *n)
{
    struct store_remote_cursor c = { 0 };

    return claim(&c, 100, 100, NULL, 0, n);
}

static void a_row_carries_all_a_sender_needs(void **state)
{
    struct store_remote_row *r;
    size_t n;

    (void)state;
    add("far.example", 1);
    r = claim_any(&n);
    assert_int_equal(n, 1);
    assert_int_equal(r->recipient_count, 2);
    assert_true(str_eq(r->recipients[1], S("b@far.example")));
    assert_true(str_eq(r->prefix, S("Received: x\r\n")));
    assert_true(str_eq(r->envelope, S("{}")));
    assert_int_equal(r->attempts, 1);
    assert_int_equal(r->expires_unix - r->created_unix, 172800);
    (void)claim_any(&n);
    assert_int_equal(n, 0); /* leased */
}

/* However many there are, without a claim; what a sender holds stays with it. */
static void what_is_past_its_lifetime_fails_by_itself(void **state)
{
    struct store_remote_failed *failed;
    size_t n, rows, recipients;

    (void)state;
    add("dead.example", 3);
    add("held.example", 1);
    add("alive.example", 1);
    test_sql("UPDATE queue_remote SET expires = now_unix() - 1, last_error = 'no route'"
             " WHERE domain = 'dead.example'");
    test_sql("UPDATE queue_remote SET expires = now_unix() - 1, lease = 1,"
             " due = now_us() + 60000000 WHERE domain = 'held.example'");
    test_sql("UPDATE trusted_time SET us = now_us() - 26 * 3600000000");
    assert_int_equal(store_remote_expire(test_db, 2, &rows, &recipients), RC_OK);
    assert_int_equal(rows, 0); /* the clock may have jumped */
    test_sql("UPDATE trusted_time SET us = now_us() - 24 * 3600000000");
    assert_int_equal(store_remote_expire(test_db, 2, &rows, &recipients), RC_OK);
    assert_int_equal(rows, 2);
    assert_int_equal(recipients, 4);
    assert_int_equal(store_remote_expire(test_db, 2, &rows, &recipients), RC_OK);
    assert_int_equal(rows, 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote"), 2);
    test_sql("UPDATE queue_remote SET due = now_us() - 601000000 WHERE domain = "
             "'held.example'");
    assert_int_equal(store_remote_expire(test_db, 2, &rows, &recipients), RC_OK);
    assert_int_equal(rows, 1);
    db_begin(test_db);
    assert_int_equal(store_remote_claim_failed(test_arena, test_db, 10, &failed, &n),
                     RC_OK);
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(n, 4);
    assert_int_equal(failed[0].failure_count, 2);
    assert_true(str_eq(failed[0].failures[1].recipient, S("b@dead.example")));
    assert_true(str_eq(failed[0].failures[1].status, S("5.4.7")));
    assert_true(str_find(failed[0].failures[0].diagnostic, S("no route")) != SIZE_MAX);
}

static void a_crowded_domain_does_not_crowd_out_others(void **state)
{
    struct store_remote_cursor c = { 0 };
    struct store_remote_row *r;
    int crowded = 0;
    size_t n;

    (void)state;
    add("dead.example", 200);
    add("a.example", 1);
    add("z.example", 1);
    r = claim(&c, 10, 2, NULL, 0, &n);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        crowded += str_eq(r[i].domain, S("dead.example"));
    assert_int_equal(crowded, 2);
}

static void busy_domains_are_left_out(void **state)
{
    struct store_remote_cursor c = { 0 };
    str_t busy = S("dead.example");
    struct store_remote_row *r;
    size_t n;

    (void)state;
    add("dead.example", 5);
    add("z.example", 1);
    r = claim(&c, 10, 2, &busy, 1, &n);
    assert_int_equal(n, 1);
    assert_true(str_eq(r->domain, S("z.example")));
}

/* Many domains behind one host are one destination; an old worker's row is its domain's.
 */
static void rows_with_one_target_are_one_destination(void **state)
{
    struct store_remote_cursor c = { 0 };
    str_t busy = S("smtp://relay:25");
    struct store_remote_row *r;
    size_t n;

    (void)state;
    add("a.example", 2);
    add("b.example", 2);
    add("c.example", 1);
    add("d.example", 1);
    test_sql("UPDATE queue_remote SET transport = 'smtp://relay:25' "
             "WHERE domain IN ('a.example', 'b.example')");
    test_sql("UPDATE queue_remote SET transport = NULL WHERE domain = 'c.example'");
    r = claim(&c, 10, 3, &busy, 1, &n);
    assert_int_equal(n, 2);
    assert_true(str_eq(r[0].destination, S("c.example")) && r[0].is_unrouted);
    assert_true(str_eq(r[1].destination, S("d.example")) && !r[1].is_unrouted);
    assert_int_equal(r[0].transport.n + r[1].transport.n, 0);
    r = claim(&c, 10, 3, NULL, 0, &n);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(r[i].destination, busy));
        assert_true(str_eq(r[i].transport, busy) && !r[i].is_unrouted);
    }
    assert_true(str_eq(r[0].domain, S("a.example")));
}

static void with_more_domains_than_room_each_gets_its_turn(void **state)
{
    struct store_remote_cursor c = { 0 };
    char seen[10] = { 0 };

    (void)state;
    for (int i = 0; i < 9; i++)
        add(arena_printf(test_arena, "d%d.example", i), 10);
    for (int turn = 0; turn < 3; turn++) {
        size_t n;
        struct store_remote_row *r = claim(&c, 3, 1, NULL, 0, &n);

        assert_int_equal(n, 3);
        for (size_t i = 0; i < n; i++)
            seen[r[i].domain.p[1] - '0']++;
    }
    for (int i = 0; i < 9; i++)
        assert_int_equal(seen[i], 1);
    /* From the last domain on it begins again. */
    c = (struct store_remote_cursor){ .destination = "d7.example" };
    for (int i = 0; i < 2; i++) {
        size_t n;

        (void)claim(&c, 5, 1, NULL, 0, &n);
        assert_int_equal(n, 5);
    }
}

static void who_lost_the_lease_changes_nothing(void **state)
{
    struct store_remote_outcome done = { 0 };
    struct store_remote_row *slow, *quick;
    size_t n;

    (void)state;
    add("far.example", 1);
    slow = claim_any(&n);
    test_sql("UPDATE queue_remote SET due = due - 61 * 1000000");
    quick = claim_any(&n);
    assert_int_equal(n, 1);
    assert_true(quick->lease > slow->lease);
    assert_int_equal(store_remote_extend(test_db, slow, 60), RC_CONFLICT);
    assert_int_equal(store_remote_settle(test_db, slow, &done), RC_CONFLICT);
    assert_int_equal(store_remote_extend(test_db, quick, 60), RC_OK);
    assert_int_equal(store_remote_settle(test_db, quick, &done), RC_OK);
    assert_int_equal(store_remote_settle(test_db, quick, &done), RC_CONFLICT);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote"), 0);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_failed"), 0);
}

static void an_attempt_can_end_in_three_ways_at_once(void **state)
{
    struct store_remote_failure failure = { .recipient = S("b@far.example"),
                                            .status = S("5.1.1"),
                                            .diagnostic = S("smtp; 550 no such user"),
                                            .remote_mta = S("mx.far.example") };
    str_t retry = S("a@far.example");
    struct store_remote_outcome o = { .retry = &retry,
                                      .retry_count = 1,
                                      .retry_after_s = 300,
                                      .last_error = S("451 later"),
                                      .failures = &failure,
                                      .failure_count = 1 };
    struct store_remote_failed *failed;
    struct store_remote_row *r, *list;
    size_t n;

    (void)state;
    add("far.example", 1);
    r = claim_any(&n);
    assert_int_equal(store_remote_settle(test_db, r, &o), RC_OK);
    /* The one who settled has no say any more. */
    assert_int_equal(store_remote_settle(test_db, r, &o), RC_CONFLICT);
    assert_in_range(
        test_number(test_db, "SELECT (due - now_us()) / 1000000 FROM queue_remote"), 290,
        300);
    assert_int_equal(store_remote_list(test_arena, test_db, 10, &list, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(list[0].recipient_count, 1);
    assert_true(str_eq(list[0].recipients[0], retry));
    assert_true(str_eq(list[0].last_error, S("451 later")));
    for (int i = 0; i < 2; i++) {
        db_begin(test_db);
        assert_int_equal(store_remote_claim_failed(test_arena, test_db, 10, &failed, &n),
                         RC_OK);
        assert_int_equal(n, 1);
        if (i == 0)
            db_rollback(test_db);
        else
            assert_int_equal(db_commit(test_db), RC_OK);
    }
    assert_int_equal(failed[0].failure_count, 1);
    assert_int_equal(failed[0].body_id, r->body_id);
    assert_true(str_eq(failed[0].sender, S("me@example.org")));
    assert_true(str_eq(failed[0].failures[0].recipient, failure.recipient));
    assert_true(str_eq(failed[0].failures[0].status, failure.status));
    assert_true(str_eq(failed[0].failures[0].diagnostic, failure.diagnostic));
    assert_true(str_eq(failed[0].failures[0].remote_mta, failure.remote_mta));
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_failed"), 0);
    /* An admin's "now" makes it due; the next failure ends it. */
    assert_int_equal(store_remote_retry_now(test_db, S("other.example"), &n), RC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_remote_retry_now(test_db, S("far.example"), &n), RC_OK);
    assert_int_equal(n, 1);
    r = claim_any(&n);
    assert_int_equal(n, 1);
    assert_int_equal(r->attempts, 2);
    assert_int_equal(store_remote_retry_now(test_db, S(""), &n), RC_OK);
    assert_int_equal(n, 0); /* held */
    failure.recipient = retry;
    o.retry_count = 0;
    assert_int_equal(store_remote_settle(test_db, r, &o), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote"), 0);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_failed"), 1);
}

static int64_t seconds(const char *what)
{
    return test_number(
        test_db, arena_printf(test_arena, "SELECT (%s)::int8 FROM queue_remote", what));
}

/* PostgreSQL's clock was 40 days ahead for a while: a row was made then, another one was
 * put off, a third is in somebody's hands. */
static void what_a_clock_put_far_ahead_comes_back(void **state)
{
    enum { WAIT_S = 3600, LEASE_S = 60 };
    struct store_remote_row *r;
    size_t n;

    (void)state;
    add("far.example", 1);
    test_sql("UPDATE queue_remote SET due = now_us() + (%d + 10) * 1000000::int8",
             WAIT_S);
    assert_int_equal(store_remote_call_back(test_db, WAIT_S, LEASE_S, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_in_range(seconds("now_us() - due"), 0, 10 * 1000000);
    test_sql("UPDATE queue_remote SET due = now_us() + (%d - 10) * 1000000::int8",
             WAIT_S);
    assert_int_equal(store_remote_call_back(test_db, WAIT_S, LEASE_S, &n), RC_OK);
    assert_int_equal(n, 0);
    /* Whoever holds it may be at work: it must not be sent by two. */
    test_sql("UPDATE queue_remote SET due = now_us()");
    r = claim_any(&n);
    assert_int_equal(n, 1);
    test_sql("UPDATE queue_remote SET due = due + 40 * 86400 * 1000000::int8");
    assert_int_equal(store_remote_call_back(test_db, WAIT_S, LEASE_S, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_in_range(seconds("(due - now_us()) / 1000000"), LEASE_S - 10, LEASE_S);
    assert_int_equal(store_remote_extend(test_db, r, LEASE_S), RC_OK);
    /* Its lifetime begins now. */
    test_sql("UPDATE queue_remote SET due = now_us(), lease = 0, created = created + "
             "40 * 86400, expires = expires + 40 * 86400");
    r = claim_any(&n);
    assert_int_equal(n, 1);
    assert_int_equal(r->expires_unix - r->created_unix, 172800);
    assert_in_range(seconds("expires - now_unix()"), 172800 - 10, 172800);
}

/* As if nobody had claimed them, but later; in their order. */
static void what_is_put_off_was_not_tried(void **state)
{
    struct store_remote_pause pauses[3];
    struct store_remote_row *r;
    int64_t ids[2];
    size_t n;

    (void)state;
    add("far.example", 3);
    test_sql("UPDATE queue_remote SET attempts = 4, last_error = 'no route'");
    r = claim_any(&n);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        pauses[i] = (struct store_remote_pause){ r[i].id, r[i].lease, 50000 };
    ids[0] = r[0].id;
    ids[1] = r[1].id;
    pauses[2].lease--; /* lost meanwhile */
    assert_int_equal(store_remote_put_off(test_db, pauses, 3), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote WHERE "
                                          "attempts = 4 AND lease = 2 AND due > "
                                          "now_us() + 30000000 AND due <= now_us() + "
                                          "50000002 AND last_error = 'no route'"),
                     2);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote WHERE "
                                          "attempts = 5 AND lease = 1"),
                     1);
    assert_int_equal(store_remote_extend(test_db, &r[0], 60), RC_CONFLICT);
    test_sql("UPDATE queue_remote SET due = due - 50000100");
    for (size_t i = 0; i < 2; i++) {
        struct store_remote_cursor c = { 0 };

        r = claim(&c, 1, 1, NULL, 0, &n);
        assert_int_equal(n, 1);
        assert_int_equal(r[0].id, ids[i]);
        assert_int_equal(r[0].attempts, 5);
    }
}

static void the_oldest_one_that_is_due_is_told(void **state)
{
    int64_t age_s;

    (void)state;
    assert_int_equal(store_remote_oldest_s(test_db, &age_s), RC_OK);
    assert_int_equal(age_s, 0);
    add("a.example", 1);
    add("z.example", 2);
    test_sql("UPDATE queue_remote SET due = now_us() + 60 * 1000000");
    assert_int_equal(store_remote_oldest_s(test_db, &age_s), RC_OK);
    assert_int_equal(age_s, 0);
    test_sql("UPDATE queue_remote SET due = now_us() - 600 * 1000000::int8 "
             "WHERE id = (SELECT max(id) FROM queue_remote)");
    assert_int_equal(store_remote_oldest_s(test_db, &age_s), RC_OK);
    assert_in_range(age_s, 600, 660);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_row_carries_all_a_sender_needs, test_setup),
        cmocka_unit_test_setup(what_is_past_its_lifetime_fails_by_itself, test_setup),
        cmocka_unit_test_setup(a_crowded_domain_does_not_crowd_out_others, test_setup),
        cmocka_unit_test_setup(busy_domains_are_left_out, test_setup),
        cmocka_unit_test_setup(rows_with_one_target_are_one_destination, test_setup),
        cmocka_unit_test_setup(with_more_domains_than_room_each_gets_its_turn,
                               test_setup),
        cmocka_unit_test_setup(who_lost_the_lease_changes_nothing, test_setup),
        cmocka_unit_test_setup(an_attempt_can_end_in_three_ways_at_once, test_setup),
        cmocka_unit_test_setup(what_a_clock_put_far_ahead_comes_back, test_setup),
        cmocka_unit_test_setup(what_is_put_off_was_not_tried, test_setup),
        cmocka_unit_test_setup(the_oldest_one_that_is_due_is_told, test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
