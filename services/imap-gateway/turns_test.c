/* turns_test.c - no command holds a worker for long, however large its set is.
 *
 * Commands run here as a worker runs them, turn by turn, against PostgreSQL; what is
 * counted is messages and statements, not time.
 */
#include "body_cache.h"
#include "gateway.h"
#include "hints.h"
#include "imap_command.h"
#include "imap_flag.h"
#include "imap_reply.h"

#include "account/test_database.h"
#include "base/buf.h"
#include "store/store_account.h"
#include "store/store_ids.h"
#include "svc/svc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MESSAGES = 1200, TURNS_MAX = 1000, LONG_HEADER = 200 * 1000 };

static struct db *db;
static struct svc svc;
static struct gateway gateway = { .svc = &svc };
static struct imap_session session;
static struct arena *arena; /* of the test */
static int64_t first_body;
static int hinted;

/* -- a mailbox -- */

static __attribute__((format(printf, 1, 2))) void sql(const char *format, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    assert_int_equal(db_script(db, text), RC_OK);
}

static int64_t number(const char *text)
{
    struct db_statement s = { .name = "", .sql = text };

    assert_int_equal(db_run(db, &s, DB_NO_PARAMS), RC_OK);
    return db_get_int(db, 0, 0, 0);
}

/* Message i says "Subject: 00000i" and has UID i. */
static void fill(int from, int to)
{
    sql("INSERT INTO message (mailbox_id, body_id, modseq, idate, uid, size)"
        " SELECT %lld, %lld + i, 2, 0, i, 23 FROM generate_series(%d, %d) i",
        (long long)session.view->mailbox, (long long)first_body, from, to);
    sql("INSERT INTO body_%02d SELECT %lld + i, 1, 0, convert_to('Subject: ' ||"
        " lpad(i::text, 6, '0') || E'\\r\\n\\r\\nText', 'UTF8')"
        " FROM generate_series(%d, %d) i",
        store_ids_body_slot(first_body), (long long)first_body, from, to);
    sql("UPDATE mailbox SET uidnext = %d, nmsg = nmsg + %d, modseq = modseq + 1", to + 1,
        to - from + 1);
}

static void forget_bodies(int from, int to)
{
    sql("DELETE FROM body_%02d WHERE id BETWEEN %lld + %d AND %lld + %d",
        store_ids_body_slot(first_body), (long long)first_body, from,
        (long long)first_body, to);
}

/* Message i becomes `bytes` long, of which its header is all but the last ten. */
static void lengthen(int i, int bytes)
{
    int chunk =
        bytes <= STORE_BODY_SMALL_MAX ? STORE_BODY_SMALL_CHUNK : STORE_BODY_LARGE_CHUNK;

    forget_bodies(i, i);
    sql("INSERT INTO body_%02d SELECT %lld + %d, 1, s,"
        " substring(convert_to('X: ' || repeat('x', %d) || E'\\r\\n\\r\\nmarker', 'UTF8')"
        "  FROM s * %d + 1 FOR %d) FROM generate_series(0, %d) s",
        store_ids_body_slot(first_body), (long long)first_body, i, bytes - 13, chunk,
        chunk, (bytes - 1) / chunk);
    sql("UPDATE message SET size = %d WHERE uid = %d", bytes, i);
}

static int set_up(void **state)
{
    struct store_account n = { .id = store_ids_new_account(S("a@chat.example")),
                               .address = S("a@chat.example"),
                               .password_hash = S("$y$hash"),
                               .quota_bytes = 1 << 30 };
    int64_t since_ms;

    (void)state;
    arena = arena_new();
    sql("TRUNCATE account, mailbox, message, expunged");
    assert_int_equal(store_account_create(db, &n), RC_OK);
    session = (struct imap_session){ .state = ST_SELECTED, .account = n.id };
    assert_int_equal(
        view_new(arena, db, store_ids_mailbox(n.id, STORE_IDS_INBOX), &session.view),
        RC_OK);
    first_body = store_ids_new_body();
    /* Another session of the account, which would be told. */
    assert_int_equal(hints_join(gateway.hints, 0, n.id, &since_ms), RC_OK);
    assert_int_equal(hints_join(gateway.hints, 0, n.id, &since_ms), RC_OK);
    hinted = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hints_leave(gateway.hints, 0, session.account);
    hints_leave(gateway.hints, 0, session.account);
    view_free(&session.view);
    arena_free(&arena);
    return 0;
}

