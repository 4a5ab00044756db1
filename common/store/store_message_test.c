/* store_message_test.c - what IMAP sessions see and do, alone and against each other. */
#include "store/store_test.h"
#include "store/store_test_proxy.h"

#include "store/store_body.h"
#include "store/store_mailbox.h"
#include "store/store_message.h"

#include <pthread.h>
#include <stdatomic.h>

static struct store_message_uids uids_of(size_t n, const uint32_t *list)
{
    return (struct store_message_uids){
        .uid = arena_copy(test_arena, list, n * sizeof(*list)), .n = n
    };
}

#define UIDS(...)                                                                        \
    uids_of(sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t),                      \
            (const uint32_t[]){ __VA_ARGS__ })

static struct store_message_news look(int64_t mailbox, uint32_t uidnext, int64_t modseq)
{
    struct store_message_news news;

    assert_int_equal(store_message_news(test_arena, test_db,
                                        test_look(mailbox, uidnext, modseq), &news),
                     RC_OK);
    return news;
}

static int64_t used(int64_t account)
{
    struct store_mailbox_quota q;

    assert_int_equal(store_mailbox_quota(test_db, account, &q), RC_OK);
    return q.used_bytes;
}

static void flag(int64_t mailbox, struct store_message_uids uids,
                 enum store_message_how how, uint32_t flags)
{
    struct store_message_change c = { .how = how, .flags = flags, .unchanged_since = -1 };
    struct store_message_flagged flagged;

    assert_int_equal(
        store_message_flag(test_arena, test_db, mailbox, &uids, &c, &flagged, NULL),
        RC_OK);
}

static void flags_are_added_removed_and_replaced(void **state)
{
    int64_t box = test_inbox(test_account(1, 1 << 20));
    struct store_message_news before, after;
    struct store_message_flagged flagged;
    struct store_message_uids uids = UIDS(1, 3);
    struct store_message_change c = { .how = STORE_MESSAGE_ADD,
                                      .flags = STORE_FLAGS_SEEN,
                                      .unchanged_since = -1 };

    (void)state;
    test_fill(1, 3, 10);
    before = look(box, 1, 0);
    assert_int_equal(
        store_message_flag(test_arena, test_db, box, &uids, &c, &flagged, NULL), RC_OK);
    assert_int_equal(flagged.changed.n, 2);
    assert_int_equal(flagged.changed.m[1].uid, 3);
    assert_int_equal(flagged.changed.m[1].flags, STORE_FLAGS_SEEN);
    after = look(box, before.uidnext, before.modseq);
    assert_true(after.modseq > before.modseq);
    assert_int_equal(after.changed.n, 2);
    assert_int_equal(after.changed.m[0].modseq, after.modseq);
    /* Again: nothing changes, and nobody is told. */
    assert_int_equal(
        store_message_flag(test_arena, test_db, box, &uids, &c, &flagged, NULL), RC_OK);
    assert_int_equal(flagged.changed.n, 0);
    assert_int_equal(look(box, after.uidnext, after.modseq).modseq, after.modseq);
    flag(box, UIDS(1), STORE_MESSAGE_REPLACE, STORE_FLAGS_FLAGGED | STORE_FLAGS_MDN_SENT);
    flag(box, UIDS(3), STORE_MESSAGE_REMOVE, STORE_FLAGS_SEEN | STORE_FLAGS_DRAFT);
    after = look(box, 1, 0);
    assert_int_equal(after.added.m[0].flags, STORE_FLAGS_FLAGGED | STORE_FLAGS_MDN_SENT);
    assert_int_equal(after.added.m[1].flags, 0);
    assert_int_equal(after.added.m[2].flags, 0);
}

