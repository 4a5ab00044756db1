/* store_quota_test.c - the option's quota counts for all but those with their own. */
#include "store/store_test.h"

#include "store/store_expire.h"
#include "store/store_mailbox.h"
#include "store/store_message.h"

enum { SMALL = 1000, LARGE = 1 << 20, OWN = 5000, DAY = 86400 };

/* Services whose option says so. */
static struct db *small, *large;

static struct db *open_with(int64_t quota_bytes)
{
    const struct db_options o = { .host = test_host(),
                                  .name = test_name,
                                  .user = "postgres",
                                  .quota_bytes = quota_bytes };

    return db_new(&o);
}

static int64_t limit_of(struct db *db, int64_t account)
{
    struct store_mailbox_quota q;

    assert_int_equal(store_mailbox_quota(db, account, &q), RC_OK);
    return q.limit_bytes;
}

/* A message of 400 bytes for user i; false: over quota. */
static bool deliver(struct db *db, int i)
{
    struct store_queue_cursor c = { 0 };
    str_t to = test_address(i);
    size_t n, refused = 0;
    char body[382];

    memset(body, 'x', sizeof(body));
    test_mail(db, &to, 1, str_n(body, sizeof(body)));
    assert_int_equal(test_deliver(db, &c, 64, &n, &refused), RC_OK);
    assert_int_equal(n, 1);
    return refused == 0;
}

static enum rc append(struct db *db, int64_t mailbox)
{
    char body[400] = { 0 };
    struct store_message_append m = { .message = str_n(body, sizeof(body)) };

    return store_message_append(db, mailbox, &m);
}

static enum rc copy(struct db *db, int64_t mailbox)
{
    const struct store_message_uids one = { .uid = (uint32_t[]){ 1 }, .n = 1 };
    struct store_message_copied copied;

    return store_message_copy(test_arena, db, mailbox, mailbox, &one, &copied);
}

static size_t full(struct db *db, int64_t *first)
{
    int64_t *list;
    size_t n;

    assert_int_equal(store_expire_full(test_arena, db, 75, 0, 10, &list, &n), RC_OK);
    *first = n > 0 ? list[0] : 0;
    return n;
}

static void the_options_figure_is_what_clients_are_told(void **state)
{
    int64_t anybody = test_account(1, 0), somebody = test_account(2, OWN);
    struct store_account found;

    (void)state;
    assert_int_equal(limit_of(small, anybody), SMALL);
    assert_int_equal(limit_of(large, anybody), LARGE);
    assert_int_equal(limit_of(small, somebody), OWN);
    assert_int_equal(limit_of(large, somebody), OWN);
    assert_int_equal(store_account_get(test_arena, test_db, anybody, &found), RC_OK);
    assert_int_equal(found.quota_bytes, 0);
    assert_int_equal(store_account_get(test_arena, test_db, somebody, &found), RC_OK);
    assert_int_equal(found.quota_bytes, OWN);
    assert_int_equal(store_account_set_quota(small, somebody, 0), RC_OK);
    assert_int_equal(limit_of(large, somebody), LARGE);
    assert_int_equal(store_account_set_quota(small, anybody, OWN), RC_OK);
    assert_int_equal(limit_of(large, anybody), OWN);
}

static void what_is_too_much_follows_the_option(void **state)
{
    int64_t account = test_account(1, 0), box = test_inbox(account);

    (void)state;
    assert_true(deliver(small, 1));
    assert_true(deliver(small, 1));
    assert_false(deliver(small, 1));
    assert_int_equal(append(small, box), RC_LIMIT);
    assert_int_equal(copy(small, box), RC_LIMIT);
    assert_true(deliver(large, 1));
    assert_int_equal(append(large, box), RC_OK);
    assert_int_equal(copy(large, box), RC_OK);
}

static void an_own_figure_counts_whatever_the_option_says(void **state)
{
    int64_t box = test_inbox(test_account(1, OWN));

    (void)state;
    for (int i = 0; i < 12; i++)
        assert_true(deliver(small, 1));
    assert_false(deliver(large, 1));
    assert_int_equal(append(large, box), RC_LIMIT);
    assert_int_equal(copy(large, box), RC_LIMIT);
}

static void a_smaller_option_makes_accounts_full(void **state)
{
    int64_t account = test_account(1, 0), first;
    struct store_expire_hint *hints;
    size_t n;

    (void)state;
    test_account(2, OWN);
    for (int i = 1; i <= 2; i++)
        for (int k = 0; k < 3; k++)
            assert_true(deliver(large, i));
    test_sql("UPDATE message SET body_id = body_id - (2::int8 * 86400000 << 22)");
    assert_int_equal(full(large, &first), 0);
    assert_int_equal(full(small, &first), 1);
    assert_int_equal(first, account);
    assert_int_equal(store_expire_trim(test_arena, large, account, 70, DAY, &hints, &n),
                     RC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_expire_trim(test_arena, small, account, 70, DAY, &hints, &n),
                     RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(hints[0].removed, 2);
}

/* Services of version 1 go by another column, which must never say 0. */
static void older_services_see_a_quota(void **state)
{
    struct store_account n = { .id = store_ids_new_account(test_address(1)),
                               .address = test_address(1),
                               .password_hash = S("h") };

    (void)state;
    assert_int_equal(store_account_create(small, &n), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT quota FROM mailbox"), SMALL);
    assert_int_equal(store_account_set_quota(small, n.id, OWN), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT quota FROM mailbox"), OWN);
    assert_int_equal(store_account_set_quota(large, n.id, 0), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT quota FROM mailbox"), LARGE);
}

static int setup(void **state)
{
    if (test_group_setup(state) != 0)
        return -1;
    small = open_with(SMALL);
    large = open_with(LARGE);
    return 0;
}

static int teardown(void **state)
{
    db_free(&small);
    db_free(&large);
    return test_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_options_figure_is_what_clients_are_told, test_setup),
        cmocka_unit_test_setup(what_is_too_much_follows_the_option, test_setup),
        cmocka_unit_test_setup(an_own_figure_counts_whatever_the_option_says, test_setup),
        cmocka_unit_test_setup(a_smaller_option_makes_accounts_full, test_setup),
        cmocka_unit_test_setup(older_services_see_a_quota, test_setup),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
