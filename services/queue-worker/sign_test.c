/* sign_test.c - what leaves is signed once, and verifies as other hosts get it. */
#include "batch.h"
#include "keyring.h"

#include "base/crypto.h"
#include "mail/domains.h"
#include "mail/dkim_verify.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/scrub.h"
#include "store/store_body.h"
#include "store/store_remote.h"
#include "store/store_test.h"
#include "svc/signing_keys.h"
#include "svc/options.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210"
#define DOMAIN "example.org"
#define HEADER                                                                           \
    "Return-Path: <user1@" DOMAIN ">\r\nFrom: <user1@" DOMAIN ">\r\n"                    \
    "To: <a@far.example>\r\nSubject: [...]\r\nMessage-ID: <x@y>\r\n\r\n"
#define BODY "hello  you \r\n.dot\r\n\r\n\r\n"

static const struct domains domains = DOMAINS_ONE(DOMAIN);
static const struct deliver_rules rules = {
    .route = { .domains = &domains, .delimiters = STR("+") },
    .hostname = STR("mx.example.org"),
    .remote_lifetime_s = 1000,
};

static const struct domains *ours;
static struct options options;
static struct batch batch;
static struct batch_news news;
static struct keyring keys;

static void restart(void)
{
    keyring_fini(&keys);
    keyring_init(&keys, &options, ours);
}

static int setup(void **state)
{
    ours = &domains;
    options = (struct options){ .cluster_secret = SECRET,
                                .cluster_secret_previous = "",
                                .dkim_sign = true,
                                .dkim_selector = "opendkim",
                                .dkim_algorithm = "ed25519",
                                .maximal_queue_lifetime = 1000 };
    batch_init(&batch, test_db, &rules, 64, 3);
    keyring_init(&keys, &options, ours);
    batch.keys = &keys;
    test_setup(state);
    test_sql("TRUNCATE dkim_key");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    batch_fini(&batch);
    keyring_fini(&keys);
    return 0;
}

/* hash: what the envelope says of the body; NULL: nothing. */
static void send_message(str_t head, str_t body, const str_t *to, size_t n,
                         const str_t *hash)
{
    struct envelope e = { .submission = true };
    struct store_accept m = { .head = head,
                              .body = body,
                              .sender = S("user1@" DOMAIN),
                              .recipients = to,
                              .recipient_count = n };

    if (hash != NULL)
        envelope_hash_body(&e, *hash);
    m.envelope = envelope_format(test_arena, &e);
    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
}

static void run_batch(size_t remote_rows)
{
    assert_int_equal(batch_run(&batch, &news), RC_OK);
    assert_int_equal(news.remote_rows, remote_rows);
}

static struct store_remote_row *claim(size_t wanted)
{
    struct store_remote_claim how = { .limit = 100,
                                      .per_destination = 100,
                                      .lease_s = 60 };
    struct store_remote_cursor c = { 0 };
    struct store_remote_row *rows;
    size_t n;

    assert_int_equal(store_remote_claim(test_arena, test_db, &c, &how, &rows, &n), RC_OK);
    assert_int_equal(n, wanted);
    return rows;
}

/* As remote-sender puts it together. */
static str_t as_sent(const struct store_remote_row *row)
{
    str_t stored;

    assert_int_equal(store_body_read(test_arena, test_db, row->body_id, row->size, 0,
                                     1 << 22, &stored),
                     RC_OK);
    stored = scrub_without_return_path(stored);
    return str_of(
        arena_printf(test_arena, "%.*s%.*s", STR_ARG(row->prefix), STR_ARG(stored)));
}

static str_t record_of(str_t selector)
{
    struct store_dkim_key *all;
    int64_t now_unix;
    size_t n;

    assert_int_equal(store_dkim_list(test_arena, test_db, S(DOMAIN), &all, &n, &now_unix),
                     RC_OK);
    for (size_t i = 0; i < n; i++)
        if (str_eq(all[i].selector, selector))
            return all[i].record;
    fail_msg("no key %.*s", STR_ARG(selector));
    return S("");
}

