/* store_account_test.c - creating, finding, changing and removing accounts. */
#include "store/store_test.h"

#include "store/store_device.h"
#include "store/store_mailbox.h"

#include <pthread.h>

enum { LOG_BYTES = 1 << 20 };

static void a_new_account_can_be_found(void **state)
{
    int64_t id = test_account(1, 5000);
    struct store_account found;

    (void)state;
    assert_int_equal(store_account_find(test_arena, test_db, test_address(1), &found),
                     RC_OK);
    assert_int_equal(found.id, id);
    assert_int_equal(found.quota_bytes, 5000);
    assert_int_equal(found.seen_day, found.today);
    assert_true(str_eq(found.password_hash, S("$y$hash")));
    assert_int_equal(store_account_get(test_arena, test_db, id, &found), RC_OK);
    assert_true(str_eq(found.address, test_address(1)));
    assert_int_equal(store_account_find(test_arena, test_db, S("nobody@x"), &found),
                     RC_NOT_FOUND);
}

/* Another address whose account could have that id. */
static str_t address_beside(int64_t account)
{
    int i = 2;

    while (store_ids_bucket(store_ids_new_account(test_address(i))) !=
           store_ids_bucket(account))
        i++;
    return test_address(i);
}

static void an_address_belongs_to_one(void **state)
{
    struct store_account n = { .id = test_account(1, 5000), .password_hash = S("h") };

    (void)state;
    n.address = address_beside(n.id);
    assert_int_equal(store_account_create(test_db, &n), RC_CONFLICT);
    n.id++;
    n.address = test_address(1);
    assert_int_equal(store_account_create(test_db, &n), RC_EXISTS);
    /* Nothing is left of the refused ones. */
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM mailbox"), 1);
}

static void *create_racing(void *result)
{
    struct db *db = test_connect();
    struct store_account n = { .id = store_ids_new_account(S("race@example.org")),
                               .address = S("race@example.org"),
                               .password_hash = S("h") };

    *(enum rc *)result = store_account_create(db, &n);
    db_free(&db);
    return NULL;
}

static void of_many_racing_creators_one_wins(void **state)
{
    enum { N = 10 };
    pthread_t threads[N];
    enum rc results[N];
    int won = 0;

    (void)state;
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_racing, &results[i]),
                         0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_true(results[i] == RC_OK || results[i] == RC_EXISTS);
        won += results[i] == RC_OK;
    }
    assert_int_equal(won, 1);
}

enum { COUNTED_THREADS = 10, COUNTED_EACH = 5, COUNTED_MOST = 20 };

static void *create_counted(void *made)
{
    struct db *db = test_connect();
    struct arena *a = arena_new();

    for (int i = 0; i < COUNTED_EACH; i++) {
        str_t address = str_of(arena_printf(a, "counted-%p-%d@example.org", made, i));
        struct store_account n = { .id = store_ids_new_account(address),
                                   .address = address,
                                   .password_hash = S("h") };
        enum rc rc = store_account_create_counted(db, &n, COUNTED_MOST);

        assert_true(rc == RC_OK || rc == RC_LIMIT);
        *(int *)made += rc == RC_OK;
    }
    arena_free(&a);
    db_free(&db);
    return NULL;
}

/* Whatever many processes do at once. */
static void so_many_of_an_hour_are_made(void **state)
{
    struct store_account n = { .id = store_ids_new_account(S("next-hour@example.org")),
                               .address = S("next-hour@example.org"),
                               .password_hash = S("h") };
    pthread_t threads[COUNTED_THREADS];
    int made[COUNTED_THREADS] = { 0 }, all = 0;
    int64_t said;

    (void)state;
    assert_int_equal(store_account_private_made(test_db, &said), RC_OK);
    assert_int_equal(said, 0);
    for (int i = 0; i < COUNTED_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_counted, &made[i]), 0);
    for (int i = 0; i < COUNTED_THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += made[i];
    }
    assert_int_equal(all, COUNTED_MOST);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account "
                                          "WHERE addr LIKE 'counted-%'"),
                     COUNTED_MOST);
    assert_int_equal(store_account_private_made(test_db, &said), RC_OK);
    assert_int_equal(said, COUNTED_MOST);
    assert_int_equal(store_account_create_counted(test_db, &n, COUNTED_MOST), RC_LIMIT);

    /* Another hour, also one before: a clock that jumped ahead must not shut the door. */
    assert_int_equal(db_script(test_db, "UPDATE private_accounts SET hour = hour + 1"),
                     RC_OK);
    assert_int_equal(store_account_private_made(test_db, &said), RC_OK);
    assert_int_equal(said, 0);
    assert_int_equal(store_account_create_counted(test_db, &n, COUNTED_MOST), RC_OK);
    assert_int_equal(store_account_private_made(test_db, &said), RC_OK);
    assert_int_equal(said, 1);
    assert_int_equal(store_account_create_counted(test_db, &n, COUNTED_MOST), RC_EXISTS);
}