/* What another session has done becomes known to this one. */
static void look(void)
{
    struct buf *out = arena_buf(arena, 1 << 20);
    struct view_look all = { .tell = VIEW_TELL_EXPUNGES };

    assert_int_equal(view_refresh(session.view, arena, db, &all, out), RC_OK);
}

/* -- a command -- */

struct running {
    struct imap_cursor cursor;
    struct buf *out; /* of all turns */
    const char *text;
    size_t turns;
    size_t turn_bytes;  /* of the last turn's output */
    size_t arena_bytes; /* that it used */
};

static struct running start(const char *text)
{
    return (struct running){ .text = text, .out = arena_buf(arena, 64 << 20) };
}

/* One job of a worker. */
static enum cmd_result turn(struct running *r)
{
    struct arena *a = arena_new(), *for_output = arena_new();
    struct buf *out = arena_buf(for_output, IMAP_REPLY_MAX);
    struct imap_cmd cmd = { .arena = a,
                            .db = db,
                            .gateway = &gateway,
                            .session = &session,
                            .out = out,
                            .cursor = &r->cursor };
    enum cmd_result result;

    assert_true(r->turns++ < TURNS_MAX);
    assert_true(imap_command_parse(&cmd, str_of(arena_printf(a, "x %s\r\n", r->text))));
    result = imap_command_run(&cmd);
    db_reset(db);
    r->turn_bytes = out->n;
    r->arena_bytes = arena_used(a);
    assert_int_equal(buf_put(r->out, buf_str(out)), RC_OK);
    arena_free(&a);
    arena_free(&for_output);
    return result;
}

static const char *finish(struct running *r)
{
    while (turn(r) == CMD_MORE)
        ;
    view_list_forget(&r->cursor.list);
    return arena_cstr(arena, buf_str(r->out));
}

static const char *answer(const char *text)
{
    struct running r = start(text);

    return finish(&r);
}

/* How often a statement has run. */
static int64_t runs_of(const char *statement)
{
    struct buf *text = arena_buf(arena, 8 << 20);
    const char *line;

    metric_render(text);
    line = strstr(arena_cstr(arena, buf_str(text)),
                  arena_printf(arena, "seconds_count{statement=\"%s\"} ", statement));
    return line == NULL ? 0 : atoll(strchr(line, ' ') + 1);
}

/* -- SEARCH -- */

static void test_search_reads_in_sets(void **state)
{
    int64_t sets = runs_of("body_get_set"), single = runs_of("body_get_all");
    struct running r = start("SEARCH TEXT zzzzzz");
    size_t row = 0;

    (void)state;
    fill(1, MESSAGES);
    look();
    while (turn(&r) == CMD_MORE) {
        assert_true(r.cursor.row > row);
        assert_true(r.cursor.row - row <= STORE_BODY_HEADS_MAX);
        row = r.cursor.row;
    }
    assert_string_equal(arena_cstr(arena, buf_str(r.out)),
                        "* SEARCH\r\nx OK Search completed.\r\n");
    assert_int_equal(runs_of("body_get_set") - sets, r.turns);
    assert_int_equal(runs_of("body_get_all"), single);
}

static void test_search_finds_what_is_there(void **state)
{
    (void)state;
    fill(1, 600);
    lengthen(7, STORE_BODY_SMALL_MAX);
    lengthen(300, STORE_BODY_SMALL_MAX + 1);
    lengthen(301, 3 * STORE_BODY_LARGE_CHUNK);
    forget_bodies(299, 299);
    look();
    assert_string_equal(answer("UID SEARCH TEXT MARKER"),
                        "* SEARCH 7 300 301\r\nx OK Search completed.\r\n");
    assert_string_equal(answer("SEARCH OR HEADER X xxx OR SUBJECT 000600 SUBJECT 000299"),
                        "* SEARCH 7 300 301 600\r\nx OK Search completed.\r\n");
    assert_string_equal(answer("SEARCH NOT TEXT Subject 290:310"),
                        "* SEARCH 300 301\r\nx OK Search completed.\r\n");
}

