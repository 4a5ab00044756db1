/* store_expire_test.c - messages are forgotten on time, with everything around them. */
#include "store/store_test.h"

#include "store/store_body.h"
#include "store/store_expire.h"
#include "store/store_mailbox.h"
#include "store/store_message.h"
#include "store/store_remote.h"

#include <pthread.h>

enum { DAY = 86400 };

/* Everything that is there arrived so many days earlier: also the bodies, which then lie
 * in the table of another day. */
static void age(int days)
{
    for (int slot = 0; slot < STORE_IDS_BODY_SLOTS; slot++)
        test_sql("CREATE TABLE IF NOT EXISTS aged (LIKE body_00); "
                 "INSERT INTO aged SELECT id - ((%lld::int8) << 22), token, seq, data "
                 "FROM body_%02d; DELETE FROM body_%02d",
                 (long long)days * DAY * 1000, slot, slot);
    test_sql("DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM aged LOOP EXECUTE "
             "format('INSERT INTO body_%%s VALUES ($1, $2, $3, $4)', "
             "lpad(((r.id >> 22) / 86400000 %% 32)::text, 2, '0')) "
             "USING r.id, r.token, r.seq, r.data; END LOOP; END $$; DROP TABLE aged");
    test_sql("UPDATE message SET body_id = body_id - ((%lld::int8) << 22)",
             (long long)days * DAY * 1000);
    test_sql("UPDATE queue SET body_id = body_id - ((%lld::int8) << 22)",
             (long long)days * DAY * 1000);
}

static int setup(void **state)
{
    for (int slot = 0; slot < STORE_IDS_BODY_SLOTS; slot++)
        test_sql("TRUNCATE body_%02d", slot);
    return test_setup(state);
}

static size_t expire(const struct store_expire_rule *r, struct store_expire_hint **hints)
{
    int64_t *boxes;
    size_t n, told;

    assert_int_equal(store_expire_find(test_arena, test_db, r, 0, 500, &boxes, &n),
                     RC_OK);
    assert_int_equal(
        store_expire_messages(test_arena, test_db, r, boxes, n, hints, &told), RC_OK);
    assert_int_equal(told, n);
    return told;
}

static int64_t used(int64_t account)
{
    struct store_mailbox_quota q;

    assert_int_equal(store_mailbox_quota(test_db, account, &q), RC_OK);
    return q.used_bytes;
}

static void old_messages_go_and_clients_are_told(void **state)
{
    int64_t account = test_account(1, 1 << 20), other;
    const struct store_expire_rule rule = { .older_than_s = 20 * DAY };
    struct store_message_uids uids = { .uid = (uint32_t[]){ 1 }, .n = 1 };
    struct store_message_copied copied;
    struct store_message_news before, after;
    struct store_expire_hint *hints;

    (void)state;
    assert_int_equal(store_mailbox_create(test_db, account, S("Saved"), 0, &other),
                     RC_OK);
    test_account(2, 1 << 20);
    test_fill(1, 3, 82);
    test_fill(2, 1, 82);
    age(15);
    test_fill(1, 1, 82);
    age(6); /* 21 days and 6 */
    test_fill(1, 1, 82);
    /* A copy is as old as its message. */
    assert_int_equal(store_message_copy(test_arena, test_db, test_inbox(account), other,
                                        &uids, &copied),
                     RC_OK);
    assert_int_equal(store_message_news(test_arena, test_db,
                                        test_look(test_inbox(account), 1, 0), &before),
                     RC_OK);
    assert_int_equal(expire(&rule, &hints), 3);
    assert_int_equal(used(account), 200);
    assert_int_equal(
        store_message_news(test_arena, test_db,
                           test_look(test_inbox(account), before.uidnext, before.modseq),
                           &after),
        RC_OK);
    assert_int_equal(after.expunged.n, 3);
    assert_int_equal(after.messages, 2);
    assert_int_equal(after.uidnext, before.uidnext);
    for (size_t i = 0; i < 3; i++)
        if (hints[i].mailbox == test_inbox(account)) {
            assert_int_equal(hints[i].modseq, after.modseq);
            assert_int_equal(hints[i].removed, 3);
        }
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 2);
    assert_int_equal(expire(&rule, &hints), 0);
}