/* What the server has written about this database, as long as it runs. */
static str_t server_log(void)
{
    str_t path = str_of(arena_printf(test_arena, "%s/server.log", test_host()));
    char *text = arena_alloc(test_arena, LOG_BYTES);
    FILE *file = fopen(path.p, "r");
    size_t n;

    assert_non_null(file);
    n = fread(text, 1, LOG_BYTES, file);
    assert_true(n < LOG_BYTES);
    assert_int_equal(fclose(file), 0);
    return str_n(text, n);
}

/* PostgreSQL logs what it refuses, with the values, at its default level. */
static void refused_creators_leave_no_address_in_the_log(void **state)
{
    str_t after;
    size_t before = server_log().n;

    test_sql("ALTER DATABASE %s SET log_min_messages = error", test_name);
    test_sql("SET log_min_messages = error");
    an_address_belongs_to_one(state);
    of_many_racing_creators_one_wins(state);
    test_sql("ALTER DATABASE %s RESET log_min_messages", test_name);
    test_sql("RESET log_min_messages");
    after = str_skip(server_log(), before);
    assert_int_equal(str_find(after, S("@example.org")), SIZE_MAX);
    assert_int_equal(str_find(after, S("duplicate key")), SIZE_MAX);
}

static void changes_are_kept(void **state)
{
    int64_t id = test_account(1, 5000);
    struct store_account found;

    (void)state;
    assert_int_equal(store_account_set_password(test_db, id, S("new")), RC_OK);
    assert_int_equal(store_account_set_state(test_db, id, STORE_ACCOUNT_DISABLED), RC_OK);
    assert_int_equal(store_account_set_quota(test_db, id, 77), RC_OK);
    assert_int_equal(store_account_get(test_arena, test_db, id, &found), RC_OK);
    assert_true(str_eq(found.password_hash, S("new")));
    assert_int_equal(found.state, STORE_ACCOUNT_DISABLED);
    assert_int_equal(found.quota_bytes, 77);
    assert_int_equal(store_account_set_password(test_db, id + 1, S("x")), RC_NOT_FOUND);
}

/* Other bits of the word, which newer versions may know, stay as they are. */
static void encrypted_only_until_somebody_switches_it_off(void **state)
{
    static const struct {
        bool on;
        uint32_t flags;
    } steps[] = { { false, 0x11 }, { false, 0x11 }, { true, 0x10 }, { true, 0x10 } };
    int64_t id = test_account(1, 0);
    struct store_account found;

    (void)state;
    test_account(2, 0);
    assert_int_equal(store_account_get(test_arena, test_db, id, &found), RC_OK);
    assert_int_equal(found.flags, 0);
    test_sql("UPDATE account SET flags = 16 WHERE id = %lld", (long long)id);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(
            store_account_set_encrypted_only(test_db, test_address(1), steps[i].on),
            RC_OK);
        assert_int_equal(store_account_get(test_arena, test_db, id, &found), RC_OK);
        assert_int_equal(found.flags, steps[i].flags);
    }
    assert_int_equal(store_account_find(test_arena, test_db, test_address(2), &found),
                     RC_OK);
    assert_int_equal(found.flags, 0);
    assert_int_equal(store_account_set_encrypted_only(test_db, S("nobody@x"), false),
                     RC_NOT_FOUND);
}

