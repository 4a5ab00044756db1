/* store_migrate_test.c - migrating twice, at once, and what the roles may do. */
#include "store/store_test.h"

#include "store/store_account_show.h"
#include "store/store_alias.h"
#include "store/store_api_token.h"
#include "store/store_body.h"
#include "store/store_device.h"
#include "store/store_dkim.h"
#include "store/store_expire.h"
#include "store/store_mailbox.h"
#include "store/store_message.h"
#include "store/store_remote.h"

#include <pthread.h>

static int setup(void **state)
{
    (void)state;
    test_create_database();
    return 0;
}

static enum rc migrate(struct db *db, const struct migrate_options *o)
{
    struct buf report;
    enum rc rc;

    buf_init(&report, 65536);
    rc = migrate_run(db, o, &report);
    assert_true(report.n > 0);
    buf_fini(&report);
    return rc;
}

static void *migrate_thread(void *rc)
{
    const struct migrate_options o = { .passwords = { [MIGRATE_JANITOR] =
                                                          "it's \"x\"" } };
    struct db *db = test_connect();

    *(enum rc *)rc = migrate(db, &o);
    db_free(&db);
    return NULL;
}

static void roles_must_exist_if_they_may_not_be_made(void **state)
{
    const struct migrate_options given = { .roles_given = true };
    int version;

    (void)state;
    if (test_number(test_db, "SELECT count(*) FROM pg_roles WHERE rolname = "
                             "'postbus_janitor'") == 0)
        assert_int_equal(migrate(test_db, &given), RC_NOT_FOUND);
    assert_int_equal(migrate_version(test_db, &version), RC_OK);
    assert_int_equal(version, 0);
}

static void many_at_once_do_no_harm(void **state)
{
    enum { N = 4 };
    pthread_t threads[N];
    enum rc rc[N];
    int version;

    (void)state;
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, migrate_thread, &rc[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(rc[i], RC_OK);
    }
    assert_int_equal(migrate_version(test_db, &version), RC_OK);
    assert_int_equal(version, migrate_latest());
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM schema_version"),
                     migrate_latest());
}

static void again_keeps_what_is_there(void **state)
{
    const struct migrate_options o = { 0 }, given = { .roles_given = true };

    (void)state;
    test_account(1, 1000);
    assert_int_equal(migrate(test_db, &o), RC_OK);
    assert_int_equal(migrate(test_db, &given), RC_OK);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account"), 1);
    assert_int_equal(test_number(test_db,
                                 "SELECT count(*) FROM pg_authid WHERE rolname = "
                                 "'postbus_janitor' AND rolpassword IS NOT NULL"),
                     1);
}

/* What the report says; the buffer is the caller's to end. */
static enum rc migrate_report(struct db *db, struct buf *report)
{
    const struct migrate_options given = { .roles_given = true };
    enum rc rc;

    buf_init(report, 65536);
    rc = migrate_run(db, &given, report);
    buf_putc(report, '\0');
    return rc;
}

static void a_newer_schema_is_left_alone(void **state)
{
    struct buf report;
    char text[100];

    (void)state;
    test_sql("INSERT INTO schema_version VALUES (%d, 'later', 0)", migrate_latest() + 1);
    test_sql("REVOKE SELECT ON message FROM postbus_janitor");
    assert_int_equal(migrate_report(test_db, &report), RC_DENIED);
    snprintf(text, sizeof(text), "schema version %d, and this program knows %d",
             migrate_latest() + 1, migrate_latest());
    assert_non_null(strstr(report.p, text));
    assert_null(strstr(report.p, "is at version"));
    buf_fini(&report);
    assert_int_equal(test_number(test_db, "SELECT count(*) WHERE has_table_privilege("
                                          "'postbus_janitor', 'message', 'SELECT')"),
                     0); /* nor what a newer release granted */
    test_sql("DELETE FROM schema_version WHERE version > %d", migrate_latest());
    assert_int_equal(migrate_report(test_db, &report), RC_OK);
    buf_fini(&report);
}

/* One file of the schema once more, whatever has been added behind it. */
static void apply_again(const char *name)
{
    static char sql[65536];
    char path[100];
    FILE *f;

    snprintf(path, sizeof(path), "common/store/migrations/%s.sql", name);
    f = fopen(path, "r");
    assert_non_null(f);
    sql[fread(sql, 1, sizeof(sql) - 1, f)] = '\0';
    fclose(f);
    assert_int_equal(db_script(test_db, sql), RC_OK);
}

