/* store_deliver_junk_test.c - which mailbox is Junk, how it comes to be, and what it
 * counts. */
#include "store/store_deliver.h"

#include "store/store_mailbox.h"
#include "store/store_message.h"
#include "store/store_test.h"

#include <pthread.h>

/* One message into Junk of user i, in a transaction of its own; NULL: there is none. */
static struct store_deliver_box *put(struct db *db, int i, int64_t body, enum rc *rc)
{
    str_t to = test_address(i);
    struct store_deliver_box *junk;
    struct store_deliver *d;

    db_begin(db);
    assert_int_equal(store_deliver_lock(test_arena, db, 0, &to, 1, &d), RC_OK);
    assert_int_equal(store_deliver_lock_junk(d, db, (str_t[]){ to, to }, 2), RC_OK);
    junk = store_deliver_find(d, to)->junk;
    *rc = junk == NULL || junk->busy ? RC_NOT_FOUND
                                     : store_deliver_add(d, junk, body, 100, 5);
    store_deliver_put(d, db);
    assert_int_equal(db_commit(db), RC_OK);
    return junk;
}

static void put_well(int i, int64_t body, int64_t mailbox)
{
    enum rc rc;
    struct store_deliver_box *junk = put(test_db, i, body, &rc);

    assert_int_equal(rc, RC_OK);
    assert_int_equal(junk->mailbox, mailbox);
}

static void is_made_once(void **state)
{
    int64_t account = test_account(1, 100000);
    struct store_mailbox box;

    (void)state;
    put_well(1, 11, store_ids_mailbox(account, 1));
    put_well(1, 12, store_ids_mailbox(account, 1));
    assert_int_equal(store_mailbox_find(test_arena, test_db, account, S("Junk"), &box),
                     RC_OK);
    assert_int_equal(box.id, store_ids_mailbox(account, 1));
    assert_int_equal(box.use, STORE_MAILBOX_USE_JUNK);
    assert_int_equal(box.messages, 2);
    assert_int_equal(box.uidnext, 3);
    assert_true(box.uidvalidity > 0 && box.subscribed);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM mailbox"), 2);
    /* The next one that a client makes has another number and validity. */
    assert_int_equal(store_mailbox_create(test_db, account, S("Other"), 0, &box.id),
                     RC_OK);
    assert_int_equal(box.id, store_ids_mailbox(account, 2));
    assert_int_equal(test_number(test_db,
                                 "SELECT count(DISTINCT uidvalidity) FROM mailbox"
                                 " WHERE id & 262143 > 0"),
                     2);
}

/* INBOX gets the bytes and nothing else. */
static void counts_for_the_account(void **state)
{
    int64_t account = test_account(1, 250);
    struct store_mailbox_quota quota;
    struct store_mailbox before, after;
    enum rc rc;

    (void)state;
    assert_int_equal(store_mailbox_get(test_arena, test_db, test_inbox(account), &before),
                     RC_OK);
    put_well(1, 11, store_ids_mailbox(account, 1));
    put_well(1, 12, store_ids_mailbox(account, 1));
    put(test_db, 1, 13, &rc);
    assert_int_equal(rc, RC_LIMIT);
    assert_int_equal(store_mailbox_get(test_arena, test_db, test_inbox(account), &after),
                     RC_OK);
    assert_int_equal(after.messages, 0);
    assert_int_equal(after.uidnext, before.uidnext);
    assert_int_equal(after.modseq, before.modseq);
    assert_int_equal(store_mailbox_quota(test_db, account, &quota), RC_OK);
    assert_int_equal(quota.used_bytes, 200);
    assert_int_equal(quota.messages, 2);
}

static void is_the_one_of_the_client(void **state)
{
    int64_t account = test_account(1, 100000), named, used;

    (void)state;
    assert_int_equal(
        store_mailbox_create(test_db, account, S("Junk"), STORE_MAILBOX_USE_NONE, &named),
        RC_OK);
    put_well(1, 11, named);
    assert_int_equal(
        store_mailbox_create(test_db, account, S("Bulk"), STORE_MAILBOX_USE_JUNK, &used),
        RC_OK);
    put_well(1, 12, used);
    /* Who throws it away gets a new one, in which no UID of the old one has a meaning. */
    assert_int_equal(store_mailbox_delete(test_db, used), RC_OK);
    assert_int_equal(store_mailbox_delete(test_db, named), RC_OK);
    put_well(1, 13, store_ids_mailbox(account, 3));
}

static void has_no_room(void **state)
{
    enum rc rc;

    (void)state;
    test_account(1, 100000);
    test_sql("INSERT INTO mailbox (id, name, uidvalidity) SELECT b.id + n, 'box ' || n, 1"
             " FROM mailbox b, generate_series(1, 999) n");
    test_sql("UPDATE mailbox SET next_folder = 1000 WHERE id & 262143 = 0");
    assert_null(put(test_db, 1, 11, &rc));
    test_sql("DELETE FROM mailbox WHERE name = 'box 7'");
    test_sql("UPDATE mailbox SET next_folder = 262144 WHERE id & 262143 = 0");
    assert_null(put(test_db, 1, 11, &rc));
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM mailbox"), 999);
}

/* A client that flags something there holds it, and nobody waits for that. */
static void may_be_busy(void **state)
{
    struct db *holder = test_connect();
    int64_t account = test_account(1, 100000);
    struct store_deliver_box *junk;
    enum rc rc;

    (void)state;
    put_well(1, 11, store_ids_mailbox(account, 1));
    db_begin(holder);
    assert_int_equal(db_script(holder, "SELECT 1 FROM mailbox WHERE name = 'Junk'"
                                       " FOR NO KEY UPDATE"),
                     RC_OK);
    junk = put(test_db, 1, 12, &rc);
    assert_true(junk != NULL && junk->busy);
    db_rollback(holder);
    put_well(1, 12, store_ids_mailbox(account, 1));
    db_free(&holder);
}

static void *put_many(void *arg)
{
    struct db *db = test_connect();
    int64_t *done = arg;

    for (int i = 0; i < 200; i++) {
        str_t to = S("user1@example.org");
        struct arena *a = arena_new();
        struct store_deliver_box *box;
        struct store_deliver *d;

        db_begin(db);
        if (store_deliver_lock(a, db, 0, &to, 1, &d) == RC_OK &&
            store_deliver_lock_junk(d, db, &to, 1) == RC_OK) {
            box = store_deliver_find(d, to)->junk;
            if (box != NULL && !box->busy &&
                store_deliver_add(d, box, *done + 1, 1, 5) == RC_OK)
                (*done)++;
            store_deliver_put(d, db);
        }
        if (db_commit(db) != RC_OK)
            *done = -1000000;
        arena_free(&a);
    }
    db_free(&db);
    return NULL;
}

static void two_workers_make_one(void **state)
{
    int64_t done[2] = { 0, 1000 };
    pthread_t thread[2];

    (void)state;
    test_account(1, 100000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, put_many, &done[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM mailbox"), 2);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"),
                     done[0] + done[1] - 1000);
    assert_int_equal(test_number(test_db, "SELECT nmsg::int8 FROM mailbox WHERE name = "
                                          "'Junk' AND nmsg = uidnext - 1"),
                     done[0] + done[1] - 1000);
}

#define CASE(f) cmocka_unit_test_setup(f, test_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(is_made_once),
        CASE(counts_for_the_account),
        CASE(is_the_one_of_the_client),
        CASE(has_no_room),
        CASE(may_be_busy),
        CASE(two_workers_make_one),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