static void large_ones_go_early_when_they_were_fetched(void **state)
{
    int64_t one = test_account(1, 1 << 30), two = test_account(2, 1 << 30);
    const struct store_expire_rule rule = { .older_than_s = 7 * DAY,
                                            .larger_than = 200000,
                                            .only_fetched = true };
    struct store_expire_hint *hints;

    (void)state;
    test_fill(1, 1, 300000);
    test_fill(1, 1, 1000);
    test_fill(2, 1, 300000);
    age(8);
    /* Nobody has logged in since they arrived. */
    test_sql("UPDATE account SET seen_day = today() - 8");
    assert_int_equal(expire(&rule, &hints), 0);
    test_sql("UPDATE message SET flags = 1 WHERE mailbox_id = %lld AND size > 200000",
             (long long)test_inbox(one));
    assert_int_equal(expire(&rule, &hints), 1);
    assert_int_equal(hints[0].mailbox, test_inbox(one));
    assert_int_equal(hints[0].removed, 1);
    test_sql("UPDATE account SET seen_day = today() - 3 WHERE id = %lld", (long long)two);
    assert_int_equal(expire(&rule, &hints), 1);
    assert_int_equal(hints[0].mailbox, test_inbox(two));
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 1);
}

static void a_full_account_is_trimmed_from_the_old_end(void **state)
{
    int64_t account = test_account(1, 1000), *full;
    struct store_expire_hint *hints;
    size_t n;

    (void)state;
    test_fill(1, 5, 82);
    age(2);
    test_fill(1, 2, 82);
    assert_int_equal(store_expire_full(test_arena, test_db, 75, 0, 10, &full, &n), RC_OK);
    assert_int_equal(n, 0);
    test_fill(1, 1, 82); /* 800 of 1000 */
    assert_int_equal(store_expire_full(test_arena, test_db, 75, 0, 10, &full, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(full[0], account);
    assert_int_equal(store_expire_trim(test_arena, test_db, account, 70, DAY, &hints, &n),
                     RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(hints[0].removed, 1);
    assert_int_equal(used(account), 700);
    assert_int_equal(test_number(test_db, "SELECT min(uid) FROM message"), 2);
    /* Down to nothing, but for what is young. */
    assert_int_equal(store_expire_trim(test_arena, test_db, account, 0, DAY, &hints, &n),
                     RC_OK);
    assert_int_equal(used(account), 300);
    assert_int_equal(store_expire_full(test_arena, test_db, 75, account, 10, &full, &n),
                     RC_OK);
    assert_int_equal(n, 0);
}

static void bodies_go_by_the_day_and_never_too_early(void **state)
{
    int64_t account = test_account(1, 1 << 30), bytes, kept;
    const struct store_expire_rule rule = { .older_than_s = 20 * DAY };
    struct store_expire_hint *hints;
    str_t to = test_address(1);
    int tables;

    (void)state;
    test_fill(1, 5, 100000);
    age(21);
    /* A message still refers to them. */
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 0);
    assert_int_equal(expire(&rule, &hints), 1);
    kept = test_mail(test_db, &to, 1, S("young"));
    assert_int_equal(store_expire_bodies(test_db, 22 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 0); /* too young for this rule */
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 1);
    assert_true(bytes > 400000);
    test_deliver_all();
    assert_int_equal(used(account), 23);
    {
        str_t back;

        assert_int_equal(store_body_read(test_arena, test_db, kept, 23, 0, 23, &back),
                         RC_OK);
    }
}

static void every_queue_protects_its_bodies(void **state)
{
    struct store_queue_row *rows;
    str_t to = test_address(1);
    int64_t bytes;
    int tables;
    size_t n;

    (void)state;
    test_mail(test_db, &to, 1, S("waits"));
    age(25);
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 0);
    assert_int_equal(store_queue_list(test_arena, test_db, 1, &rows, &n), RC_OK);
    assert_int_equal(store_queue_set_aside(test_db, rows, S("why")), RC_OK);
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 0);
    {
        struct store_remote_row r = { .body_id = rows->body_id,
                                      .domain = S("far.example"),
                                      .recipients = &to,
                                      .recipient_count = 1 };

        db_begin(test_db);
        store_remote_add(test_db, &r, 100);
        assert_int_equal(db_commit(test_db), RC_OK);
    }
    assert_int_equal(store_queue_drop_aside(test_db, rows->body_id), RC_OK);
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 0);
    test_sql("DELETE FROM queue_remote");
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 1);
}

