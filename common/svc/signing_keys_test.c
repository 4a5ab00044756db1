/* signing_keys_test.c - keys are made once, opened by the right secret only, and changed
 * in two steps.
 */
#include "svc/signing_keys.h"

#include "mail/dkim_key.h"
#include "store/store_test.h"
#include "svc/options.h"

#include <pthread.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210"
#define DOMAIN "chat.example"

static struct options options;
static str_t domain;

static int setup(void **state)
{
    (void)state;
    domain = S(DOMAIN);
    options = (struct options){ .cluster_secret = SECRET,
                                .cluster_secret_previous = "",
                                .dkim_sign = true,
                                .dkim_selector = "opendkim",
                                .dkim_algorithm = "ed25519",
                                .maximal_queue_lifetime = 1000 };
    db_reset(test_db);
    arena_reset(test_arena);
    return db_script(test_db, "TRUNCATE dkim_key") == RC_OK ? 0 : -1;
}

static bool ensure(void)
{
    bool made;

    assert_int_equal(signing_keys_ensure(test_arena, test_db, &options, domain, &made),
                     RC_OK);
    return made;
}

static size_t used(struct store_dkim_key **rows)
{
    size_t n;

    assert_int_equal(store_dkim_used(test_arena, test_db, S(DOMAIN), rows, &n), RC_OK);
    return n;
}

static struct store_dkim_key *list(size_t wanted)
{
    struct store_dkim_key *rows;
    int64_t now_unix;
    size_t n;

    assert_int_equal(
        store_dkim_list(test_arena, test_db, S(DOMAIN), &rows, &n, &now_unix), RC_OK);
    assert_int_equal(n, wanted);
    return rows;
}

static enum rc open_key(const struct store_dkim_key *row, struct crypto_key **out)
{
    bool is_old;

    return signing_keys_open(test_arena, &options, row, out, &is_old);
}

static void each_algorithm_makes_its_keys(void **state)
{
    static const struct {
        const char *word, *selectors[2];
        unsigned bits[2]; /* 0: Ed25519 */
    } cases[] = {
        { "rsa2048", { "opendkim" }, { 2048 } },
        { "rsa4096", { "opendkim" }, { 4096 } },
        { "ed25519", { "opendkim" }, { 0 } },
        { "both", { "opendkim", "opendkim-ed25519" }, { 2048, 0 } },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_dkim_key *rows, *all;
        size_t n;

        setup(state);
        options.dkim_algorithm = cases[i].word;
        assert_true(ensure());
        assert_false(ensure());
        n = used(&rows);
        all = list(n);
        assert_int_equal(n, cases[i].selectors[1] == NULL ? 1 : 2);
        for (size_t k = 0; k < n; k++) {
            struct dkim_key record;
            struct crypto_key *key;

            assert_true(str_eq(rows[k].selector, str_of(cases[i].selectors[k])));
            assert_int_equal(open_key(&rows[k], &key), RC_OK);
            assert_int_equal(crypto_key_kind(key),
                             cases[i].bits[k] == 0 ? CRYPTO_KEY_ED25519 : CRYPTO_KEY_RSA);
            if (cases[i].bits[k] != 0)
                assert_int_equal(crypto_key_bits(key), cases[i].bits[k]);
            /* The record is that of this key. */
            assert_true(str_eq(all[k].record, dkim_key_record(test_arena, key)));
            assert_int_equal(dkim_key_parse(test_arena, all[k].record, &record),
                             DKIM_OUTCOME_PASS);
            dkim_key_fini(&record);
            crypto_key_free(&key);
        }
    }
}

static void only_the_secret_opens_them(void **state)
{
    struct store_dkim_key *rows, moved;
    struct crypto_key *key;
    bool is_old;

    (void)state;
    ensure();
    assert_int_equal(used(&rows), 1);
    options.cluster_secret = OTHER;
    assert_int_equal(open_key(&rows[0], &key), RC_INVALID);
    options.cluster_secret_previous = SECRET;
    assert_int_equal(signing_keys_open(test_arena, &options, &rows[0], &key, &is_old),
                     RC_OK);
    assert_true(is_old);
    rows[0].sealed = signing_keys_seal(test_arena, &options, &rows[0], key);
    crypto_key_free(&key);
    options.cluster_secret_previous = "";
    assert_int_equal(signing_keys_open(test_arena, &options, &rows[0], &key, &is_old),
                     RC_OK);
    assert_false(is_old);
    crypto_key_free(&key);
    /* Whoever can write rows cannot make one of another's key. */
    moved = rows[0];
    moved.selector = S("other");
    assert_int_equal(open_key(&moved, &key), RC_INVALID);
    /* Nothing of the key is legible in the table (PKCS #8 begins with a sequence). */
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM dkim_key WHERE "
                                          "position('\\x302e020100300506032b6570'::bytea "
                                          "IN private) > 0"),
                     0);
}

