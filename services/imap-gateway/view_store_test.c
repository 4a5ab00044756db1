/* view_store_test.c - what a session learns from the store, and when. */
#include "view.h"

#include "account/test_database.h"
#include "base/buf.h"
#include "store/store_account.h"
#include "store/store_flags.h"
#include "store/store_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char *database;
static struct db *db;
static struct arena *arena;
static struct view *view;
static int64_t inbox;

static __attribute__((format(printf, 1, 2))) void sql(const char *format, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    assert_int_equal(db_script(db, text), RC_OK);
}

static void deliver(int first, int last)
{
    sql("INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size)"
        " SELECT %lld, i, 2, 0, i, 10 FROM generate_series(%d, %d) i",
        (long long)inbox, first, last);
    sql("UPDATE mailbox SET uidnext = %d, nmsg = nmsg + %d, modseq = modseq + 1",
        last + 1, last - first + 1);
}

static void look(enum view_tell tell, bool held, const char *wanted)
{
    struct buf *out = arena_buf(arena, 10000);
    struct view_look l = { .tell = tell };

    assert_int_equal(view_refresh(view, arena, db, &l, out), RC_OK);
    assert_int_equal(l.held, held);
    assert_string_equal(arena_cstr(arena, buf_str(out)), wanted);
}

static struct store_message_uids just(uint32_t uid)
{
    return (struct store_message_uids){ arena_copy(arena, &uid, sizeof uid), 1 };
}

static struct store_message_flagged flag(uint32_t uid, uint32_t flags)
{
    struct store_message_change c = { .how = STORE_MESSAGE_REPLACE,
                                      .flags = flags,
                                      .unchanged_since = -1 };
    struct store_message_uids uids = just(uid);
    struct store_message_flagged done;

    assert_int_equal(store_message_flag(arena, db, inbox, &uids, &c, &done, NULL), RC_OK);
    return done;
}

static struct store_message_expunged expunge(uint32_t uid)
{
    struct store_message_uids uids = just(uid);
    struct store_message_expunged done;

    assert_int_equal(store_message_expunge(arena, db, inbox, &uids, false, &done), RC_OK);
    return done;
}