static void a_table_in_use_is_left_for_later(void **state)
{
    struct db *reader = test_connect();
    str_t to = test_address(1);
    int64_t bytes, body, slot;
    int tables;

    (void)state;
    body = test_mail(test_db, &to, 1, S("x"));
    age(25);
    slot = store_ids_body_slot(body - ((int64_t)25 * DAY * 1000 << 22));
    test_sql("DELETE FROM queue");
    db_begin(reader);
    assert_int_equal(
        db_script(reader,
                  arena_printf(test_arena, "SELECT count(*) FROM body_%02d", (int)slot)),
        RC_OK);
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_RETRY);
    assert_int_equal(tables, 0);
    assert_int_equal(db_commit(reader), RC_OK);
    assert_int_equal(store_expire_bodies(test_db, 20 * DAY, &tables, &bytes), RC_OK);
    assert_int_equal(tables, 1);
    db_free(&reader);
}

static void silent_accounts_are_found(void **state)
{
    int64_t one = test_account(1, 1000), *list;
    int32_t before_day;
    size_t n;

    (void)state;
    test_account(2, 1000);
    test_sql("UPDATE account SET seen_day = today() - 91 WHERE id = %lld",
             (long long)one);
    assert_int_equal(store_expire_today(test_db, &before_day), RC_OK);
    before_day -= 90;
    assert_int_equal(
        store_expire_inactive(test_arena, test_db, before_day, -1, 10, &list, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(list[0], one);
    assert_int_equal(
        store_expire_inactive(test_arena, test_db, before_day, one, 10, &list, &n),
        RC_OK);
    assert_int_equal(n, 0);
    /* A login that comes in between saves it. */
    assert_int_equal(store_account_seen(test_db, one), RC_OK);
    assert_int_equal(store_account_delete(test_db, one, before_day), RC_NOT_FOUND);
    test_sql("UPDATE account SET seen_day = today() - 91 WHERE id = %lld",
             (long long)one);
    assert_int_equal(store_account_delete(test_db, one, before_day), RC_OK);
}

static void one_janitor_works(void **state)
{
    struct db *one = test_connect(), *two = test_connect();
    bool got;

    (void)state;
    assert_int_equal(store_expire_lock(one, &got), RC_OK);
    assert_true(got);
    assert_int_equal(store_expire_lock(two, &got), RC_OK);
    assert_false(got);
    assert_int_equal(store_expire_locked(one, &got), RC_OK);
    assert_true(got);
    assert_int_equal(store_expire_locked(two, &got), RC_OK);
    assert_false(got);
    assert_int_equal(store_expire_unlock(one), RC_OK);
    assert_int_equal(store_expire_lock(two, &got), RC_OK);
    assert_true(got);
    db_free(&one);
    db_free(&two);
}

/* Clients may ask for seven days, and an hour is spared. */
static void the_log_of_expunges_is_kept_for_seven_days_and_an_hour(void **state)
{
    int64_t removed;

    (void)state;
    test_sql("INSERT INTO expunged SELECT 1, now_us() - m * 60 * 1000000::int8, '{1}' "
             "FROM unnest('{0,10079,10139,10141}'::int4[]) m");
    assert_int_equal(store_expire_leftovers(test_db, 20 * DAY, &removed), RC_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM expunged"), 3);
}

/* Between the look and the deed a body may have come: the table of a day is that of the
 * day 32 days later, too. */
static void a_table_is_looked_at_again_before_it_is_emptied(void **state)
{
    str_t to = test_address(1), back;
    int64_t body = test_mail(test_db, &to, 1, S("young"));

    (void)state;
    assert_int_equal(store_body_truncate(test_db, store_ids_body_slot(body), body),
                     RC_CONFLICT);
    assert_int_equal(store_body_read(test_arena, test_db, body, 23, 0, 23, &back), RC_OK);
    assert_int_equal(store_body_truncate(test_db, store_ids_body_slot(body), body + 1),
                     RC_OK);
    assert_int_equal(store_body_read(test_arena, test_db, body, 23, 0, 23, &back),
                     RC_NOT_FOUND);
}

struct locker {
    struct db *db;
    int64_t first, second; /* mailboxes, in the order in which they lie in the table */
    enum rc rc;
};

static void *expire_both(void *arg)
{
    const struct store_expire_rule rule = { .older_than_s = 20 * DAY };
    struct locker *l = arg;
    const int64_t boxes[] = { l->first, l->second };
    struct arena *a = arena_new();
    struct store_expire_hint *hints;
    size_t n;

    l->rc = store_expire_messages(a, l->db, &rule, boxes, 2, &hints, &n);
    arena_free(&a);
    return NULL;
}

static void *trim_both(void *arg)
{
    struct locker *l = arg;
    struct arena *a = arena_new();
    struct store_expire_hint *hints;
    size_t n;

    l->rc =
        store_expire_trim(a, l->db, store_ids_account_of(l->first), 70, 0, &hints, &n);
    arena_free(&a);
    return NULL;
}

static void *delete_both(void *arg)
{
    struct locker *l = arg;

    l->rc = store_account_delete(l->db, store_ids_account_of(l->first), INT32_MAX);
    return NULL;
}

static void *copy_both(void *arg)
{
    struct store_message_uids none = { .uid = (uint32_t[]){ 1 }, .n = 1 };
    struct store_message_copied copied;
    struct locker *l = arg;
    struct arena *a = arena_new();

    l->rc = store_message_copy(a, l->db, l->first, l->second, &none, &copied);
    arena_free(&a);
    return NULL;
}

static bool is_waiting(void)
{
    DB_STATEMENT(stmt_waiting, "test_waiting",
                 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                 "AND datname = current_database()");

    assert_int_equal(db_run(test_db, &stmt_waiting, DB_NO_PARAMS), RC_OK);
    return db_get_int(test_db, 0, 0, 0) > 0;
}

/* Whatever plan PostgreSQL takes: who waits for the lower mailbox does not hold the upper
 * one, or two of them would wait for each other. */
static void mailboxes_are_locked_in_order(void **state)
{
    static void *(*const works[])(void *) = { expire_both, trim_both, delete_both,
                                              copy_both };
    struct db *holder = test_connect();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        struct deadline until = deadline_in_ms(10000);
        struct locker l = { .db = test_connect() };
        int64_t inbox = test_inbox(test_account((int)i + 1, 1 << 20)), folder;
        pthread_t thread;

        assert_int_equal(store_mailbox_create(test_db, store_ids_account_of(inbox),
                                              S("Saved"), 0, &folder),
                         RC_OK);
        /* The upper one lies in front, and is read first. */
        test_sql("CREATE TABLE moved_row AS SELECT * FROM mailbox WHERE id = %lld; "
                 "DELETE FROM mailbox WHERE id = %lld; "
                 "INSERT INTO mailbox SELECT * FROM moved_row; DROP TABLE moved_row",
                 (long long)inbox, (long long)inbox);
        l.first = folder;
        l.second = inbox;
        assert_int_equal(db_script(l.db, "SET enable_indexscan = off; "
                                         "SET enable_seqscan = on; "
                                         "SET enable_bitmapscan = on"),
                         RC_OK);
        db_begin(holder);
        assert_int_equal(db_script(holder, arena_printf(test_arena,
                                                        "SELECT 1 FROM mailbox WHERE id "
                                                        "= %lld FOR UPDATE",
                                                        (long long)inbox)),
                         RC_OK);
        assert_int_equal(pthread_create(&thread, NULL, works[i], &l), 0);
        while (!is_waiting() && !deadline_passed(until))
            ;
        assert_int_equal(
            test_number(test_db,
                        arena_printf(test_arena,
                                     "SELECT count(*) FROM (SELECT 1 FROM mailbox WHERE "
                                     "id = %lld FOR UPDATE SKIP LOCKED) x",
                                     (long long)folder)),
            1);
        db_rollback(holder);
        pthread_join(thread, NULL);
        assert_int_equal(l.rc, RC_OK);
        db_free(&l.db);
    }
    db_free(&holder);
}

static void leftovers_and_figures(void **state)
{
    struct store_expire_report report;
    int64_t removed;

    (void)state;
    test_account(1, 1 << 20);
    test_fill(1, 2, 82);
    test_sql("INSERT INTO expunged VALUES (1, now_us() - 8 * 86400 * 1000000::int8, "
             "'{1}'), (1, now_us(), '{2}'); "
             "INSERT INTO device VALUES (1, now_unix() - 91 * 86400, 'x')");
    assert_int_equal(store_expire_leftovers(test_db, 20 * DAY, &removed), RC_OK);
    assert_int_equal(removed, 2);
    assert_int_equal(store_expire_report(test_db, &(str_t)STR("example.org"), 1, &report),
                     RC_OK);
    assert_int_equal(report.accounts, 1);
    assert_int_equal(report.messages, 2);
    assert_int_equal(report.message_bytes, 200);
    assert_true(report.database_bytes > report.body_bytes && report.body_bytes > 0);
    assert_int_equal(report.accounts_ahead, 0);
    assert_int_equal(report.messages_ahead, 0);
    test_sql("UPDATE account SET seen_day = today() + 40");
    age(-40);
    assert_int_equal(store_expire_report(test_db, &(str_t)STR("example.org"), 1, &report),
                     RC_OK);
    assert_int_equal(report.accounts_ahead, 1);
    assert_int_equal(report.messages_ahead, 2);
    assert_int_equal(report.foreign_accounts, 0);
    assert_int_equal(store_expire_report(test_db, &(str_t)STR("ample.org"), 1, &report),
                     RC_OK);
    assert_int_equal(report.foreign_accounts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(old_messages_go_and_clients_are_told, setup),
        cmocka_unit_test_setup(large_ones_go_early_when_they_were_fetched, setup),
        cmocka_unit_test_setup(a_full_account_is_trimmed_from_the_old_end, setup),
        cmocka_unit_test_setup(bodies_go_by_the_day_and_never_too_early, setup),
        cmocka_unit_test_setup(every_queue_protects_its_bodies, setup),
        cmocka_unit_test_setup(a_table_in_use_is_left_for_later, setup),
        cmocka_unit_test_setup(silent_accounts_are_found, setup),
        cmocka_unit_test_setup(one_janitor_works, setup),
        cmocka_unit_test_setup(the_log_of_expunges_is_kept_for_seven_days_and_an_hour,
                               setup),
        cmocka_unit_test_setup(a_table_is_looked_at_again_before_it_is_emptied, setup),
        cmocka_unit_test_setup(mailboxes_are_locked_in_order, setup),
        cmocka_unit_test_setup(leftovers_and_figures, setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