static void *ensure_thread(void *made)
{
    struct arena *a = arena_new();
    struct db *db = test_connect();

    assert_int_equal(signing_keys_ensure(a, db, &options, domain, made), RC_OK);
    db_free(&db);
    arena_free(&a);
    return NULL;
}

static void of_many_that_start_at_once_one_makes_them(void **state)
{
    pthread_t threads[8];
    bool made[8];
    size_t count = 0;

    (void)state;
    options.dkim_algorithm = "both";
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ensure_thread, &made[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        count += made[i];
    assert_int_equal(count, 1);
    list(2);
}

static enum signing_keys_step rotate(bool at_once)
{
    enum signing_keys_step step;

    assert_int_equal(
        signing_keys_rotate(test_arena, test_db, &options, domain, at_once, &step),
        RC_OK);
    return step;
}

static void a_new_key_is_published_then_used_then_the_old_one_goes(void **state)
{
    struct store_dkim_key *rows, *all;
    str_t second;

    (void)state;
    ensure();
    options.dkim_algorithm = "both";
    assert_int_equal(rotate(false), SIGNING_KEYS_PUBLISH);
    all = list(3);
    second = all[1].selector;
    assert_true(str_starts(second, S("opendkim-2")));
    assert_true(all[1].used_unix == 0 && all[2].used_unix == 0);
    assert_int_equal(used(&rows), 1);
    assert_true(str_eq(rows[0].selector, S("opendkim")));
    assert_int_equal(rotate(false), SIGNING_KEYS_WAIT);
    assert_false(ensure());
    list(3);
    test_sql("UPDATE dkim_key SET made = made - %d WHERE used = 0",
             SIGNING_KEYS_SPREAD_S);
    assert_int_equal(rotate(false), SIGNING_KEYS_USE);
    assert_int_equal(used(&rows), 2);
    assert_true(str_eq(rows[0].selector, second));
    assert_false(ensure());
    /* Its record stays for what waits in the queue, and a day. */
    assert_int_equal(test_number(test_db, "SELECT withdrawn - retired FROM dkim_key "
                                          "WHERE selector = 'opendkim'"),
                     1000 + 86400);
    test_sql("UPDATE dkim_key SET withdrawn = now_unix() + 60 WHERE retired > 0");
    assert_int_equal(used(&rows), 2);
    list(3);
    test_sql("UPDATE dkim_key SET withdrawn = now_unix() WHERE retired > 0");
    assert_int_equal(used(&rows), 2);
    list(2);
}

static void what_is_lost_is_replaced_at_once(void **state)
{
    struct store_dkim_key *rows;
    struct crypto_key *key;

    (void)state;
    ensure();
    options.cluster_secret = OTHER;
    assert_int_equal(rotate(true), SIGNING_KEYS_USE);
    assert_int_equal(used(&rows), 1);
    assert_int_equal(open_key(&rows[0], &key), RC_OK);
    crypto_key_free(&key);
    list(2);
    /* And one that was published already need not wait. */
    test_sql("UPDATE dkim_key SET used = 0, selector = 'published' WHERE retired = 0");
    assert_int_equal(rotate(true), SIGNING_KEYS_USE);
    assert_int_equal(used(&rows), 1);
    assert_true(str_eq(rows[0].selector, S("published")));
}

static void domains_have_keys_of_their_own(void **state)
{
    struct store_dkim_key *rows;

    (void)state;
    ensure();
    domain = S("other.example");
    assert_true(ensure());
    assert_int_equal(rotate(true), SIGNING_KEYS_USE);
    assert_int_equal(used(&rows), 1);
    assert_true(str_eq(rows[0].selector, S("opendkim")));
    /* Asked for before there is any, a key is used at once. */
    domain = S("third.example");
    assert_int_equal(rotate(false), SIGNING_KEYS_USE);
    assert_false(ensure());
    domain = S("[192.0.2.1]");
    assert_false(signing_keys_are_wanted(&options, domain));
    domain = S("_chat.example");
    assert_true(signing_keys_are_wanted(&options, domain));
    options.dkim_sign = false;
    assert_false(signing_keys_are_wanted(&options, domain));
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_algorithm_makes_its_keys),
        TEST(only_the_secret_opens_them),
        TEST(of_many_that_start_at_once_one_makes_them),
        TEST(a_new_key_is_published_then_used_then_the_old_one_goes),
        TEST(what_is_lost_is_replaced_at_once),
        TEST(domains_have_keys_of_their_own),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