/* As it was before there were buckets. */
static void go_back_to_version_9(void)
{
    test_sql("DELETE FROM schema_version WHERE version >= 10");
    test_sql("ALTER TABLE account DROP CONSTRAINT account_bucket; "
             "DROP FUNCTION bucket_of");
}

static void is_refused_as_earlier(void)
{
    struct buf report;

    assert_int_equal(migrate_report(test_db, &report), RC_DENIED);
    assert_non_null(strstr(report.p, "created by an earlier version"));
    assert_non_null(strstr(report.p, "create an empty database"));
    assert_non_null(strstr(report.p, "nothing was changed"));
    assert_null(strstr(report.p, "applied"));
    assert_null(strstr(report.p, "is at version"));
    buf_fini(&report);
    assert_int_equal(test_number(test_db, "SELECT max(version) FROM schema_version"), 9);
}

/* Behind version 10 nothing has been taken away. */
static void is_taken(void)
{
    struct buf report;

    apply_again("0010_buckets");
    test_sql("INSERT INTO schema_version SELECT v, 'again', 0 "
             "FROM generate_series(10, %d) v",
             migrate_latest());
    assert_int_equal(migrate_report(test_db, &report), RC_OK);
    buf_fini(&report);
}

/* The bucket in the last ten bits, as it once was. */
static void ids_of_an_earlier_layout_are_refused(void **state)
{
    int64_t accounts;

    (void)state;
    accounts = test_number(test_db, "SELECT count(*) FROM account");
    go_back_to_version_9();
    /* The first 10 bits of sha256("alice@example.org") are 489. */
    test_sql("INSERT INTO account (id, created_day, seen_day, addr, pwhash) "
             "VALUES (77::int8 << 10 | 489, 1, 1, 'alice@example.org', '')");
    is_refused_as_earlier();
    /* The right one is not. */
    test_sql("UPDATE account SET id = 489::int8 << 35 | 77 WHERE addr LIKE 'alice@%%'");
    is_taken();
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM account"), accounts + 1);
    /* From now on nobody gets such an id, whoever makes it. */
    assert_int_equal(db_script(test_db,
                               "INSERT INTO account (id, created_day, seen_day, "
                               "addr, pwhash) VALUES (77::int8 << 10 | 12, 1, 1, "
                               "'bob@example.org', '')"),
                     RC_INVALID);
}

/* No account tells that it is old; but whatever is accepted would fail. */
static void functions_of_an_earlier_shape_are_refused(void **state)
{
    (void)state;
    go_back_to_version_9();
    test_sql("DROP FUNCTION due_now; DROP FUNCTION refuse_clock; "
             "CREATE FUNCTION due_now(body_id int8) RETURNS int8 LANGUAGE sql "
             "AS 'SELECT 1::int8'");
    is_refused_as_earlier();
    test_sql("DROP FUNCTION due_now");
    apply_again("0004_due_now");
    is_taken();
}

/* As before PostgreSQL 15: everybody may create objects in the schema that all use. */
static void nobody_creates_anything_beside_our_tables(void **state)
{
    struct buf report;

    (void)state;
    test_sql("GRANT CREATE ON SCHEMA public TO PUBLIC");
    assert_int_equal(migrate_report(test_db, &report), RC_OK);
    assert_null(strstr(report.p, "warning"));
    buf_fini(&report);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM pg_roles WHERE rolname ~ "
                                          "'^postbus_' AND has_schema_privilege(rolname, "
                                          "'public', 'CREATE')"),
                     0);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM pg_roles WHERE rolname ~ "
                                          "'^postbus_' AND has_schema_privilege(rolname, "
                                          "'public', 'USAGE')"),
                     MIGRATE_ROLE_COUNT);
}

