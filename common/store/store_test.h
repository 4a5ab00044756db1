/* store_test.h - what the tests of this folder share: a database of their own, accounts,
 * mail, and a worker that delivers.
 *
 * Run them beside a throw-away server: tools/pg-throwaway build/.../store_x_test.
 * Everything is static, so that each test program carries what it uses.
 */
#pragma once

#include "base/buf.h"
#include "store/db.h"
#include "store/migrate.h"
#include "store/store_accept.h"
#include "store/store_account.h"
#include "store/store_deliver.h"
#include "store/store_ids.h"
#include "store/store_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST_UNUSED __attribute__((unused))

static struct db *test_db; /* superuser */
static struct arena *test_arena;
static char test_name[64]; /* of the database */

static TEST_UNUSED const char *test_host(void)
{
    const char *host = getenv("POSTBUS_TEST_DB");

    if (host == NULL) {
        print_error("POSTBUS_TEST_DB is not set: run this under tools/pg-throwaway\n");
        exit(2);
    }
    return host;
}

static TEST_UNUSED struct db *test_open(const char *database, const char *user)
{
    const struct db_options o = {
        .host = test_host(), .name = database, .user = user, .application = "test"
    };

    return db_new(&o);
}

static TEST_UNUSED struct db *test_connect(void)
{
    return test_open(test_name, "postgres");
}

static TEST_UNUSED void test_create_database(void)
{
    struct db *admin = test_open("postgres", "postgres");
    char sql[128];

    snprintf(test_name, sizeof(test_name), "test_%ld", (long)getpid());
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", test_name);
    assert_int_equal(db_script(admin, sql), RC_OK);
    db_free(&admin);
    test_db = test_connect();
    test_arena = arena_new();
}

static TEST_UNUSED int test_group_setup(void **state)
{
    const struct migrate_options o = { 0 };
    struct buf report;

    (void)state;
    test_create_database();
    buf_init(&report, 65536);
    if (migrate_run(test_db, &o, &report) != RC_OK) {
        print_error("%.*s\n", STR_ARG(buf_str(&report)));
        return -1;
    }
    buf_fini(&report);
    return 0;
}

static TEST_UNUSED int test_group_teardown(void **state)
{
    struct db *admin = test_open("postgres", "postgres");
    char sql[128];

    (void)state;
    db_free(&test_db);
    arena_free(&test_arena);
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", test_name);
    assert_int_equal(db_script(admin, sql), RC_OK);
    db_free(&admin);
    return 0;
}

/* Empty everything but the schema. */
static TEST_UNUSED int test_setup(void **state)
{
    (void)state;
    db_reset(test_db);
    arena_reset(test_arena);
    return db_script(test_db, "TRUNCATE account, mailbox, message, expunged, queue, "
                              "queue_aside, queue_remote, queue_failed, device") == RC_OK
               ? 0
               : -1;
}

/* A number from the database, by a query that a test makes up. */
static TEST_UNUSED int64_t test_number(struct db *db, const char *sql)
{
    struct db_statement s = { .name = "", .sql = sql };
    int64_t value;

    /* The unnamed statement is prepared anew each time, and never counted as prepared. */
    assert_int_equal(db_run(db, &s, DB_NO_PARAMS), RC_OK);
    assert_int_equal(db_rows(db, 0), 1);
    value = db_is_null(db, 0, 0, 0) ? -1 : db_get_int(db, 0, 0, 0);
    return value;
}