static void unchanged_since_protects_the_other_sessions_change(void **state)
{
    int64_t box = test_inbox(test_account(1, 1 << 20)), since;
    struct store_message_change c = { .how = STORE_MESSAGE_ADD,
                                      .flags = STORE_FLAGS_DELETED };
    struct store_message_uids both = UIDS(1, 2), conflicts;
    struct store_message_flagged flagged;

    (void)state;
    test_fill(1, 2, 10);
    since = look(box, 1, 0).modseq;
    flag(box, UIDS(2), STORE_MESSAGE_ADD, STORE_FLAGS_FLAGGED);
    c.unchanged_since = since;
    assert_int_equal(
        store_message_flag(test_arena, test_db, box, &both, &c, &flagged, &conflicts),
        RC_OK);
    assert_int_equal(flagged.changed.n, 1);
    assert_int_equal(flagged.changed.m[0].uid, 1);
    assert_int_equal(conflicts.n, 1);
    assert_int_equal(conflicts.uid[0], 2);
}

static void expunge_takes_only_what_is_deleted(void **state)
{
    int64_t account = test_account(1, 1 << 20), box = test_inbox(account);
    struct store_message_uids all = UIDS(1, 2, 3, 4, 99);
    struct store_message_expunged gone;
    struct store_message_news before, after;

    (void)state;
    test_fill(1, 4, 82); /* 100 bytes each */
    assert_int_equal(used(account), 400);
    flag(box, UIDS(2, 4), STORE_MESSAGE_ADD, STORE_FLAGS_DELETED);
    before = look(box, 1, 0);
    assert_int_equal(store_message_expunge(test_arena, test_db, box, &all, true, &gone),
                     RC_OK);
    assert_int_equal(gone.uids.n, 2);
    assert_int_equal(gone.uids.uid[0], 2);
    assert_int_equal(gone.uids.uid[1], 4);
    assert_int_equal(used(account), 200);
    after = look(box, before.uidnext, before.modseq);
    assert_int_equal(after.expunged.n, 2);
    assert_int_equal(after.modseq, gone.modseq);
    assert_int_equal(after.messages, 2);
    assert_false(after.log_gone);
    assert_int_equal(look(box, after.uidnext, after.modseq).expunged.n, 0);
    assert_int_equal(store_message_expunge(test_arena, test_db, box, &all, true, &gone),
                     RC_OK);
    assert_int_equal(gone.uids.n, 0);
    assert_int_equal(gone.modseq, 0);
    assert_int_equal(store_message_expunge(test_arena, test_db, box, &all, false, &gone),
                     RC_OK);
    assert_int_equal(gone.uids.n, 2);
    assert_int_equal(used(account), 0);
    /* UIDs are never used again. */
    test_fill(1, 1, 10);
    assert_int_equal(look(box, 1, 0).added.m[0].uid, 5);
}

static void a_forgotten_log_is_admitted(void **state)
{
    int64_t box = test_inbox(test_account(1, 1 << 20));
    struct store_message_news news;

    (void)state;
    test_fill(1, 2, 10);
    assert_false(look(box, 1, look(box, 1, 0).modseq).log_gone);
    news = look(box, 3, look(box, 1, 0).modseq - INT64_C(8) * 86400 * 1000000);
    assert_true(news.log_gone);
    /* An old mailbox where nothing happened has nothing to admit. */
    test_sql("UPDATE mailbox SET modseq = modseq - 8 * 86400 * 1000000::int8");
    assert_false(look(box, 3, look(box, 3, 0).modseq).log_gone);
}