/* The schema belongs to the superuser and the database does not: only said. */
static void who_may_not_close_the_schema_says_how(void **state)
{
    char name[80], sql[120];
    struct buf report;
    struct db *db;

    (void)state;
    snprintf(name, sizeof(name), "%s_modest", test_name);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s OWNER modest", name);
    test_sql("CREATE ROLE modest LOGIN");
    assert_int_equal(db_script(test_db, sql), RC_OK);
    db = test_open(name, "postgres");
    assert_int_equal(db_script(db, "ALTER SCHEMA public OWNER TO postgres; "
                                   "GRANT CREATE ON SCHEMA public TO PUBLIC"),
                     RC_OK);
    db_free(&db);
    db = test_open(name, "modest");
    assert_int_equal(migrate_report(db, &report), RC_OK);
    assert_non_null(strstr(report.p, "GRANT ALL ON SCHEMA public TO \"modest\""));
    buf_fini(&report);
    db_free(&db);
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", name);
    assert_int_equal(db_script(test_db, sql), RC_OK);
    test_sql("DROP ROLE modest");
}

static struct db *as(enum migrate_role role)
{
    return test_open(test_name, migrate_role_name(role));
}

/* A figure that was copied from the option, once, must not outlive the option. */
static void accounts_of_the_first_schema_have_the_options_quota(void **state)
{
    const struct migrate_options o = { 0 };
    struct store_mailbox_quota quota;
    int64_t account = test_account(3, 0);
    struct db *gateway;

    (void)state;
    test_sql("UPDATE mailbox SET quota = 77 WHERE id = %lld",
             (long long)test_inbox(account));
    test_sql("ALTER TABLE mailbox DROP COLUMN own_quota; DROP FUNCTION quota_of");
    apply_again("0002_own_quota");
    assert_int_equal(migrate(test_db, &o), RC_OK); /* the rights on the new column */
    gateway = as(MIGRATE_IMAP_GATEWAY);
    assert_int_equal(store_mailbox_quota(gateway, account, &quota), RC_OK);
    assert_int_equal(quota.limit_bytes, db_quota_bytes(gateway));
    assert_int_equal(test_number(test_db, "SELECT min(quota) FROM mailbox"), 77);
    db_free(&gateway);
}

/* One message on its way through all six roles. */
static struct store_account person;
static int64_t inbox, body;

static void ingress_accepts(struct db *db)
{
    struct store_account found;
    int64_t ids[1];
    int version;

    person = (struct store_account){ .id = store_ids_new_account(S("w@example.org")),
                                     .address = S("w@example.org"),
                                     .password_hash = S("h"),
                                     .quota_bytes = 100000 };
    inbox = test_inbox(person.id);
    assert_int_equal(migrate_version(db, &version), RC_OK);
    assert_int_equal(store_account_create(db, &person), RC_OK);
    assert_int_equal(store_account_find(test_arena, db, person.address, &found), RC_OK);
    assert_int_equal(store_account_resolve(db, &person.address, 1, ids), RC_OK);
    body = test_mail(db, &person.address, 1, S("x"));
}

