/* store_look_test.c - what a look at a mailbox of a hundred thousand messages reads. */
#include "store/store_test.h"
#include "store/store_test_plan.h"

#include "store/store_body.h"
#include "store/store_mailbox.h"
#include "store/store_message.h"

enum {
    MESSAGES = STORE_MAILBOX_MESSAGES_MAX - 10,
    NOTHING = 10, /* buffers and rows of a look that reads no message */
};

static int64_t box;
static struct db *db; /* whose plans were made while all was empty */

static struct store_message_news look(int64_t modseq)
{
    struct store_message_news news;

    assert_int_equal(
        store_message_news(test_arena, db, test_look(box, MESSAGES + 1, modseq), &news),
        RC_OK);
    return news;
}

static void flag(uint32_t uid, uint32_t flags)
{
    struct store_message_change c = { .how = STORE_MESSAGE_REPLACE,
                                      .flags = flags,
                                      .unchanged_since = -1 };
    struct store_message_uids uids = { &uid, 1 };
    struct store_message_flagged done;

    assert_int_equal(store_message_flag(test_arena, db, box, &uids, &c, &done, NULL),
                     RC_OK);
    assert_int_equal(done.changed.n, 1);
}

static const char *changed_since(int64_t modseq)
{
    return arena_printf(test_arena, "message_changed(%lld, %d, %lld)", (long long)box,
                        MESSAGES + 1, (long long)modseq);
}

static void show(const char *what, int64_t modseq)
{
    str_t plan = test_plan(db, "TEXT", changed_since(modseq)), line;

    print_message("%s:\n", what);
    while (str_split(&plan, '\n', &line))
        print_message("%.*s\n", STR_ARG(line));
}

static int set_up(void **state)
{
    assert_int_equal(test_setup(state), 0);
    test_sql("ANALYZE mailbox, message");
    box = test_inbox(test_account(1, 1 << 30));
    db = test_connect();
    (void)look(1);
    test_sql("INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size) "
             "SELECT %lld, i, 2, 1, i, 100 FROM generate_series(1, %d) i",
             (long long)box, MESSAGES);
    test_sql("UPDATE mailbox SET nmsg = %d, uidnext = %d, modseq = now_us()", MESSAGES,
             MESSAGES + 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    db_free(&db);
    return 0;
}

static void a_look_reads_no_message_while_flags_rest(void **state)
{
    int64_t modseq = look(1).modseq;

    (void)state;
    for (int known = 0; known < 2; known++) {
        show("nothing has changed", modseq);
        assert_in_range(test_plan_cost(db, changed_since(modseq)), 1, NOTHING);
        /* Mail comes, and is not a change of flags. */
        test_fill(1, 1, 10);
        assert_true(look(modseq).modseq > modseq);
        assert_int_equal(look(modseq).changed.n, 0);
        assert_in_range(test_plan_cost(db, changed_since(modseq)), 1, NOTHING);
        /* What is known costs nothing more, what is not is found. */
        flag(77, known + 1);
        show("one message has changed", modseq);
        assert_int_equal(look(modseq).changed.n, 1);
        assert_int_equal(look(modseq).changed.m[0].uid, 77);
        assert_true(test_plan_cost(db, changed_since(modseq)) > NOTHING);
        modseq = look(modseq).modseq;
        assert_in_range(test_plan_cost(db, changed_since(modseq)), 1, NOTHING);
        test_sql("ANALYZE mailbox, message");
        assert_int_equal(db_script(db, "DISCARD PLANS"), RC_OK);
    }
}

static void a_change_tells_what_was_before(void **state)
{
    struct store_message_change c = { .flags = STORE_FLAGS_DELETED,
                                      .unchanged_since = -1 };
    uint32_t uid = 7;
    struct store_message_uids uids = { &uid, 1 };
    struct store_message_expunged gone;
    struct store_message_flagged done;
    int64_t modseq = look(1).modseq;

    (void)state;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(store_message_flag(test_arena, db, box, &uids, &c, &done, NULL),
                         RC_OK);
        assert_int_equal(done.before, again ? 0 : modseq);
        assert_int_equal(done.modseq, again ? 0 : look(1).modseq);
    }
    modseq = look(1).modseq;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(store_message_expunge(test_arena, db, box, &uids, true, &gone),
                         RC_OK);
        assert_int_equal(gone.before, again ? 0 : modseq);
        assert_int_equal(gone.modseq, again ? 0 : look(1).modseq);
    }
}

/* 256 of a hundred thousand bodies: what they and the way to them take, and no more. */
static void a_set_of_bodies_is_looked_up(void **state)
{
    struct store_body_want want[STORE_BODY_HEADS_MAX] = { { 0 } };
    int64_t first = store_ids_new_body();
    const char *ids = "";
    int slot = store_ids_body_slot(first);

    (void)state;
    test_sql("TRUNCATE body_%02d; ANALYZE body_%02d", slot, slot);
    want[0] = (struct store_body_want){ .body_id = first, .size = 1 };
    want[1] = want[0];
    assert_int_equal(store_body_heads(test_arena, db, want, 2, 100), RC_OK);
    test_sql("INSERT INTO body_%02d SELECT %lld + i, 1, 0, 'x' "
             "FROM generate_series(1, %d) i",
             slot, (long long)first, MESSAGES);
    for (int i = 0; i < STORE_BODY_HEADS_MAX; i++)
        ids = arena_printf(test_arena, "%s%s%lld", ids, i == 0 ? "" : ",",
                           (long long)first + 1 + i * 300);
    for (int analyzed = 0; analyzed < 2; analyzed++) {
        assert_in_range(
            test_plan_cost(db, arena_printf(test_arena, "body_get_set_%02d('{%s}', 1, 0)",
                                            slot, ids)),
            STORE_BODY_HEADS_MAX, 8 * STORE_BODY_HEADS_MAX);
        test_sql("ANALYZE body_%02d", slot);
        assert_int_equal(db_script(db, "DISCARD PLANS"), RC_OK);
    }
    test_sql("TRUNCATE body_%02d", slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_look_reads_no_message_while_flags_rest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_change_tells_what_was_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_set_of_bodies_is_looked_up, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