static void bodies_come_with_the_news(void **state)
{
    int64_t account = test_account(1, 1 << 20), box = test_inbox(account);
    struct store_body_want bodies[2];
    struct store_message_look ask = {
        .mailbox = box, .uidnext = 1, .bodies = bodies, .body_count = 2
    };
    struct store_message_news news;
    const struct store_message *m;

    (void)state;
    test_fill(1, 2, 9000); /* two chunks */
    m = look(box, 1, 0).added.m;
    bodies[0] = (struct store_body_want){ .body_id = m[1].body_id, .size = m[1].size };
    bodies[1] = (struct store_body_want){ .body_id = m[0].body_id + 1, .size = 10 };
    for (int only_added = 0; only_added < 2; only_added++) {
        assert_int_equal((only_added ? store_message_view : store_message_news)(
                             test_arena, test_db, &ask, &news),
                         RC_OK);
        assert_int_equal(news.added.n, 2);
        assert_int_equal(bodies[0].head.n, m[1].size);
        assert_null(bodies[1].head.p); /* no such body: the news are there all the same */
        bodies[0].head = S("");
    }
}

/* However small they are: what a session holds of each is not. */
static void messages_are_limited_by_number(void **state)
{
    int64_t account = test_account(1, 1 << 30), box = test_inbox(account);
    struct store_message_append m = { .message = S("a: b\r\n") };
    struct store_message_uids uids = UIDS(1);
    struct store_message_copied copied;
    str_t to = test_address(1);
    struct store_queue_cursor c = { 0 };
    size_t n, refused = 0;

    (void)state;
    test_fill(1, 1, 10);
    test_sql("UPDATE mailbox SET nmsg = %d", STORE_MAILBOX_MESSAGES_MAX - 1);
    assert_int_equal(store_message_append(test_db, box, &m), RC_OK);
    assert_int_equal(store_message_append(test_db, box, &m), RC_LIMIT);
    assert_int_equal(store_message_copy(test_arena, test_db, box, box, &uids, &copied),
                     RC_LIMIT);
    test_mail(test_db, &to, 1, S("one more"));
    assert_int_equal(test_deliver(test_db, &c, 64, &n, &refused), RC_OK);
    assert_int_equal(refused, 1);
}

static void copies_share_the_body_and_count_twice(void **state)
{
    int64_t account = test_account(1, 1000), inbox = test_inbox(account), other;
    struct store_message_uids uids = UIDS(2, 3, 77);
    struct store_message_copied copied;
    struct store_message_news news;

    (void)state;
    assert_int_equal(store_mailbox_create(test_db, account, S("Saved"), 0, &other),
                     RC_OK);
    test_fill(1, 3, 182); /* 200 bytes each */
    flag(inbox, UIDS(3), STORE_MESSAGE_ADD, STORE_FLAGS_SEEN);
    assert_int_equal(
        store_message_copy(test_arena, test_db, inbox, other, &uids, &copied), RC_OK);
    assert_int_equal(copied.from.n, 2);
    assert_int_equal(copied.from.uid[1], 3);
    assert_int_equal(copied.to.uid[1], 2);
    assert_true(copied.uidvalidity > 0);
    assert_int_equal(used(account), 1000);
    news = look(other, 1, 0);
    assert_int_equal(news.added.n, 2);
    assert_int_equal(news.added.m[1].flags, STORE_FLAGS_SEEN);
    assert_int_equal(news.added.m[1].body_id, look(inbox, 1, 0).added.m[2].body_id);
    assert_int_equal(
        store_message_copy(test_arena, test_db, inbox, other, &uids, &copied), RC_LIMIT);
    assert_int_equal(used(account), 1000);
    assert_int_equal(store_mailbox_delete(test_db, other), RC_OK);
    assert_int_equal(used(account), 600);
    assert_int_equal(
        store_message_copy(test_arena, test_db, inbox, other, &uids, &copied),
        RC_NOT_FOUND);
}