static void test_search_counts_criteria_and_numbers(void **state)
{
    struct buf *many = arena_buf(arena, 10000);
    struct running r;

    (void)state;
    fill(1, 20000);
    look();
    buf_puts(many, "SEARCH");
    for (int i = 0; i < 99; i++)
        buf_puts(many, " UNSEEN");
    r = start(arena_cstr(arena, buf_str(many)));
    assert_int_equal(turn(&r), CMD_MORE);
    assert_in_range(r.cursor.row, 1000, 2500);
    r = start("SEARCH ALL");
    assert_int_equal(turn(&r), CMD_MORE);
    assert_true(r.turn_bytes <= IMAP_REPLY_SOFT);
}

static void test_search_counts_bytes(void **state)
{
    struct running r = start("SEARCH TEXT marker TEXT xxx");

    (void)state;
    fill(1, 100);
    for (int i = 1; i <= 100; i++)
        lengthen(i, 60000);
    look();
    assert_int_equal(turn(&r), CMD_MORE);
    assert_in_range(r.cursor.row, 10, 20);
    assert_non_null(strstr(finish(&r), " 99 100\r\nx OK"));
}

/* Headers that no set brings whole. */
static void test_search_counts_long_headers(void **state)
{
    struct running r = start("SEARCH SUBJECT 000020");

    (void)state;
    fill(1, 20);
    for (int i = 1; i < 20; i++)
        lengthen(i, LONG_HEADER);
    look();
    assert_int_equal(turn(&r), CMD_MORE);
    assert_in_range(r.cursor.row, 1, 12);
    assert_string_equal(finish(&r), "* SEARCH 20\r\nx OK Search completed.\r\n");
}

/* -- FETCH -- */

static void test_fetch_looks_up_a_bounded_number(void **state)
{
    struct running r = start("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X)]");
    size_t row = 0;

    (void)state;
    fill(1, MESSAGES);
    forget_bodies(1, MESSAGES - 1); /* so nothing fills the output */
    look();
    while (turn(&r) == CMD_MORE) {
        assert_true(r.cursor.row - row <= STORE_BODY_HEADS_MAX);
        row = r.cursor.row;
    }
    view_list_forget(&r.cursor.list);
    assert_true(r.turns > 1);
    assert_string_equal(arena_cstr(arena, buf_str(r.out)),
                        "* 1200 FETCH (BODY[HEADER.FIELDS (X)] {2}\r\n\r\n)\r\n"
                        "x OK Fetch completed.\r\n");
}

static void test_fetch_resolves_its_set_once(void **state)
{
    struct running r = start("FETCH 1:* (UID FLAGS)");
    const uint32_t *kept;

    (void)state;
    fill(1, 10000);
    look();
    assert_int_equal(turn(&r), CMD_MORE);
    assert_true(r.arena_bytes >= 10000 * sizeof(uint32_t));
    kept = r.cursor.list.index;
    assert_non_null(kept);
    assert_int_equal(turn(&r), CMD_MORE);
    assert_ptr_equal(r.cursor.list.index, kept);
    assert_true(r.arena_bytes < 10000 * sizeof(uint32_t));
    assert_non_null(strstr(finish(&r), "* 10000 FETCH (UID 10000 FLAGS ())\r\nx OK "));
}

static void test_one_of_many_is_resolved_in_little_memory(void **state)
{
    struct running r = start("UID FETCH 7777 FLAGS");

    (void)state;
    fill(1, 10000);
    look();
    assert_int_equal(turn(&r), CMD_DONE);
    assert_true(r.arena_bytes < 8000);
    assert_string_equal(arena_cstr(arena, buf_str(r.out)),
                        "* 7777 FETCH (UID 7777 FLAGS ())\r\nx OK Fetch completed.\r\n");
}

static void test_fetch_marks_in_turns(void **state)
{
    struct running r = start("FETCH 1:* BODY[TEXT]");

    (void)state;
    fill(1, MESSAGES);
    look();
    assert_int_equal(turn(&r), CMD_MORE);
    assert_int_equal(number("SELECT count(*) FROM message WHERE flags & 1 = 1"),
                     IMAP_FLAG_TURN);
    assert_int_equal(r.out->n, 0);
    assert_non_null(strstr(finish(&r), "* 1200 FETCH (BODY[TEXT] {4}\r\nText"));
    assert_int_equal(number("SELECT count(*) FROM message WHERE flags & 1 = 1"),
                     MESSAGES);
    assert_int_equal(hinted, 1);
}