/* Every signature holds; returns how many there are. */
static size_t verify(str_t message)
{
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    size_t end = header_end(message),
           n = dkim_signature_find(test_arena, str_head(message, end), list);
    struct dkim_header header;
    struct dkim_body body;

    dkim_header_init(test_arena, str_head(message, end), &header);
    dkim_body_init(&body, dkim_signature_canons(list, n));
    dkim_body_feed(&body, str_skip(message, end));
    dkim_body_end(&body);
    for (size_t i = 0; i < n; i++) {
        struct dkim_key key;

        assert_true(str_eq(list[i].domain, S(DOMAIN)));
        assert_int_equal(dkim_key_parse(test_arena, record_of(list[i].selector), &key),
                         DKIM_OUTCOME_PASS);
        assert_int_equal(dkim_verify_without_key(&list[i], &body, list[i].signed_unix),
                         DKIM_OUTCOME_PASS);
        assert_int_equal(dkim_verify_with_key(test_arena, &list[i], &header, &key),
                         DKIM_OUTCOME_PASS);
        dkim_key_fini(&key);
    }
    dkim_body_fini(&body);
    return n;
}

static void a_message_is_signed_once_for_all_who_get_it(void **state)
{
    const str_t to[] = { STR("a@far.example"), STR("b@far.example"),
                         STR("c@near.example"), STR("user1@" DOMAIN) };
    const str_t body = STR(BODY);
    struct store_remote_row *rows;

    (void)state;
    test_account(1, 100000);
    send_message(S(HEADER), body, to, ARRAY_LEN(to), &body);
    run_batch(2);
    rows = claim(2);
    assert_int_equal(verify(as_sent(&rows[0])), 1);
    assert_true(str_eq(rows[0].prefix, rows[1].prefix));
    assert_true(str_starts(rows[0].prefix, S("Received: by ")));
    assert_int_equal(header_count(rows[0].prefix, S("DKIM-Signature")), 1);
    /* Who is at home sees nothing of it. */
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 1);
    assert_int_equal(
        test_number(test_db, "SELECT count(DISTINCT size) FROM (SELECT size FROM message "
                             "UNION SELECT size FROM queue_remote) s"),
        1);
}

/* The hash in the envelope is what is signed: nobody reads the body again. */
static void the_hash_comes_with_the_envelope(void **state)
{
    const str_t to[] = { STR("a@far.example") }, other = STR("another body\r\n");
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    unsigned char hash[CRYPTO_SHA256_BYTES];
    struct store_remote_row *rows;

    (void)state;
    send_message(S(HEADER), S(BODY), to, 1, &other);
    run_batch(1);
    rows = claim(1);
    assert_int_equal(dkim_signature_find(test_arena, rows[0].prefix, list), 1);
    crypto_sha256(other, hash);
    assert_true(str_eq(list[0].body_hash, str_n((const char *)hash, sizeof(hash))));
}

