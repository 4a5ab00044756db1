/* store_ids_test.c - ids carry bucket, folder, time and slot; flags have names. */
#include "store/store_ids.h"

#include "base/clock.h"
#include "store/store_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void account_ids_carry_the_bucket_of_the_address(void **state)
{
    int64_t one = store_ids_new_account(S("alice@example.org"));
    int64_t two = store_ids_new_account(S("alice@example.org"));

    (void)state;
    /* The first 10 bits of sha256("alice@example.org"); for ever the same. */
    assert_int_equal(store_ids_bucket(one), 489);
    assert_int_equal(store_ids_bucket(two), 489);
    assert_int_not_equal(one, two);
    assert_true(one > 0 && one < INT64_C(1) << 45);
}

/* The first and the last bucket: SHA-256 of the first address begins with ten bits 0,
 * that of the second with ten bits 1. */
static void ids_of_a_bucket_lie_together(void **state)
{
    static const struct {
        const char *address;
        int64_t bucket;
    } cases[] = { { "user31@example.org", 0 }, { "user1290@example.org", 1023 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t bucket = cases[i].bucket;
        int64_t last_mailbox = (bucket << 53) + ((INT64_C(1) << 53) - 1);

        for (int n = 0; n < 1000; n++) {
            int64_t account = store_ids_new_account(str_of(cases[i].address));

            assert_int_equal(store_ids_bucket(account), bucket);
            assert_in_range(account, bucket << 35, (bucket << 35) + (1LL << 35) - 1);
            assert_true(store_ids_mailbox(account, 0) >= bucket << 53);
            assert_true(store_ids_mailbox(account, STORE_IDS_FOLDER_MAX) <= last_mailbox);
            assert_int_equal(store_ids_account_of(store_ids_mailbox(account, 9)),
                             account);
        }
        assert_int_equal(
            store_ids_mailbox(((bucket + 1) << 35) - 1, STORE_IDS_FOLDER_MAX),
            last_mailbox);
    }
    assert_int_equal(store_ids_mailbox((INT64_C(1) << 45) - 1, STORE_IDS_FOLDER_MAX),
                     INT64_MAX);
}

static void mailbox_ids_can_be_taken_apart(void **state)
{
    int64_t account = store_ids_new_account(S("bob@example.org"));
    int64_t mailbox = store_ids_mailbox(account, 77);

    (void)state;
    assert_true(mailbox > 0);
    assert_int_equal(store_ids_account_of(mailbox), account);
    assert_int_equal(store_ids_folder_of(mailbox), 77);
    assert_true(store_ids_mailbox(account, STORE_IDS_FOLDER_MAX) <
                store_ids_mailbox(account + 1, 0));
}

static void body_ids_carry_their_time(void **state)
{
    int64_t before = clock_unix_ms(), id = store_ids_new_body(), after = clock_unix_ms();

    (void)state;
    assert_in_range(store_ids_body_unix_ms(id), before, after);
    assert_true(store_ids_first_body_at(before / 1000) <= id);
    assert_true(store_ids_first_body_at(after / 1000 + 1) > id);
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* A message to a thousand domains takes a thousand of them in one millisecond. */
static void body_ids_of_one_process_never_collide(void **state)
{
    enum { COUNT = 200000 };
    int64_t *ids = malloc(COUNT * sizeof(*ids));

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        ids[i] = store_ids_new_body();
    qsort(ids, COUNT, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < COUNT; i++)
        assert_int_not_equal(ids[i - 1], ids[i]);
    assert_true(store_ids_body_unix_ms(ids[COUNT - 1]) <= clock_unix_ms());
    free(ids);
}

static void body_slots_follow_days(void **state)
{
    (void)state;
    for (int day = 0; day < 70; day++) {
        int64_t first = store_ids_first_body_at(STORE_IDS_EPOCH_UNIX + day * 86400);

        assert_int_equal(store_ids_body_slot(day == 0 ? 1 : first), day % 32);
        if (day > 0)
            assert_int_equal(store_ids_body_slot(first - 1), (day - 1) % 32);
    }
}

static void flags_have_one_bit_and_one_name_each(void **state)
{
    uint32_t seen = 0, bit = 0;
    const char *name;

    (void)state;
    for (size_t i = 0; (name = store_flags_name(i, &bit)) != NULL; i++) {
        assert_int_equal(seen & bit, 0);
        assert_int_equal(store_flags_bit(str_of(name)), bit);
        seen |= bit;
    }
    assert_int_equal(store_flags_bit(S("\\seen")), STORE_FLAGS_SEEN);
    assert_int_equal(store_flags_bit(S("\\Recent")), 0);
    assert_int_equal(seen >> 31, 0); /* int4 in the table stays positive */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_ids_carry_the_bucket_of_the_address),
        cmocka_unit_test(ids_of_a_bucket_lie_together),
        cmocka_unit_test(mailbox_ids_can_be_taken_apart),
        cmocka_unit_test(body_ids_carry_their_time),
        cmocka_unit_test(body_ids_of_one_process_never_collide),
        cmocka_unit_test(body_slots_follow_days),
        cmocka_unit_test(flags_have_one_bit_and_one_name_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