static void a_move_is_one_thing(void **state)
{
    int64_t account = test_account(1, 600), inbox = test_inbox(account), other;
    struct store_message_uids uids = UIDS(1, 3);
    struct store_message_copied moved;
    struct store_message_news news;

    (void)state;
    assert_int_equal(store_mailbox_create(test_db, account, S("DeltaChat"), 0, &other),
                     RC_OK);
    test_fill(1, 3, 182);
    assert_int_equal(store_message_move(test_arena, test_db, inbox, other, &uids, &moved),
                     RC_OK);
    assert_int_equal(moved.from.n, 2);
    assert_int_equal(moved.to.uid[1], 2);
    assert_int_equal(used(account), 600);
    news = look(inbox, 4, 1);
    assert_int_equal(news.messages, 1);
    assert_int_equal(news.expunged.n, 2);
    assert_int_equal(news.modseq, moved.from_modseq);
    assert_int_equal(look(other, 1, 0).added.n, 2);
    assert_int_equal(store_message_move(test_arena, test_db, inbox, other, &uids, &moved),
                     RC_OK);
    assert_int_equal(moved.from.n, 0);
    /* Without a destination nothing leaves. */
    assert_int_equal(store_mailbox_delete(test_db, other), RC_OK);
    uids = UIDS(2);
    assert_int_equal(store_message_move(test_arena, test_db, inbox, other, &uids, &moved),
                     RC_NOT_FOUND);
    assert_int_equal(look(inbox, 1, 0).added.n, 1);
    assert_int_equal(used(account), 200);
}

static void what_was_appended_is_there(void **state)
{
    int64_t account = test_account(1, 100), box = test_inbox(account);
    struct store_message_append m = { .message = S("Subject: x\r\n\r\nappended"),
                                      .flags = STORE_FLAGS_SEEN,
                                      .idate_unix = 1234567890,
                                      .dated = true };
    struct store_message_news news;
    str_t back;

    (void)state;
    assert_int_equal(store_message_append(test_db, box, &m), RC_OK);
    assert_int_equal(m.uid, 1);
    assert_int_equal(m.uidnext, 2);
    news = look(box, 1, 0);
    assert_int_equal(news.modseq, m.modseq);
    assert_int_equal(news.added.m[0].idate_unix, 1234567890);
    assert_int_equal(news.added.m[0].flags, STORE_FLAGS_SEEN);
    assert_int_equal(store_body_read(test_arena, test_db, news.added.m[0].body_id,
                                     news.added.m[0].size, 0, 1000, &back),
                     RC_OK);
    assert_true(str_eq(back, m.message));
    m.message =
        S("01234567890123456789012345678901234567890123456789012345678901234567890"
          "1234567890");
    assert_int_equal(store_message_append(test_db, box, &m), RC_LIMIT);
    assert_int_equal(used(account), news.added.m[0].size);
    assert_int_equal(look(box, 1, 0).uidnext, 2);
    assert_int_equal(store_message_append(test_db, box + 1, &m), RC_NOT_FOUND);
}

/* The body, the row and the commit travel one after the other. */
static void an_append_whose_answer_was_lost_is_found_or_was_not(void **state)
{
    static const enum test_fault faults[] = { TEST_FAULT_AFTER, TEST_FAULT_BEFORE };
    int64_t account = test_account(1, 1 << 20), box = test_inbox(account);
    struct store_message_append m = { .message = S("Subject: x\r\n\r\nappended") };
    int64_t wanted = 0;
    struct db *db;

    (void)state;
    test_proxy_start();
    db = test_proxy_connect(0);
    for (int good = 0; good < 3; good++)
        for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
            bool committed = good == 2 && faults[i] == TEST_FAULT_AFTER;

            test_proxy_arm_later(faults[i], good);
            assert_int_equal(store_message_append(db, box, &m),
                             committed ? RC_OK : RC_RETRY);
            wanted += committed;
            assert_int_equal(look(box, 1, 0).messages, wanted);
            assert_int_equal(look(box, 1, 0).added.n, wanted);
            assert_int_equal(used(account), wanted * (int64_t)m.message.n);
            if (committed)
                assert_int_equal(look(box, 1, 0).added.m[0].uid, m.uid);
            assert_int_equal(db_connect(db, deadline_in_ms(5000)), RC_OK);
        }
    assert_int_equal(store_message_append(db, box, &m), RC_OK);
    assert_int_equal(m.uid, 2);
    db_free(&db);
    test_proxy_stop();
}

