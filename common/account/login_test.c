/* login_test.c - creation at first sight, races, changed passwords, against PostgreSQL.
 */
#include "account/login.h"

#include "account/password.h"
#include "account/test_database.h"
#include "base/metric.h"
#include "mail/domains.h"
#include "store/store_account.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { RACERS = 10 };

static const struct domains chat = DOMAINS_ONE("chat.example");
static const char *database;

struct fixture {
    struct login_options options;
    struct login *login;
    struct db *db;
    struct arena *arena;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->options = (struct login_options){
        .rules = { &chat, false, 9, 9, 9 },
        .registration_open = true,
        .password_hash_cost = 1,
        .cache_entries = 100,
    };
    f->login = login_new(&f->options);
    f->db = test_database_connect("postbus_smtp_ingress", database);
    f->arena = arena_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    login_free(&f->login);
    db_free(&f->db);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static enum rc try_from(struct fixture *f, uint64_t network, const char *user,
                        const char *password, struct login_account *out)
{
    struct login_request r = { .purpose = LOGIN_FOR_SUBMISSION,
                               .user = str_of(user),
                               .password = str_of(password),
                               .network = network };

    return login_check(f->login, f->db, f->arena, &r, out);
}

static enum rc try(struct fixture *f, const char *user, const char *password,
                   struct login_account *out)
{
    return try_from(f, 0, user, password, out);
}

static void restart_login(struct fixture *f)
{
    login_free(&f->login);
    f->login = login_new(&f->options);
}

static void first_login_creates(void **state)
{
    struct fixture *f = *state;
    struct login_account first, second;

    assert_int_equal(try(f, "Create001@Chat.Example", "correct horse", &first), RC_OK);
    assert_true(first.created);
    assert_true(str_eq(first.address, S("create001@chat.example")));
    assert_int_equal(try(f, "create001@chat.example", "correct horse", &second), RC_OK);
    assert_false(second.created);
    assert_int_equal(first.id, second.id);
    assert_int_equal(try(f, "create001@chat.example", "incorrect one", &second),
                     RC_DENIED);
    restart_login(f); /* nothing cached: the hash decides */
    assert_int_equal(try(f, "create001@chat.example", "correct horse", &second), RC_OK);
    assert_int_equal(first.id, second.id);
    assert_int_equal(try(f, "create001@chat.example", "incorrect one", &second),
                     RC_DENIED);
}

static void refused_names_and_passwords_leave_nothing(void **state)
{
    static const char *const cases[][2] = {
        { "short@chat.example", "correct horse" },
        { "refused01@chat.example", "short" },
        { "refused01@elsewhere.example", "correct horse" },
        { "refused01", "correct horse" },
        { "", "" },
        { "refu$ed01@chat.example", "correct horse" },
    };
    struct fixture *f = *state;
    struct login_account out;
    int64_t before, after;

    assert_int_equal(store_account_count(f->db, &before), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(try(f, cases[i][0], cases[i][1], &out), RC_DENIED);
    assert_int_equal(store_account_count(f->db, &after), RC_OK);
    assert_int_equal(before, after);
}

static void closed_registration_lets_known_people_in(void **state)
{
    struct fixture *f = *state;
    struct login_account out;
    char path[] = "/tmp/login_test.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(try(f, "known0001@chat.example", "correct horse", &out), RC_OK);
    f->options.nocreate_file = path;
    restart_login(f);
    assert_int_equal(try(f, "new000001@chat.example", "correct horse", &out), RC_DENIED);
    assert_true(out.is_closed);
    assert_int_equal(try(f, "known0001@chat.example", "incorrect one", &out), RC_DENIED);
    assert_false(out.is_closed);
    assert_int_equal(try(f, "new000001@other.example", "correct horse", &out), RC_DENIED);
    assert_false(out.is_closed);
    assert_int_equal(try(f, "known0001@chat.example", "correct horse", &out), RC_OK);
    unlink(path); /* read at each creation, no restart */
    assert_int_equal(try(f, "new000001@chat.example", "correct horse", &out), RC_OK);
    f->options.registration_open = false;
    restart_login(f);
    assert_int_equal(try(f, "new000002@chat.example", "correct horse", &out), RC_DENIED);
    assert_true(out.is_closed);
}

/* Whoever asks for names is as limited as who asks for passwords. */
static void closed_registration_tells_names_so_often(void **state)
{
    enum { HERE = 1, THERE = 2 };
    struct fixture *f = *state;
    struct login_account out;
    char name[64];

    f->options.registration_open = false;
    f->options.failed_per_minute = 3;
    restart_login(f);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "asked%04d@chat.example", i);
        assert_int_equal(try_from(f, HERE, name, "correct horse", &out),
                         i < 3 ? RC_DENIED : RC_LIMIT);
        assert_int_equal(out.is_closed, i < 3);
    }
    assert_int_equal(try_from(f, THERE, name, "correct horse", &out), RC_DENIED);
    assert_true(out.is_closed);
}