static void a_login_is_noted_once_a_day(void **state)
{
    int64_t id = test_account(1, 5000);

    (void)state;
    test_sql("UPDATE account SET seen_day = seen_day - 5");
    assert_int_equal(store_account_seen(test_db, id), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT today() - seen_day FROM account"), 0);
    test_sql("CREATE TABLE before AS SELECT ctid::text AS c FROM account");
    assert_int_equal(store_account_seen(test_db, id), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account, before "
                                          "WHERE account.ctid::text = before.c"),
                     1);
    test_sql("DROP TABLE before");
}

/* Of many that stay logged in; who is known to be there today is not written again, and
 * nobody waits for a row that somebody else holds. */
static void many_are_noted_at_once(void **state)
{
    struct db *other = test_connect();
    int64_t ids[STORE_ACCOUNT_SEEN_MAX + 1] = { 0 };

    (void)state;
    for (int i = 0; i < 5; i++)
        ids[i] = test_account(i, 5000);
    test_sql("UPDATE account SET seen_day = today() - 5");
    test_sql("CREATE TABLE before AS SELECT id, ctid::text AS c FROM account");
    db_begin(other);
    assert_int_equal(store_account_set_state(other, ids[1], STORE_ACCOUNT_ACTIVE), RC_OK);
    assert_int_equal(store_account_seen_all(test_db, ids, 4), RC_OK);
    db_rollback(other);
    assert_int_equal(
        test_number(test_db, "SELECT count(*) FROM account WHERE seen_day = today()"), 3);
    assert_int_equal(store_account_seen_all(test_db, ids, 4), RC_OK);
    assert_int_equal(
        test_number(test_db, "SELECT count(*) FROM account WHERE seen_day = today()"), 4);
    test_sql("TRUNCATE before");
    test_sql("INSERT INTO before SELECT id, ctid::text FROM account");
    assert_int_equal(store_account_seen_all(test_db, ids, 4), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account JOIN before "
                                          "USING (id) WHERE account.ctid::text = c"),
                     5);
    assert_int_equal(store_account_seen_all(test_db, ids, ARRAY_LEN(ids)), RC_LIMIT);
    test_sql("DROP TABLE before");
    db_free(&other);
}

static void addresses_are_resolved_together(void **state)
{
    int64_t one = test_account(1, 5000), two = test_account(2, 5000), ids[4];
    str_t list[4] = { test_address(2), S("nobody@x"), test_address(1), test_address(2) };

    (void)state;
    assert_int_equal(store_account_resolve(test_db, list, 4, ids), RC_OK);
    assert_int_equal(ids[0], two);
    assert_int_equal(ids[1], 0);
    assert_int_equal(ids[2], one);
    assert_int_equal(ids[3], two);
    assert_int_equal(store_account_set_state(test_db, two, STORE_ACCOUNT_DISABLED),
                     RC_OK);
    assert_int_equal(store_account_resolve(test_db, list, 4, ids), RC_OK);
    assert_int_equal(ids[0], 0);
}

static bool reaches(int64_t sender, const str_t *to, size_t n, int64_t size)
{
    struct store_account_sender s;

    assert_int_equal(store_account_sender(test_db, sender, to, n, size, &s), RC_OK);
    assert_int_equal(s.state, STORE_ACCOUNT_ACTIVE);
    return s.reaches;
}

static void a_sender_reaches_whoever_is_there_and_has_room(void **state)
{
    int64_t sender = test_account(1, 5000), second = test_account(2, 5000);
    str_t to[] = { S("nobody@example.org"), test_address(2), S("no@example.org") };
    struct store_account_sender s;

    (void)state;
    assert_false(reaches(sender, NULL, 0, 100));
    assert_false(reaches(sender, to, 1, 100));
    assert_true(reaches(sender, to, 2, 5000)); /* the other one does */
    assert_true(reaches(sender, to + 1, 2, 100));
    assert_false(reaches(sender, to, 3, 5001));
    test_sql("UPDATE mailbox SET nmsg = %d WHERE id = %lld", STORE_MAILBOX_MESSAGES_MAX,
             (long long)second << 18);
    assert_false(reaches(sender, to, 3, 100));
    test_sql("UPDATE mailbox SET nmsg = 0");
    assert_int_equal(store_account_set_state(test_db, second, STORE_ACCOUNT_DISABLED),
                     RC_OK);
    assert_false(reaches(sender, to, 3, 100));
    assert_int_equal(store_account_sender(test_db, second, to, 3, 100, &s), RC_OK);
    assert_int_equal(s.state, STORE_ACCOUNT_DISABLED);
    assert_int_equal(store_account_sender(test_db, second + 1, to, 3, 100, &s),
                     RC_NOT_FOUND);
}

