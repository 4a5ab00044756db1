/* commit_test.c - a crowd shares transactions, nobody waits, and a bad one spoils nobody.
 */
#include "commit.h"

#include "account/test_database.h"
#include "base/str.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { THREADS = 4, EACH = 50, LARGE_BYTES = 300 * 1024 };

DB_STATEMENT(stmt_count, "test_count", "SELECT count(*) FROM queue");
DB_STATEMENT(stmt_clear, "test_clear", "DELETE FROM queue");

static const char *database;
static char large[LARGE_BYTES];

struct entry {
    struct commit_item item;
    enum rc want;
    int done;
};

struct crowd {
    struct commit *commit;
    pthread_barrier_t start;
    struct entry entries[THREADS][EACH];
};

struct member {
    struct crowd *crowd;
    size_t index;
};

static _Atomic uint32_t committed, commits;

static void count_commit(void *user, int64_t body_id, uint32_t count)
{
    (void)user;
    assert_true(body_id != 0);
    committed += count;
    commits++;
}

static void note_done(struct commit_item *item)
{
    ((struct entry *)item)->done++;
}

static void fill(struct entry *e, size_t number)
{
    static const str_t recipient = STR("b@elsewhere.example");

    e->item.done = note_done;
    e->item.message = (struct store_accept){ .head = S("From: <a@chat.example>\r\n\r\n"),
                                             .body = S("body\r\n"),
                                             .sender = S("a@chat.example"),
                                             .recipients = &recipient,
                                             .recipient_count = 1,
                                             .envelope = S("{}") };
    e->want = RC_OK;
    if (number % 17 == 3) { /* not UTF-8: the database refuses the text */
        e->item.message.sender = S("\xff@chat.example");
        e->want = RC_INVALID;
    }
    if (number % 17 == 5)
        e->item.message.body = str_n(large, sizeof(large));
}

static void *run(void *p)
{
    struct member *m = p;
    struct db *db = test_database_connect("postbus_smtp_ingress", database);

    CHECK(db_connect(db, deadline_in_ms(5000)) == RC_OK);
    pthread_barrier_wait(&m->crowd->start);
    for (size_t i = 0; i < EACH; i++) {
        commit_add(m->crowd->commit, db, &m->crowd->entries[m->index][i].item);
        db_reset(db);
    }
    db_free(&db);
    return NULL;
}

static void everybody_is_answered_once(void **state)
{
    struct crowd *c = calloc(1, sizeof(*c));
    struct db *db = test_database_connect("postgres", database);
    struct member members[THREADS];
    pthread_t threads[THREADS];
    uint32_t good = 0;

    (void)state;
    memset(large, 'x', sizeof(large));
    assert_int_equal(db_run(db, &stmt_clear, DB_NO_PARAMS), RC_OK);
    c->commit = commit_new(count_commit, NULL);
    pthread_barrier_init(&c->start, NULL, THREADS);
    for (size_t i = 0; i < THREADS * EACH; i++)
        fill(&c->entries[i / EACH][i % EACH], i);
    for (size_t i = 0; i < THREADS; i++) {
        members[i] = (struct member){ c, i };
        assert_int_equal(pthread_create(&threads[i], NULL, run, &members[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS * EACH; i++) {
        const struct entry *e = &c->entries[i / EACH][i % EACH];

        assert_int_equal(e->done, 1);
        assert_int_equal(e->item.message.rc, e->want);
        good += e->want == RC_OK;
    }
    assert_int_equal(committed, good);
    assert_int_equal(db_run(db, &stmt_count, DB_NO_PARAMS), RC_OK);
    assert_int_equal(db_get_int(db, 0, 0, 0), good);
    assert_true(commits < good); /* somebody shared */
    commit_free(&c->commit);
    pthread_barrier_destroy(&c->start);
    db_free(&db);
    free(c);
}

static void an_absent_database_refuses_and_goes_on(void **state)
{
    struct db_options o = { .host = "/nonexistent", .connect_timeout_ms = 100 };
    struct db *gone = db_new(&o);
    struct db *db = test_database_connect("postbus_smtp_ingress", database);
    struct commit *c = commit_new(NULL, NULL);
    struct entry first = { 0 }, second = { 0 };

    (void)state;
    commit_wait(c, 200);
    fill(&first, 0);
    fill(&second, 0);
    commit_add(c, gone, &first.item);
    assert_int_equal(first.done, 1);
    assert_int_equal(first.item.message.rc, RC_RETRY);
    commit_add(c, db, &second.item);
    assert_int_equal(second.done, 1);
    assert_int_equal(second.item.message.rc, RC_OK);
    commit_free(&c);
    db_free(&gone);
    db_free(&db);
}

static struct commit *outage;
static struct db *outage_db;
static struct entry late[3 * 32];

/* In the leader's thread: these become its next three batches. */
static void add_more(struct commit_item *item)
{
    note_done(item);
    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
        fill(&late[i], 0);
        commit_add(outage, outage_db, &late[i].item);
    }
}

static void an_outage_costs_a_crowd_one_wait(void **state)
{
    enum { WAIT_MS = 500 };
    struct db_options o = { .host = "/nonexistent", .connect_timeout_ms = 100 };
    struct entry first = { 0 };
    struct deadline slow;

    (void)state;
    outage = commit_new(NULL, NULL);
    outage_db = db_new(&o);
    commit_wait(outage, WAIT_MS);
    fill(&first, 0);
    first.item.done = add_more;
    slow = deadline_in_ms(4 * WAIT_MS - 100);
    commit_add(outage, outage_db, &first.item);
    assert_false(deadline_passed(slow));
    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
        assert_int_equal(late[i].done, 1);
        assert_int_equal(late[i].item.message.rc, RC_RETRY);
    }
    commit_free(&outage);
    db_free(&outage_db);
}

enum { BIG = 20, BIG_BYTES = 250 * 1024, BATCH_BYTES = 2 * 1024 * 1024 };

static uint32_t most_at_once;

static void note_count(void *user, int64_t body_id, uint32_t count)
{
    (void)user;
    (void)body_id;
    if (count > most_at_once)
        most_at_once = count;
}

static void add_big_ones(struct commit_item *item)
{
    note_done(item);
    for (size_t i = 0; i < BIG; i++) {
        fill(&late[i], 0);
        late[i].done = 0;
        late[i].item.message.body = str_n(large, BIG_BYTES);
        commit_add(outage, outage_db, &late[i].item);
    }
}

/* Messages that are nearly large enough to go alone share, but not all of them. */
static void one_transaction_carries_a_bounded_number_of_bytes(void **state)
{
    struct entry first = { 0 };

    (void)state;
    memset(large, 'x', sizeof(large));
    outage = commit_new(note_count, NULL);
    outage_db = test_database_connect("postbus_smtp_ingress", database);
    fill(&first, 0);
    first.item.done = add_big_ones;
    commit_add(outage, outage_db, &first.item);
    for (size_t i = 0; i < BIG; i++) {
        assert_int_equal(late[i].done, 1);
        assert_int_equal(late[i].item.message.rc, RC_OK);
    }
    assert_in_range(most_at_once, 2, BATCH_BYTES / BIG_BYTES);
    commit_free(&outage);
    db_free(&outage_db);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_answered_once),
        cmocka_unit_test(an_absent_database_refuses_and_goes_on),
        cmocka_unit_test(an_outage_costs_a_crowd_one_wait),
        cmocka_unit_test(one_transaction_carries_a_bounded_number_of_bytes),
    };

    (void)argc;
    test_database_enter(argv);
    database = test_database_new();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