static void a_busy_machine_lets_known_people_in(void **state)
{
    struct fixture *f = *state;
    struct login_account out;

    assert_int_equal(try(f, "known0002@chat.example", "correct horse", &out), RC_OK);
    f->options.limits.min_free_disk_bytes = INT64_MAX;
    f->options.limits.disk_path = "/";
    restart_login(f);
    /* nobody is told that a password is wrong because the machine is busy */
    assert_int_equal(try(f, "new000003@chat.example", "correct horse", &out), RC_RETRY);
    assert_int_equal(try(f, "known0002@chat.example", "correct horse", &out), RC_OK);
}

static void guessing_ends_for_a_network(void **state)
{
    enum { HERE = 1, THERE = 2, MANY = 20 };
    struct fixture *f = *state;
    struct login_account out;

    f->options.failed_per_minute = 3;
    restart_login(f);
    assert_int_equal(try_from(f, HERE, "guessed01@chat.example", "correct horse", &out),
                     RC_OK);
    assert_int_equal(try_from(f, THERE, "guessed02@chat.example", "correct horse", &out),
                     RC_OK);
    for (int i = 0; i < MANY; i++) /* who is right is not counted */
        assert_int_equal(
            try_from(f, HERE, "guessed01@chat.example", "correct horse", &out), RC_OK);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(
            try_from(f, HERE, "guessed02@chat.example", "incorrect one", &out),
            i < 3 ? RC_DENIED : RC_LIMIT);
    /* not even the right guess, nor an account of one's own, nor a refused name */
    assert_int_equal(try_from(f, HERE, "guessed03@chat.example", "correct horse", &out),
                     RC_LIMIT);
    assert_int_equal(try_from(f, HERE, "short@chat.example", "correct horse", &out),
                     RC_LIMIT);
    /* neighbours who were here before do not notice, other networks neither */
    assert_int_equal(try_from(f, HERE, "guessed01@chat.example", "correct horse", &out),
                     RC_OK);
    assert_int_equal(try_from(f, THERE, "guessed02@chat.example", "incorrect one", &out),
                     RC_DENIED);
    /* private addresses stand for anybody */
    for (int i = 0; i < MANY; i++)
        assert_int_equal(try(f, "guessed02@chat.example", "incorrect one", &out),
                         RC_DENIED);
}

static void a_network_makes_so_many_accounts(void **state)
{
    enum { HERE = 1, THERE = 2 };
    struct fixture *f = *state;
    struct login_account out;
    char name[64];

    f->options.new_accounts_per_minute = 1;
    f->options.new_accounts_burst = 3;
    restart_login(f);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "flood%04d@chat.example", i);
        assert_int_equal(try_from(f, HERE, name, "correct horse", &out),
                         i < 3 ? RC_OK : RC_LIMIT);
    }
    assert_int_equal(try_from(f, HERE, "flood0001@chat.example", "correct horse", &out),
                     RC_OK);
    assert_int_equal(try_from(f, HERE, "flood0001@chat.example", "incorrect one", &out),
                     RC_DENIED);
    assert_int_equal(try_from(f, THERE, "flood0003@chat.example", "correct horse", &out),
                     RC_OK);
    for (int i = 10; i < 20; i++) {
        snprintf(name, sizeof(name), "flood%04d@chat.example", i);
        assert_int_equal(try(f, name, "correct horse", &out), RC_OK);
    }
}