static enum rc all_uids(struct arena *a, struct db *db, int64_t mailbox,
                        struct store_message_uids *out)
{
    struct store_message_news news;
    enum rc rc = store_message_view(a, db, test_look(mailbox, 1, 0), &news);

    out->n = rc == RC_OK ? news.added.n : 0;
    out->uid = arena_array(a, out->n, sizeof(*out->uid));
    for (size_t i = 0; i < out->n; i++)
        out->uid[i] = news.added.m[i].uid;
    return rc;
}

static atomic_bool running;
static int64_t race_inbox, race_other;

/* Moves everything it sees to the other side. */
static void *move_about(void *moved)
{
    struct db *db = test_connect();
    struct arena *a = arena_new();

    while (atomic_load(&running)) {
        struct store_message_uids all;
        struct store_message_copied copied;

        for (int i = 0; i < 2; i++) {
            int64_t from = i == 0 ? race_inbox : race_other;
            int64_t to = i == 0 ? race_other : race_inbox;

            if (all_uids(a, db, from, &all) == RC_OK &&
                store_message_move(a, db, from, to, &all, &copied) == RC_OK)
                atomic_fetch_add((atomic_int *)moved, (int)copied.from.n);
        }
        arena_reset(a);
    }
    arena_free(&a);
    db_free(&db);
    return NULL;
}

static void racing_moves_double_and_lose_nothing(void **state)
{
    enum { THREADS = 3, N = 20 };
    int64_t account = test_account(1, 1 << 20);
    pthread_t threads[THREADS];
    atomic_int moved = 0;
    struct deadline until = deadline_in_ms(30000);

    (void)state;
    race_inbox = test_inbox(account);
    assert_int_equal(store_mailbox_create(test_db, account, S("B"), 0, &race_other),
                     RC_OK);
    test_fill(1, N, 82);
    atomic_store(&running, true);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, move_about, &moved), 0);
    while (atomic_load(&moved) < 50 * N && !deadline_passed(until))
        (void)used(account);
    atomic_store(&running, false);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&moved) >= 50 * N);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), N);
    assert_int_equal(test_number(test_db, "SELECT count(DISTINCT body_id) FROM message"),
                     N);
    assert_int_equal(test_number(test_db, "SELECT sum(nmsg)::int8 FROM mailbox"), N);
    assert_int_equal(used(account), N * 100);
}

