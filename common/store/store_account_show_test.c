/* store_account_show_test.c - what an operator is told is what is there. */
#include "store/store_account_show.h"

#include "store/store_mailbox.h"
#include "store/store_test.h"

enum { MESSAGES = 3, BYTES = 1000 };

static void all_mailboxes_count_and_no_others(void **state)
{
    struct store_account_show s;
    int64_t id = test_account(1, 5000000);

    (void)state;
    test_account(2, 0);
    test_fill(1, MESSAGES, BYTES);
    test_fill(2, 1, BYTES);
    test_sql("INSERT INTO mailbox (id, uidvalidity, nmsg, name) "
             "VALUES (%lld, 1, 4, 'Sent')",
             (long long)store_ids_mailbox(id, STORE_IDS_FOLDER_MAX));
    assert_int_equal(store_account_show(test_arena, test_db, test_address(1), &s), RC_OK);
    assert_int_equal(s.id, id);
    assert_true(str_eq(s.address, test_address(1)));
    assert_int_equal(s.state, STORE_ACCOUNT_ACTIVE);
    assert_int_equal(s.flags, 0);
    assert_int_equal(s.quota_bytes, 5000000);
    assert_true(s.has_own_quota);
    assert_int_equal(s.messages, MESSAGES + 4);
    assert_int_equal(s.mailboxes, 2);
    assert_int_equal(s.used_bytes,
                     test_number(test_db,
                                 "SELECT sum(size) FROM message m JOIN mailbox b "
                                 "ON b.id = m.mailbox_id WHERE b.nmsg = 3"));
    assert_true(s.created_day > 20000 && s.seen_day == s.created_day);
}

static void without_a_quota_of_its_own_the_options_count(void **state)
{
    struct store_account_show s;

    (void)state;
    test_account(1, 0);
    assert_int_equal(store_account_show(test_arena, test_db, test_address(1), &s), RC_OK);
    assert_false(s.has_own_quota);
    assert_int_equal(s.quota_bytes, db_quota_bytes(test_db));
    assert_int_equal(s.used_bytes, 0);
    assert_int_equal(s.messages, 0);
    assert_int_equal(s.mailboxes, 1);
    assert_int_equal(store_account_show(test_arena, test_db, S("nobody@x"), &s),
                     RC_NOT_FOUND);
}

#define TEST(fn) cmocka_unit_test_setup(fn, test_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_mailboxes_count_and_no_others),
        TEST(without_a_quota_of_its_own_the_options_count),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