/* By all processes together: here two of them. */
static void private_addresses_make_so_many_accounts(void **state)
{
    enum { PUBLIC = 1 };
    struct fixture *f = *state;
    struct db *admin = test_database_connect("postgres", database);
    struct login_account out;
    char name[64];

    assert_int_equal(db_script(admin, "UPDATE private_accounts SET hour = 0"), RC_OK);
    f->options.new_private_accounts_per_hour = 4;
    for (int i = 0; i < 8; i++) {
        if (i % 2 == 0)
            restart_login(f);
        snprintf(name, sizeof(name), "hidden%03d@chat.example", i);
        assert_int_equal(try(f, name, "correct horse", &out), i < 4 ? RC_OK : RC_LIMIT);
    }
    /* whoever has an account does not notice, nor who comes from an address of their own
     */
    assert_int_equal(try(f, "hidden003@chat.example", "correct horse", &out), RC_OK);
    assert_int_equal(try(f, "hidden003@chat.example", "incorrect one", &out), RC_DENIED);
    assert_int_equal(try_from(f, PUBLIC, "hidden004@chat.example", "correct horse", &out),
                     RC_OK);
    f->options.new_private_accounts_per_hour = 0;
    restart_login(f);
    assert_int_equal(try(f, "hidden005@chat.example", "correct horse", &out), RC_OK);
    db_free(&admin);
}

/* The cache must not outlive what it remembers. */
static void changes_count_at_the_next_login(void **state)
{
    struct fixture *f = *state;
    struct db *admin = test_database_connect("postgres", database);
    struct login_account out, again;
    str_t hash;

    assert_int_equal(try(f, "change001@chat.example", "correct horse", &out), RC_OK);
    assert_int_equal(try(f, "change001@chat.example", "correct horse", &out), RC_OK);
    assert_int_equal(password_hash(f->arena, S("battery staple"), 1, &hash), RC_OK);
    assert_int_equal(store_account_set_password(admin, out.id, hash), RC_OK);
    assert_int_equal(try(f, "change001@chat.example", "correct horse", &out), RC_DENIED);
    assert_int_equal(try(f, "change001@chat.example", "battery staple", &out), RC_OK);

    assert_int_equal(store_account_set_state(admin, out.id, STORE_ACCOUNT_DISABLED),
                     RC_OK);
    assert_int_equal(try(f, "change001@chat.example", "battery staple", &out), RC_DENIED);
    assert_int_equal(store_account_set_state(admin, out.id, STORE_ACCOUNT_ACTIVE), RC_OK);
    assert_int_equal(try(f, "change001@chat.example", "battery staple", &out), RC_OK);

    assert_int_equal(store_account_delete(admin, out.id, INT32_MAX), RC_OK);
    /* whoever comes now with any password gets a new, empty account */
    assert_int_equal(try(f, "change001@chat.example", "somebody else", &again), RC_OK);
    assert_true(again.created);
    assert_true(again.id != out.id);
    db_free(&admin);
}

static void imported_hashes_log_in(void **state)
{
    struct fixture *f = *state;
    struct db *admin = test_database_connect("postgres", database);
    struct login_account out;

    assert_int_equal(try(f, "import001@chat.example", "whatever it was", &out), RC_OK);
    assert_int_equal(
        store_account_set_password(
            admin, out.id,
            S("{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uB"
              "nIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1")),
        RC_OK);
    assert_int_equal(try(f, "import001@chat.example", "Hello world!", &out), RC_OK);
    assert_int_equal(try(f, "import001@chat.example", "whatever it was", &out),
                     RC_DENIED);
    db_free(&admin);
}