/* A replica of before, or a body of many pieces: it is read. */
static void without_a_hash_the_body_is_read(void **state)
{
    const str_t to[] = { STR("a@far.example") };
    struct buf *large = arena_buf(test_arena, 1 << 21);
    struct store_remote_row *rows;

    (void)state;
    for (int i = 0; large->n < 700000; i++)
        buf_printf(large, "line %d of many  \r\n", i);
    send_message(S(HEADER), S(BODY), to, 1, NULL);
    send_message(S(HEADER), buf_str(large), to, 1, NULL);
    send_message(S(HEADER), S(""), to, 1, NULL);
    run_batch(3);
    rows = claim(3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(verify(as_sent(&rows[i])), 1);
}

static void a_header_of_any_length(void **state)
{
    const str_t to[] = { STR("a@far.example") }, body = STR(BODY);
    struct store_remote_row *rows;
    size_t sizes[] = { 7900, 7998, 7999, 8000, 8001, 70000, 250000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf *head = arena_buf(test_arena, 1 << 20);

        buf_puts(head, "Return-Path: <user1@" DOMAIN ">\r\nFrom: <user1@" DOMAIN ">\r\n");
        while (head->n + 1000 < sizes[i])
            buf_printf(head, "X-Long: %0900d\r\n", 1);
        buf_printf(head, "X-Rest: %0*d\r\n", (int)(sizes[i] - head->n - 12 - 12), 1);
        buf_puts(head, "Subject: x\r\n\r\n");
        send_message(buf_str(head), body, to, 1, &body);
    }
    run_batch(ARRAY_LEN(sizes));
    rows = claim(ARRAY_LEN(sizes));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        assert_int_equal(verify(as_sent(&rows[i])), 1);
}

/* With the null sender; whom it goes to takes it only if it is signed. */
static void a_bounce_is_signed(void **state)
{
    const str_t to[] = { STR("nobody@" DOMAIN) };
    struct store_accept m = { .head = S("Subject: x\r\n\r\n"),
                              .body = S("x\r\n"),
                              .sender = S("someone@far.example"),
                              .recipients = to,
                              .recipient_count = 1 };
    struct store_remote_row *rows;
    struct envelope e;

    (void)state;
    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    run_batch(0);
    assert_int_equal(news.bounces, 1);
    run_batch(1);
    rows = claim(1);
    assert_int_equal(rows[0].sender.n, 0);
    assert_true(envelope_parse(rows[0].envelope, &e) && e.has_body_hash);
    assert_int_equal(verify(as_sent(&rows[0])), 1);
}

static void send_on(const char *const *senders, size_t n)
{
    const str_t to[] = { STR("a@far.example") };
    struct envelope e = { .id = S("1") };

    for (size_t i = 0; i < n; i++) {
        struct store_accept m = { .head = S("From: <boss@far.example>\r\n\r\n"),
                                  .body = S(BODY),
                                  .sender = str_of(senders[i]),
                                  .recipients = to,
                                  .recipient_count = 1,
                                  .envelope = envelope_format(test_arena, &e) };

        assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    }
    run_batch(n);
}

/* By an alias, from a server that has no sender for it: whoever is its author could have
 * anything signed by us.  So it waits for no key either. */
static void what_others_wrote_is_not_signed(void **state)
{
    /* The last one is what replace_sender has put there. */
    static const char *const senders[] = { "", "someone@far.example",
                                           "postmaster@" DOMAIN };
    struct store_remote_row *rows;

    (void)state;
    send_on(senders, ARRAY_LEN(senders));
    assert_int_equal(keys.state, KEYRING_READY);
    options.cluster_secret = OTHER;
    restart();
    send_on(senders, ARRAY_LEN(senders));
    assert_int_equal(keys.state, KEYRING_SHUT);
    rows = claim(2 * ARRAY_LEN(senders));
    for (size_t i = 0; i < 2 * ARRAY_LEN(senders); i++)
        assert_int_equal(header_count(rows[i].prefix, S("DKIM-Signature")), 0);
}

static void two_keys_make_two_signatures(void **state)
{
    const str_t to[] = { STR("a@far.example") }, body = STR(BODY);

    (void)state;
    options.dkim_algorithm = "both";
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(1);
    assert_int_equal(verify(as_sent(claim(1))), 2);
}

static void nothing_is_signed_where_there_is_no_key_in_dns(void **state)
{
    const struct domains literal = DOMAINS_ONE("[192.0.2.1]");
    const str_t to[] = { STR("a@far.example") }, body = STR(BODY);

    (void)state;
    options.dkim_sign = false;
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(1);
    options.dkim_sign = true;
    ours = &literal;
    restart();
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(1);
    claim(2);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote WHERE "
                                          "position('DKIM'::bytea IN prefix) > 0"),
                     0);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM dkim_key"), 0);
}

/* Whose mail it is says its sender; what the server itself sends is the first one's. */
static void each_domain_signs_with_its_own_key(void **state)
{
    static const struct domains_row rows[] = {
        { STR(DOMAIN), STR(DOMAIN) },
        { STR("xn--bcher-kva.example"), STR("xn--bcher-kva.example") },
        { STR("[192.0.2.1]"), STR("[192.0.2.1]") },
        { STR("old.example"), STR("xn--bcher-kva.example") },
    };
    static const struct {
        const char *sender, *signer; /* NULL: nobody */
    } cases[] = {
        { "user1@" DOMAIN, DOMAIN },
        { "USER1@Example.ORG", DOMAIN },
        { "user1@xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "user1@B\xc3\xbc"
          "cher.example",
          "xn--bcher-kva.example" },
        { "user1@old.example", "xn--bcher-kva.example" },
        { "user1@elsewhere.example", DOMAIN },
        { "", DOMAIN },
        { "user1@[192.0.2.1]", NULL },
    };
    const struct domains several = { .row = rows, .count = ARRAY_LEN(rows) };

    (void)state;
    ours = &several;
    restart();
    run_batch(0);
    assert_int_equal(keys.state, KEYRING_READY);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM dkim_key"), 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct keyring_domain *d = keyring_find(&keys, str_of(cases[i].sender));

        assert_int_equal(d != NULL, cases[i].signer != NULL);
        if (d != NULL)
            assert_true(d->count == 1 && str_eq(d->name, str_of(cases[i].signer)));
    }
}