/* -- STORE, EXPUNGE, CLOSE -- */

static void test_store_changes_a_bounded_number(void **state)
{
    struct running r = start("UID STORE 1:* +FLAGS (\\Flagged)");

    (void)state;
    fill(1, MESSAGES);
    look();
    assert_int_equal(turn(&r), CMD_MORE);
    assert_int_equal(number("SELECT count(*) FROM message WHERE flags <> 0"),
                     IMAP_FLAG_TURN);
    assert_int_equal(hinted, 0);
    assert_non_null(strstr(finish(&r), "* 1200 FETCH (UID 1200 FLAGS (\\Flagged))\r\n"
                                       "x OK Store completed.\r\n"));
    assert_int_equal(r.turns, (MESSAGES + IMAP_FLAG_TURN - 1) / IMAP_FLAG_TURN);
    assert_int_equal(number("SELECT count(*) FROM message WHERE flags <> 0"), MESSAGES);
    assert_int_equal(hinted, 1);
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void test_expunge_removes_a_bounded_number(void **state)
{
    static const char *const commands[] = { "EXPUNGE", "UID EXPUNGE 1:*" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int first = (int)i * (MESSAGES + 1) + 1;
        struct running r = start(commands[i]);
        const char *text;

        fill(first, first + MESSAGES);
        look();
        (void)answer("STORE 1:* FLAGS (\\Deleted)");
        hinted = 0;
        assert_int_equal(turn(&r), CMD_MORE);
        assert_int_equal(number("SELECT nmsg FROM mailbox"), MESSAGES + 1 - 500);
        /* Another session keeps most of the others, which this one does not know. */
        sql("UPDATE message SET flags = 0 WHERE uid > %d", first + 600);
        text = finish(&r);
        assert_int_equal(number("SELECT count(*) FROM message"), MESSAGES - 600);
        assert_int_equal(session.view->count, MESSAGES - 600);
        assert_int_equal(count_of(text, " EXPUNGE\r\n"), 601);
        assert_int_equal(hinted, 1);
        sql("DELETE FROM message");
        sql("UPDATE mailbox SET nmsg = 0");
        view_free(&session.view);
        assert_int_equal(view_new(arena, db,
                                  store_ids_mailbox(session.account, STORE_IDS_INBOX),
                                  &session.view),
                         RC_OK);
    }
}

static void test_close_expunges_in_turns(void **state)
{
    struct running r = start("CLOSE");

    (void)state;
    fill(1, MESSAGES);
    look();
    (void)answer("STORE 1:* FLAGS (\\Deleted)");
    assert_int_equal(turn(&r), CMD_MORE);
    assert_int_equal(number("SELECT nmsg FROM mailbox"), MESSAGES - 500);
    assert_string_equal(finish(&r), "x OK Close completed.\r\n");
    assert_int_equal(number("SELECT count(*) FROM message"), 0);
    assert_null(session.view);
}

/* -- life -- */

static void deliver(void *user, size_t loop, const struct hints_news *news)
{
    (void)user;
    (void)loop;
    (void)news;
    hinted++;
}

static int set_up_all(void **state)
{
    struct hints_options o = { .sessions_per_account = 10, .deliver = deliver };

    (void)state;
    db = test_database_connect("postgres", test_database_new());
    gateway.hints = hints_new(&o);
    gateway.bodies = body_cache_new(0);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    hints_free(&gateway.hints);
    body_cache_free(&gateway.bodies);
    db_free(&db);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_search_reads_in_sets),
        TEST(test_search_finds_what_is_there),
        TEST(test_search_counts_criteria_and_numbers),
        TEST(test_search_counts_bytes),
        TEST(test_search_counts_long_headers),
        TEST(test_fetch_looks_up_a_bounded_number),
        TEST(test_fetch_resolves_its_set_once),
        TEST(test_one_of_many_is_resolved_in_little_memory),
        TEST(test_fetch_marks_in_turns),
        TEST(test_store_changes_a_bounded_number),
        TEST(test_expunge_removes_a_bounded_number),
        TEST(test_close_expunges_in_turns),
    };

    (void)argc;
    test_database_enter(argv);
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