static int set_up(void **state)
{
    struct store_account n = { .id = store_ids_new_account(S("a@chat.example")),
                               .address = S("a@chat.example"),
                               .password_hash = S("$y$hash"),
                               .quota_bytes = 1 << 30 };

    (void)state;
    arena = arena_new();
    sql("TRUNCATE account, mailbox, message, expunged");
    assert_int_equal(store_account_create(db, &n), RC_OK);
    inbox = store_ids_mailbox(n.id, STORE_IDS_INBOX);
    deliver(1, 4);
    assert_int_equal(view_new(arena, db, inbox, &view), RC_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    view_free(&view);
    arena_free(&arena);
    return 0;
}

/* -- news -- */

/* A look that may not tell of something leaves it to the next one. */
static void test_what_is_held_is_told_later(void **state)
{
    (void)state;
    (void)flag(2, STORE_FLAGS_SEEN);
    deliver(5, 5);
    look(VIEW_TELL_ADDED, true, "* 5 EXISTS\r\n");
    look(VIEW_TELL_FLAGS, false, "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n");
    (void)expunge(3);
    (void)flag(1, STORE_FLAGS_SEEN);
    look(VIEW_TELL_ADDED, true, "");
    look(VIEW_TELL_FLAGS, true, "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n");
    look(VIEW_TELL_EXPUNGES, false, "* 3 EXPUNGE\r\n");
    look(VIEW_TELL_EXPUNGES, false, "");
}

static void test_a_forgotten_log_is_made_up_for(void **state)
{
    (void)state;
    (void)expunge(2);
    (void)flag(3, STORE_FLAGS_FLAGGED);
    sql("DELETE FROM expunged");
    view->modseq -= INT64_C(8) * 86400 * 1000000;
    look(VIEW_TELL_FLAGS, true, "* 3 FETCH (UID 3 FLAGS (\\Flagged))\r\n");
    look(VIEW_TELL_EXPUNGES, false, "* 2 EXPUNGE\r\n");
}

/* What the client did itself is not looked for, unless there is something before it. */
static void test_own_changes_move_the_view(void **state)
{
    struct store_message_flagged flagged = flag(1, STORE_FLAGS_SEEN);
    struct store_message_expunged gone = expunge(2);

    (void)state;
    assert_true(view_moved(view, flagged.before, flagged.modseq));
    assert_true(view_moved(view, gone.before, gone.modseq));
    assert_int_equal(view->modseq, gone.modseq);
    (void)flag(4, STORE_FLAGS_SEEN); /* somebody else */
    flagged = flag(3, STORE_FLAGS_SEEN);
    assert_false(view_moved(view, flagged.before, flagged.modseq));
    assert_int_equal(view->modseq, gone.modseq);
    /* A crash has undone the last: not the state that the client goes by. */
    assert_false(view_moved(view, gone.before, flagged.modseq));
}

/* -- a crash -- */

static void save(void)
{
    sql("DROP TABLE IF EXISTS m, x, e; CREATE TABLE m AS TABLE mailbox;"
        " CREATE TABLE x AS TABLE message; CREATE TABLE e AS TABLE expunged");
}

/* What was committed since is forgotten, and all have to connect again. */
static void crash(void)
{
    sql("TRUNCATE mailbox, message, expunged; INSERT INTO mailbox TABLE m;"
        " INSERT INTO message TABLE x; INSERT INTO expunged TABLE e");
    db_free(&db);
    db = test_database_connect("postgres", database);
}

static void refuses(void)
{
    struct view_look l = { .tell = VIEW_TELL_ADDED };
    struct buf *out = arena_buf(arena, 10000);

    assert_int_equal(view_refresh(view, arena, db, &l, out), RC_CONFLICT);
    assert_int_equal(out->n, 0);
}

static void test_a_crash_that_undid_nothing_is_nothing(void **state)
{
    (void)state;
    (void)flag(1, STORE_FLAGS_SEEN);
    (void)expunge(2);
    look(VIEW_TELL_EXPUNGES, false,
         "* 2 EXPUNGE\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n");
    save();
    crash();
    deliver(5, 5);
    look(VIEW_TELL_EXPUNGES, false, "* 4 EXISTS\r\n");
}

static void test_an_expunge_that_was_undone_is_seen(void **state)
{
    (void)state;
    save();
    (void)expunge(4); /* the highest, which could be taken for a new one */
    look(VIEW_TELL_EXPUNGES, false, "* 4 EXPUNGE\r\n");
    crash();
    refuses();
}

/* Later changes have made the mailbox's modseq larger than the one that the client knows.
 */
static void test_it_is_seen_behind_later_changes(void **state)
{
    (void)state;
    save();
    (void)expunge(2);
    look(VIEW_TELL_EXPUNGES, false, "* 2 EXPUNGE\r\n");
    crash();
    deliver(5, 5);
    (void)flag(1, STORE_FLAGS_SEEN);
    assert_true(flag(1, 0).modseq > view->modseq);
    refuses();
}

static void test_an_empty_view_sees_it(void **state)
{
    (void)state;
    save();
    for (uint32_t uid = 1; uid <= 4; uid++)
        (void)expunge(uid);
    look(VIEW_TELL_EXPUNGES, false,
         "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n");
    crash();
    refuses();
}

/* By the number alone: the connection may be older, where somebody stands between. */
static void test_a_smaller_modseq_says_it(void **state)
{
    (void)state;
    save();
    (void)expunge(2);
    look(VIEW_TELL_EXPUNGES, false, "* 2 EXPUNGE\r\n");
    crash();
    view->connection = UINT64_MAX;
    refuses();
}

static void test_flags_that_were_undone_are_told(void **state)
{
    (void)state;
    save();
    (void)flag(2, STORE_FLAGS_SEEN);
    look(VIEW_TELL_EXPUNGES, false, "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n");
    crash();
    deliver(5, 5);
    look(VIEW_TELL_ADDED, true, "* 5 EXISTS\r\n");
    look(VIEW_TELL_FLAGS, false, "* 2 FETCH (UID 2 FLAGS ())\r\n");
    look(VIEW_TELL_FLAGS, false, "");
}

/* -- life -- */

static int set_up_all(void **state)
{
    (void)state;
    database = test_database_new();
    db = test_database_connect("postgres", database);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    db_free(&db);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_held_is_told_later),
        TEST(test_a_forgotten_log_is_made_up_for),
        TEST(test_own_changes_move_the_view),
        TEST(test_a_crash_that_undid_nothing_is_nothing),
        TEST(test_an_expunge_that_was_undone_is_seen),
        TEST(test_it_is_seen_behind_later_changes),
        TEST(test_an_empty_view_sees_it),
        TEST(test_a_smaller_modseq_says_it),
        TEST(test_flags_that_were_undone_are_told),
    };

    (void)argc;
    test_database_enter(argv);
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