static void the_day_is_written_by_mailbox_logins_only(void **state)
{
    struct fixture *f = *state;
    struct db *admin = test_database_connect("postgres", database);
    struct login_request mailbox = { .purpose = LOGIN_FOR_MAILBOX,
                                     .user = S("seenday01@chat.example"),
                                     .password = S("correct horse") };
    struct store_account account;
    struct login_account out;

    assert_int_equal(try(f, "seenday01@chat.example", "correct horse", &out), RC_OK);
    assert_int_equal(db_script(admin, "UPDATE account SET seen_day = 1 "
                                      "WHERE addr = 'seenday01@chat.example'"),
                     RC_OK);
    assert_int_equal(try(f, "seenday01@chat.example", "correct horse", &out), RC_OK);
    assert_int_equal(store_account_get(f->arena, admin, out.id, &account), RC_OK);
    assert_int_equal(account.seen_day, 1);
    db_free(&f->db);
    f->db = test_database_connect("postbus_imap_gateway", database);
    assert_int_equal(login_check(f->login, f->db, f->arena, &mailbox, &out), RC_OK);
    assert_int_equal(store_account_get(f->arena, admin, out.id, &account), RC_OK);
    assert_int_equal(account.seen_day, account.today);
    db_free(&admin);
}

struct racer {
    struct fixture *f;
    struct login *login; /* two replicas, so that no cache decides */
    const char *user;
    char password[32];
    enum rc rc;
    int64_t id;
    bool created;
    pthread_barrier_t *start;
};

static void *race(void *p)
{
    struct racer *r = p;
    struct db *db = test_database_connect("postbus_smtp_ingress", database);
    struct arena *a = arena_new();
    struct login_account out = { 0 };
    struct login_request request = { .purpose = LOGIN_FOR_SUBMISSION,
                                     .user = str_of(r->user),
                                     .password = str_of(r->password) };

    CHECK(db_connect(db, deadline_in_ms(5000)) == RC_OK);
    pthread_barrier_wait(r->start);
    r->rc = login_check(r->login, db, a, &request, &out);
    r->id = out.id;
    r->created = out.created;
    arena_free(&a);
    db_free(&db);
    return NULL;
}

/* Returns how many were let in. */
static int run_race(struct fixture *f, const char *user, bool same_password)
{
    struct login *replica = login_new(&f->options);
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    pthread_barrier_t start;
    int64_t id = 0;
    int in = 0, created = 0;

    pthread_barrier_init(&start, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){ .f = f,
                                    .login = i % 2 == 0 ? f->login : replica,
                                    .user = user,
                                    .start = &start };
        snprintf(racers[i].password, sizeof(racers[i].password), "correct horse %d",
                 same_password ? 0 : i);
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(racers[i].rc == RC_OK || racers[i].rc == RC_DENIED);
        if (racers[i].rc != RC_OK)
            continue;
        in++;
        created += racers[i].created;
        assert_true(id == 0 || id == racers[i].id);
        id = racers[i].id;
    }
    assert_int_equal(created, 1);
    pthread_barrier_destroy(&start);
    login_free(&replica);
    return in;
}

static void racing_first_logins(void **state)
{
    assert_int_equal(run_race(*state, "racing001@chat.example", true), RACERS);
    assert_int_equal(run_race(*state, "racing002@chat.example", false), 1);
}

static void an_absent_database_is_temporary(void **state)
{
    struct fixture *f = *state;
    struct login_account out;
    struct db_options o = { .host = "/nonexistent", .connect_timeout_ms = 100 };
    struct db *db = db_new(&o);
    struct login_request r = { .user = S("absent001@chat.example"),
                               .password = S("correct horse") };

    assert_int_equal(login_check(f->login, db, f->arena, &r, &out), RC_RETRY);
    db_free(&db);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(first_login_creates),
        TEST(refused_names_and_passwords_leave_nothing),
        TEST(closed_registration_lets_known_people_in),
        TEST(closed_registration_tells_names_so_often),
        TEST(a_busy_machine_lets_known_people_in),
        TEST(guessing_ends_for_a_network),
        TEST(a_network_makes_so_many_accounts),
        TEST(private_addresses_make_so_many_accounts),
        TEST(changes_count_at_the_next_login),
        TEST(imported_hashes_log_in),
        TEST(the_day_is_written_by_mailbox_logins_only),
        TEST(racing_first_logins),
        TEST(an_absent_database_is_temporary),
    };

    (void)argc;
    test_database_enter(argv);
    database = test_database_new();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