static void folders_have_lives(void **state)
{
    int64_t account = test_account(1, 1 << 20), a, b, c;
    struct store_mailbox box, *list;
    struct store_mailbox_counts counts;
    struct store_mailbox_mark *marks;
    uint32_t validity;
    size_t n;

    (void)state;
    assert_int_equal(
        store_mailbox_create(test_db, account, S("A"), STORE_MAILBOX_USE_SENT, &a),
        RC_OK);
    assert_int_equal(store_mailbox_create(test_db, account, S("A/x"), 0, &b), RC_OK);
    assert_int_equal(store_mailbox_create(test_db, account, S("A"), 0, &c), RC_EXISTS);
    assert_int_equal(store_mailbox_create(test_db, account, S("Inbox"), 0, &c),
                     RC_EXISTS);
    assert_int_equal(store_mailbox_create(test_db, account + 1024, S("A"), 0, &c),
                     RC_NOT_FOUND);
    assert_int_equal(store_mailbox_find(test_arena, test_db, account, S("A"), &box),
                     RC_OK);
    assert_int_equal(box.id, a);
    assert_int_equal(box.use, STORE_MAILBOX_USE_SENT);
    validity = box.uidvalidity;
    assert_int_equal(store_mailbox_find(test_arena, test_db, account, S("inBox"), &box),
                     RC_OK);
    assert_int_equal(box.id, test_inbox(account));
    assert_int_equal(store_mailbox_rename(test_db, a, S("Inbox"), '/'), RC_EXISTS);
    assert_int_equal(store_mailbox_rename(test_db, a, S("A/x"), '/'), RC_EXISTS);
    assert_int_equal(store_mailbox_rename(test_db, test_inbox(account), S("Z"), '/'),
                     RC_DENIED);
    assert_int_equal(store_mailbox_rename(test_db, a, S("B"), '/'), RC_OK);
    assert_int_equal(store_mailbox_find(test_arena, test_db, account, S("B/x"), &box),
                     RC_OK);
    assert_int_equal(box.id, b);
    assert_int_equal(store_mailbox_subscribe(test_db, b, false), RC_OK);
    assert_int_equal(store_mailbox_delete(test_db, a), RC_OK);
    assert_int_equal(store_mailbox_delete(test_db, a), RC_NOT_FOUND);
    assert_int_equal(store_mailbox_delete(test_db, test_inbox(account)), RC_DENIED);
    /* The same name again is another mailbox to every client. */
    assert_int_equal(store_mailbox_create(test_db, account, S("A"), 0, &c), RC_OK);
    assert_true(c > b);
    assert_int_equal(store_mailbox_get(test_arena, test_db, c, &box), RC_OK);
    assert_true(box.uidvalidity > validity);
    assert_int_equal(store_mailbox_list(test_arena, test_db, account, &list, &n), RC_OK);
    assert_int_equal(n, 3);
    assert_false(list[1].subscribed);
    test_fill(1, 3, 82);
    flag(test_inbox(account), UIDS(1), STORE_MESSAGE_ADD, STORE_FLAGS_SEEN);
    assert_int_equal(store_mailbox_counts(test_db, test_inbox(account), &counts), RC_OK);
    assert_int_equal(counts.messages, 3);
    assert_int_equal(counts.unseen, 2);
    assert_int_equal(counts.bytes, 300);
    assert_int_equal(store_mailbox_poll(test_arena, test_db,
                                        (int64_t[]){ c, 5, test_inbox(account) }, 3,
                                        &marks, &n),
                     RC_OK);
    assert_int_equal(n, 2);
    assert_int_equal(marks[0].uidnext, 4);
}

static void there_is_an_end_to_folders(void **state)
{
    int64_t account = test_account(1, 1 << 20), id;

    (void)state;
    for (int i = 1; i < STORE_MAILBOX_COUNT_MAX; i++)
        assert_int_equal(store_mailbox_create(test_db, account,
                                              str_of(arena_printf(test_arena, "f%d", i)),
                                              0, &id),
                         RC_OK);
    assert_int_equal(store_mailbox_create(test_db, account, S("more"), 0, &id), RC_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flags_are_added_removed_and_replaced, test_setup),
        cmocka_unit_test_setup(unchanged_since_protects_the_other_sessions_change,
                               test_setup),
        cmocka_unit_test_setup(expunge_takes_only_what_is_deleted, test_setup),
        cmocka_unit_test_setup(a_forgotten_log_is_admitted, test_setup),
        cmocka_unit_test_setup(bodies_come_with_the_news, test_setup),
        cmocka_unit_test_setup(messages_are_limited_by_number, test_setup),
        cmocka_unit_test_setup(copies_share_the_body_and_count_twice, test_setup),
        cmocka_unit_test_setup(a_move_is_one_thing, test_setup),
        cmocka_unit_test_setup(what_was_appended_is_there, test_setup),
        cmocka_unit_test_setup(an_append_whose_answer_was_lost_is_found_or_was_not,
                               test_setup),
        cmocka_unit_test_setup(racing_moves_double_and_lose_nothing, test_setup),
        cmocka_unit_test_setup(folders_have_lives, test_setup),
        cmocka_unit_test_setup(there_is_an_end_to_folders, test_setup),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