static void lists_go_on_where_they_stopped(void **state)
{
    struct store_account *list;
    int64_t count;
    size_t n;

    (void)state;
    for (int i = 1; i <= 5; i++)
        test_account(i, 5000);
    assert_int_equal(store_account_count(test_db, &count), RC_OK);
    assert_int_equal(count, 5);
    assert_int_equal(store_account_list(test_arena, test_db, S(""), 3, &list, &n), RC_OK);
    assert_int_equal(n, 3);
    assert_int_equal(
        store_account_list(test_arena, test_db, list[2].address, 3, &list, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_true(str_eq(list[1].address, test_address(5)));
}

static void removing_leaves_nothing(void **state)
{
    int64_t id = test_account(1, 500000), other = test_account(2, 500000), box;

    (void)state;
    assert_int_equal(
        store_mailbox_create(test_db, id, S("Sent"), STORE_MAILBOX_USE_SENT, &box),
        RC_OK);
    test_fill(1, 3, 100);
    test_fill(2, 1, 100);
    assert_int_equal(store_device_put(test_db, id, S("token")), RC_OK);
    assert_int_equal(store_account_delete(test_db, id, 1), RC_NOT_FOUND);
    assert_int_equal(store_account_delete(test_db, id, INT32_MAX), RC_OK);
    assert_int_equal(store_account_delete(test_db, id, INT32_MAX), RC_NOT_FOUND);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM mailbox"), 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM device"), 0);
    assert_int_equal(test_number(test_db, "SELECT min(id) FROM account"), other);
}

static void devices_have_several_tokens(void **state)
{
    int64_t id = test_account(1, 5000);
    str_t *list;
    size_t n;

    (void)state;
    assert_int_equal(store_device_put(test_db, id, S("one")), RC_OK);
    assert_int_equal(store_device_put(test_db, id, S("two")), RC_OK);
    assert_int_equal(store_device_put(test_db, id, S("one")), RC_OK);
    assert_int_equal(store_device_list(test_arena, test_db, id, &list, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_int_equal(store_device_delete(test_db, id, S("two")), RC_OK);
    assert_int_equal(store_device_delete(test_db, id, S("two")), RC_NOT_FOUND);
    test_sql("UPDATE device SET renewed = renewed - 91 * 86400");
    assert_int_equal(store_device_list(test_arena, test_db, id, &list, &n), RC_OK);
    assert_int_equal(n, 0);
    for (int i = 0; i < STORE_DEVICE_TOKENS_MAX + 5; i++)
        assert_int_equal(
            store_device_put(test_db, id, str_of(arena_printf(test_arena, "t%d", i))),
            RC_OK);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM device"),
                     STORE_DEVICE_TOKENS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_account_can_be_found, test_setup),
        cmocka_unit_test_setup(an_address_belongs_to_one, test_setup),
        cmocka_unit_test_setup(of_many_racing_creators_one_wins, test_setup),
        cmocka_unit_test_setup(so_many_of_an_hour_are_made, test_setup),
        cmocka_unit_test_setup(refused_creators_leave_no_address_in_the_log, test_setup),
        cmocka_unit_test_setup(changes_are_kept, test_setup),
        cmocka_unit_test_setup(encrypted_only_until_somebody_switches_it_off, test_setup),
        cmocka_unit_test_setup(a_login_is_noted_once_a_day, test_setup),
        cmocka_unit_test_setup(many_are_noted_at_once, test_setup),
        cmocka_unit_test_setup(addresses_are_resolved_together, test_setup),
        cmocka_unit_test_setup(a_sender_reaches_whoever_is_there_and_has_room,
                               test_setup),
        cmocka_unit_test_setup(lists_go_on_where_they_stopped, test_setup),
        cmocka_unit_test_setup(removing_leaves_nothing, test_setup),
        cmocka_unit_test_setup(devices_have_several_tokens, test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