static void worker_delivers(struct db *db)
{
    struct store_remote_row r = { .body_id = body,
                                  .domain = S("far.example"),
                                  .recipients = &person.address,
                                  .recipient_count = 1 };
    struct store_queue_cursor c = { 0 };
    struct store_queue_stats stats;
    struct store_queue_row row;
    size_t n, refused = 0;
    int64_t ids[1];
    str_t back;

    assert_int_equal(test_deliver(db, &c, 10, &n, &refused), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(refused, 0);
    assert_int_equal(store_account_resolve(db, &person.address, 1, ids), RC_OK);
    assert_int_equal(store_queue_mark_overdue(db, &n), RC_OK);
    assert_int_equal(store_queue_call_back(db, &n), RC_OK);
    assert_int_equal(store_queue_suspect(test_arena, db, &row), RC_NOT_FOUND);
    assert_int_equal(store_queue_stats(db, &stats), RC_OK);
    assert_int_equal(store_body_read(test_arena, db, body, 19, 0, 19, &back), RC_OK);
    db_begin(db);
    store_remote_add(db, &r, 100);
    assert_int_equal(db_commit(db), RC_OK);
}

static void worker_signs(struct db *db)
{
    const struct store_dkim_key key = { .domain = S("example.org"),
                                        .selector = S("s"),
                                        .record = S("v=DKIM1"),
                                        .sealed = S("x") };
    struct store_dkim_key *keys;
    size_t n;

    db_begin(db);
    assert_int_equal(store_dkim_lock(db), RC_OK);
    assert_int_equal(store_dkim_add(db, &key, true), RC_OK);
    assert_int_equal(db_commit(db), RC_OK);
    assert_int_equal(store_dkim_reseal(db, &key, S("y")), RC_OK);
    assert_int_equal(store_dkim_used(test_arena, db, key.domain, &keys, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_true(str_eq(keys[0].sealed, S("y")));
}

static void sender_fails(struct db *db)
{
    struct store_remote_claim how = { .limit = 1, .per_destination = 1, .lease_s = 60 };
    struct store_remote_failure f = { .recipient = person.address };
    struct store_remote_outcome o = { .failures = &f, .failure_count = 1 };
    struct store_remote_cursor at = { 0 };
    struct store_remote_row *row;
    str_t back;
    size_t n;

    assert_int_equal(store_remote_claim(test_arena, db, &at, &how, &row, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_body_read(test_arena, db, body, 19, 0, 19, &back), RC_OK);
    assert_int_equal(store_remote_call_back(db, 3600, 60, &n), RC_OK);
    assert_int_equal(store_remote_extend(db, row, 60), RC_OK);
    assert_int_equal(store_remote_settle(db, row, &o), RC_OK);
}

static void worker_bounces_and_sets_aside(struct db *db)
{
    struct store_queue_new bounce = { .message = S("b"),
                                      .recipients = &person.address,
                                      .recipient_count = 1 };
    struct store_queue_cursor c = { 0 };
    struct store_remote_failed *failed;
    struct store_queue_row *rows;
    size_t n;

    db_begin(db);
    assert_int_equal(store_remote_claim_failed(test_arena, db, 10, &failed, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_queue_add(db, &bounce), RC_OK);
    assert_int_equal(db_commit(db), RC_OK);
    db_begin(db);
    assert_int_equal(store_queue_claim(test_arena, db, &c, 1, &rows, &n), RC_OK);
    assert_int_equal(n, 1);
    db_rollback(db);
    assert_int_equal(store_queue_survived(db, rows), RC_OK);
    assert_int_equal(store_queue_set_aside(db, rows, S("r")), RC_OK);
}

static void gateway_serves(struct db *db)
{
    struct store_message_change change = { .flags = 1, .unchanged_since = -1 };
    struct store_message_uids one = { .uid = (uint32_t[]){ 1 }, .n = 1 };
    struct store_message_append m = { .message = S("draft") };
    struct store_message_copied copied;
    struct store_message_expunged gone;
    struct store_message_flagged flagged;
    struct store_message_news news;
    struct store_account found;
    struct arena *a = test_arena;
    int64_t other;

    assert_int_equal(store_account_find(a, db, person.address, &found), RC_OK);
    assert_int_equal(store_account_seen(db, person.id), RC_OK);
    assert_int_equal(store_message_news(a, db, test_look(inbox, 1, 0), &news), RC_OK);
    assert_int_equal(news.added.n, 1);
    assert_int_equal(store_message_flag(a, db, inbox, &one, &change, &flagged, NULL),
                     RC_OK);
    assert_int_equal(store_mailbox_create(db, person.id, S("F"), 0, &other), RC_OK);
    assert_int_equal(store_message_copy(a, db, inbox, other, &one, &copied), RC_OK);
    assert_int_equal(store_message_move(a, db, inbox, other, &one, &copied), RC_OK);
    assert_int_equal(store_message_expunge(a, db, other, &one, false, &gone), RC_OK);
    assert_int_equal(store_message_append(db, inbox, &m), RC_OK);
    assert_int_equal(store_mailbox_rename(db, other, S("G"), '/'), RC_OK);
    assert_int_equal(store_mailbox_delete(db, other), RC_OK);
    assert_int_equal(store_device_put(db, person.id, S("t")), RC_OK);
}

static void registrar_asks(struct db *db)
{
    static const str_t hash = STR("0123456789abcdef0123456789abcdef");
    str_t target = S("ann");
    const struct store_alias alias = { S("info"), &target, 1 };
    struct store_alias_known known;
    struct store_alias *list;
    struct store_account_show account;
    struct store_api_token token;
    int64_t made;
    int version;
    size_t n;

    assert_int_equal(migrate_version(db, &version), RC_OK);
    assert_int_equal(store_account_private_made(db, &made), RC_OK);
    assert_int_equal(store_account_show(test_arena, db, person.address, &account), RC_OK);
    assert_int_equal(store_api_token_find(test_arena, db, hash, &token), RC_NOT_FOUND);
    assert_int_equal(store_api_token_used(db, hash), RC_OK);
    assert_int_equal(store_alias_set(db, &alias), RC_OK);
    assert_int_equal(store_alias_list(test_arena, db, &list, &n), RC_OK);
    assert_int_equal(
        store_alias_resolve(test_arena, db, &target, 1, &alias.key, 1, &known), RC_OK);
    assert_int_equal(store_alias_remove(db, alias.key), RC_OK);
}

/* No service has the rights for this. */
static void owner_administers(struct db *db)
{
    struct store_queue_stats stats;
    struct store_queue_aside *aside;
    size_t n;

    assert_int_equal(store_account_set_password(db, person.id, S("new")), RC_OK);
    assert_int_equal(store_queue_list_aside(test_arena, db, 10, &aside, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_queue_release(db, aside[0].row.body_id), RC_OK);
    assert_int_equal(store_remote_retry_now(db, S(""), &n), RC_OK);
    assert_int_equal(store_queue_stats(db, &stats), RC_OK);
}

static void janitor_forgets(struct db *db)
{
    const struct store_expire_rule rule = { .older_than_s = -10 };
    struct store_expire_report report;
    struct store_expire_hint *hints;
    struct arena *a = test_arena;
    int64_t *list, bytes, now_us, trusted_us;
    int32_t day;
    int tables;
    size_t n;

    assert_int_equal(store_expire_clock(db, &now_us, &trusted_us), RC_OK);
    assert_int_equal(store_expire_trust(db, now_us), RC_OK);
    assert_int_equal(store_expire_find(a, db, &rule, 0, 10, &list, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_expire_messages(a, db, &rule, list, n, &hints, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_expire_trim(a, db, person.id, 0, 0, &hints, &n), RC_OK);
    assert_int_equal(store_expire_full(a, db, 75, 0, 10, &list, &n), RC_OK);
    assert_int_equal(store_expire_today(db, &day), RC_OK);
    assert_int_equal(store_expire_inactive(a, db, day - 90, -1, 10, &list, &n), RC_OK);
    assert_int_equal(store_expire_leftovers(db, 86400, &bytes), RC_OK);
    assert_int_equal(store_expire_bodies(db, 86400, &tables, &bytes), RC_OK);
    assert_int_equal(store_body_truncate(db, 0, INT64_MAX), RC_OK);
    assert_int_equal(store_expire_report(db, &(str_t)STR("example.org"), 1, &report),
                     RC_OK);
    assert_int_equal(store_account_delete(db, person.id, INT32_MAX), RC_OK);
}

static void each_role_can_do_its_work(void **state)
{
    static const struct {
        int role; /* enum migrate_role; MIGRATE_ROLE_COUNT: the owner */
        void (*work)(struct db *db);
    } walk[] = {
        { MIGRATE_SMTP_INGRESS, ingress_accepts },
        { MIGRATE_QUEUE_WORKER, worker_delivers },
        { MIGRATE_QUEUE_WORKER, worker_signs },
        { MIGRATE_REMOTE_SENDER, sender_fails },
        { MIGRATE_QUEUE_WORKER, worker_bounces_and_sets_aside },
        { MIGRATE_IMAP_GATEWAY, gateway_serves },
        { MIGRATE_REGISTRAR, registrar_asks },
        { MIGRATE_ROLE_COUNT, owner_administers },
        { MIGRATE_JANITOR, janitor_forgets },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(walk); i++) {
        bool owner = walk[i].role == MIGRATE_ROLE_COUNT;
        struct db *db = owner ? test_connect() : as(walk[i].role);

        walk[i].work(db);
        db_free(&db);
    }
}

static void each_role_can_do_no_more(void **state)
{
    static const struct {
        enum migrate_role role;
        const char *sql;
    } forbidden[] = {
        { MIGRATE_SMTP_INGRESS, "SELECT data FROM body_00" },
        { MIGRATE_SMTP_INGRESS, "SELECT * FROM message" },
        { MIGRATE_SMTP_INGRESS, "UPDATE account SET pwhash = ''" },
        { MIGRATE_SMTP_INGRESS, "DELETE FROM queue" },
        { MIGRATE_SMTP_INGRESS, "SELECT sender FROM queue" },
        { MIGRATE_IMAP_GATEWAY, "SELECT * FROM queue" },
        { MIGRATE_IMAP_GATEWAY, "UPDATE account SET pwhash = ''" },
        { MIGRATE_IMAP_GATEWAY, "DELETE FROM account" },
        { MIGRATE_IMAP_GATEWAY, "DELETE FROM body_00" },
        { MIGRATE_QUEUE_WORKER, "SELECT pwhash FROM account" },
        { MIGRATE_QUEUE_WORKER, "DELETE FROM message" },
        { MIGRATE_QUEUE_WORKER, "DELETE FROM queue_remote" },
        { MIGRATE_QUEUE_WORKER, "UPDATE dkim_key SET used = 1" },
        { MIGRATE_SMTP_INGRESS, "SELECT domain FROM dkim_key" },
        { MIGRATE_IMAP_GATEWAY, "SELECT domain FROM dkim_key" },
        { MIGRATE_REMOTE_SENDER, "SELECT domain FROM dkim_key" },
        { MIGRATE_REGISTRAR, "SELECT private FROM dkim_key" },
        { MIGRATE_JANITOR, "SELECT private FROM dkim_key" },
        { MIGRATE_REMOTE_SENDER, "SELECT * FROM account" },
        { MIGRATE_REMOTE_SENDER, "SELECT * FROM message" },
        { MIGRATE_REMOTE_SENDER, "INSERT INTO body_00 VALUES (1, 1, 1, '')" },
        { MIGRATE_REMOTE_SENDER, "SELECT * FROM queue" },
        { MIGRATE_QUEUE_WORKER, "SELECT * FROM message" },
        { MIGRATE_REMOTE_SENDER, "SELECT * FROM device" },
        { MIGRATE_REGISTRAR, "SELECT data FROM body_00" },
        { MIGRATE_REGISTRAR, "SELECT pwhash FROM account" },
        { MIGRATE_REGISTRAR, "UPDATE account SET state = 1" },
        { MIGRATE_REGISTRAR, "INSERT INTO api_token VALUES ('', '', 0)" },
        { MIGRATE_REGISTRAR, "UPDATE api_token SET revoked = 0" },
        { MIGRATE_IMAP_GATEWAY, "SELECT name FROM api_token" },
        { MIGRATE_REGISTRAR, "SELECT * FROM mailbox" },
        { MIGRATE_REGISTRAR, "SELECT * FROM queue" },
        { MIGRATE_REGISTRAR, "SELECT * FROM device" },
        { MIGRATE_JANITOR, "UPDATE account SET pwhash = ''" },
        { MIGRATE_JANITOR, "SELECT data FROM body_00" },
        { MIGRATE_JANITOR, "INSERT INTO message VALUES (1, 1, 1, 1, 1, 1)" },
        { MIGRATE_JANITOR, "DELETE FROM queue" },
        { MIGRATE_JANITOR, "CREATE TABLE mine (i int)" },
        { MIGRATE_JANITOR, "DELETE FROM trusted_time" },
        { MIGRATE_REGISTRAR, "UPDATE schema_version SET version = 9" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        struct db *db = as(forbidden[i].role);

        /* A missing right is the installation's trouble, never a client's. */
        assert_int_equal(db_script(db, forbidden[i].sql), RC_RETRY);
        assert_string_equal(db_sqlstate(db), "42501");
        db_free(&db);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_must_exist_if_they_may_not_be_made),
        cmocka_unit_test(many_at_once_do_no_harm),
        cmocka_unit_test(again_keeps_what_is_there),
        cmocka_unit_test(a_newer_schema_is_left_alone),
        cmocka_unit_test(ids_of_an_earlier_layout_are_refused),
        cmocka_unit_test(functions_of_an_earlier_shape_are_refused),
        cmocka_unit_test(accounts_of_the_first_schema_have_the_options_quota),
        cmocka_unit_test(each_role_can_do_its_work),
        cmocka_unit_test(each_role_can_do_no_more),
        cmocka_unit_test(nobody_creates_anything_beside_our_tables),
        cmocka_unit_test(who_may_not_close_the_schema_says_how),
    };

    return cmocka_run_group_tests(tests, setup, test_group_teardown);
}