static TEST_UNUSED __attribute__((format(printf, 1, 2))) void test_sql(const char *format,
                                                                       ...)
{
    char sql[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(sql, sizeof(sql), format, ap);
    va_end(ap);
    assert_int_equal(db_script(test_db, sql), RC_OK);
}

/* PostgreSQL's clock, as test_db sees it; "0" puts it right again. */
static TEST_UNUSED void test_move_clock(const char *interval)
{
    test_sql("CREATE SCHEMA IF NOT EXISTS moved");
    test_sql("SET search_path = moved, pg_catalog, public");
    test_sql("CREATE OR REPLACE FUNCTION moved.clock_timestamp() RETURNS timestamptz "
             "LANGUAGE sql VOLATILE AS $$ SELECT pg_catalog.clock_timestamp() + '%s' $$",
             interval);
    test_sql("CREATE OR REPLACE FUNCTION moved.now() RETURNS timestamptz "
             "LANGUAGE sql STABLE AS $$ SELECT pg_catalog.now() + '%s' $$",
             interval);
}

static TEST_UNUSED str_t test_address(int i)
{
    return str_of(arena_printf(test_arena, "user%d@example.org", i));
}

static TEST_UNUSED int64_t test_account(int i, int64_t quota)
{
    str_t address = test_address(i);
    struct store_account n = { .id = store_ids_new_account(address),
                               .address = address,
                               .password_hash = S("$y$hash"),
                               .quota_bytes = quota };

    assert_int_equal(store_account_create(test_db, &n), RC_OK);
    return n.id;
}

static TEST_UNUSED int64_t test_inbox(int64_t account)
{
    return store_ids_mailbox(account, STORE_IDS_INBOX);
}

/* What a session would ask that knows everything below uidnext and up to modseq. */
#define test_look(mailbox_, uidnext_, modseq_)                                           \
    (&(const struct store_message_look){                                                 \
        .mailbox = (mailbox_), .uidnext = (uidnext_), .modseq = (modseq_) })

static TEST_UNUSED int64_t test_mail(struct db *db, const str_t *to, size_t n, str_t body)
{
    struct store_accept m = { .head = S("Subject: [...]\r\n\r\n"),
                              .body = body,
                              .sender = S("sender@example.org"),
                              .recipients = to,
                              .recipient_count = n };

    assert_int_equal(store_accept(db, &m, 1, 5000), RC_OK);
    return m.body_id;
}

/* One turn of a queue-worker that knows only local people.  *n rows were claimed. */
static TEST_UNUSED enum rc test_deliver(struct db *db, struct store_queue_cursor *c,
                                        size_t limit, size_t *n, size_t *refused)
{
    struct arena *a = arena_new();
    struct store_queue_row *rows;
    struct store_deliver *d = NULL;
    size_t addresses = 0;
    str_t *list;
    enum rc rc;

    *n = 0;
    db_begin(db);
    rc = store_queue_claim(a, db, c, limit, &rows, n);
    if (rc == RC_OK) {
        list = arena_array(a, *n * 100 + 1, sizeof(*list));
        for (size_t i = 0; i < *n; i++)
            for (size_t r = 0; r < rows[i].recipient_count; r++)
                list[addresses++] = rows[i].recipients[r];
        rc = store_deliver_lock(a, db, 0, list, addresses, &d);
    }
    for (size_t i = 0; rc == RC_OK && i < *n; i++) {
        size_t later = 0;

        for (size_t r = 0; r < rows[i].recipient_count; r++) {
            struct store_deliver_box *box = store_deliver_find(d, rows[i].recipients[r]);

            if (box != NULL && box->busy)
                rows[i].recipients[later++] = rows[i].recipients[r];
            else if (box == NULL ||
                     store_deliver_add(d, box, rows[i].body_id, rows[i].size,
                                       rows[i].idate_unix) != RC_OK)
                (*refused)++;
        }
        rows[i].recipient_count = later;
        rows[i].due_us = rows[i].now_us;
        if (later > 0)
            store_queue_requeue(db, &rows[i]);
    }
    if (rc == RC_OK) {
        store_deliver_put(d, db);
        rc = db_commit(db);
    }
    if (rc != RC_OK)
        db_rollback(db);
    arena_free(&a);
    return rc;
}

/* All that is in the queue, to local people. */
static TEST_UNUSED void test_deliver_all(void)
{
    struct store_queue_cursor c = { 0 };
    size_t n, refused = 0;

    do
        assert_int_equal(test_deliver(test_db, &c, 64, &n, &refused), RC_OK);
    while (n > 0);
}

/* n messages of `bytes` in the INBOX of user i. */
static TEST_UNUSED void test_fill(int i, size_t n, size_t bytes)
{
    str_t to = test_address(i);
    char *body = arena_alloc(test_arena, bytes + 1);

    memset(body, 'x', bytes);
    for (size_t k = 0; k < n; k++)
        test_mail(test_db, &to, 1, str_n(body, bytes));
    test_deliver_all();
}