static void a_change_of_keys_is_followed(void **state)
{
    const str_t to[] = { STR("a@far.example") }, body = STR(BODY);
    struct store_remote_row *rows;
    enum signing_keys_step step;

    (void)state;
    run_batch(0);
    assert_int_equal(
        signing_keys_rotate(test_arena, test_db, &options, S(DOMAIN), true, &step),
        RC_OK);
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(1); /* by the key that it has in hand, whose record stays */
    keys.read_again_ms = 0;
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(1);
    rows = claim(2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(verify(as_sent(&rows[i])), 1);
    assert_true(str_find(rows[0].prefix, S("s=opendkim;")) != SIZE_MAX);
    assert_true(str_find(rows[1].prefix, S("s=opendkim-2")) != SIZE_MAX);
}

/* The secret is another one: what leaves waits, what stays is delivered. */
static void without_the_secret_mail_to_others_waits(void **state)
{
    const str_t to[] = { STR("a@far.example"), STR("user1@" DOMAIN) }, body = STR(BODY);

    (void)state;
    test_account(1, 100000);
    run_batch(0);
    options.cluster_secret = OTHER;
    restart();
    send_message(S(HEADER), body, to, 2, &body);
    run_batch(0);
    assert_int_equal(keys.state, KEYRING_SHUT);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM message"), 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue WHERE rcpt = "
                                          "ARRAY['a@far.example']"),
                     1);
    /* With the previous secret it goes, and from then on without it. */
    options.cluster_secret_previous = SECRET;
    restart();
    test_sql("UPDATE queue SET due = now_us()");
    run_batch(1);
    assert_int_equal(verify(as_sent(claim(1))), 1);
    options.cluster_secret_previous = "";
    restart();
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(1);
    assert_int_equal(keys.state, KEYRING_READY);
}

/* Its sender is told after as long as for any message that finds no way. */
static void who_waits_too_long_gets_a_bounce(void **state)
{
    const str_t to[] = { STR("a@far.example") }, body = STR(BODY);

    (void)state;
    test_account(1, 100000);
    run_batch(0);
    options.cluster_secret = OTHER;
    restart();
    send_message(S(HEADER), body, to, 1, &body);
    test_sql("UPDATE queue SET puts = 201");
    run_batch(0);
    assert_int_equal(news.bounces, 1);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue WHERE sender = ''"),
                     1);
}

/* What has expired cannot be sent, signed or not: remote-sender returns it. */
static void a_body_that_is_gone_stops_nobody(void **state)
{
    const str_t to[] = { STR("a@far.example") }, body = STR(BODY);

    (void)state;
    send_message(S(HEADER), body, to, 1, &body);
    for (int slot = 0; slot < 32; slot++)
        test_sql("TRUNCATE body_%02d", slot);
    send_message(S(HEADER), body, to, 1, &body);
    run_batch(2);
    assert_int_equal(test_number(test_db, "SELECT count(*) FROM queue_remote WHERE "
                                          "position('DKIM'::bytea IN prefix) > 0"),
                     1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_signed_once_for_all_who_get_it),
        TEST(the_hash_comes_with_the_envelope),
        TEST(without_a_hash_the_body_is_read),
        TEST(a_header_of_any_length),
        TEST(a_bounce_is_signed),
        TEST(what_others_wrote_is_not_signed),
        TEST(two_keys_make_two_signatures),
        TEST(nothing_is_signed_where_there_is_no_key_in_dns),
        TEST(each_domain_signs_with_its_own_key),
        TEST(a_change_of_keys_is_followed),
        TEST(without_the_secret_mail_to_others_waits),
        TEST(who_waits_too_long_gets_a_bounce),
        TEST(a_body_that_is_gone_stops_nobody),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
