/* check_dkim_test.c - signed, unsigned and badly signed mail of other servers, in whole
 * conversations.
 */
#include "session_test.h"

#include "base/metric.h"
#include "check_dkim.h"
#include "mail/dkim_body.h"
#include "mail/dkim_header.h"
#include "mail/dkim_key.h"
#include "mail/dkim_sign.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "net/test_name_server.h"

#include <stdlib.h>

enum { KEYS = 3, RECORDS_MAX = 16 };

static struct test_name_server name_server;
static struct test_record records[RECORDS_MAX];
static size_t record_count;
static struct arena *kept; /* for the group */
static struct crypto_key *rsa, *ed25519, *stranger;

/* As a zone has it: in strings of at most 255 bytes. */
static void publish(const char *name, str_t text)
{
    struct buf *rdata = arena_buf(kept, 2000);

    for (; text.n > 0; text = str_skip(text, 255)) {
        buf_putc(rdata, (char)str_head(text, 255).n);
        buf_put(rdata, str_head(text, 255));
    }
    assert_true(record_count < RECORDS_MAX);
    records[record_count++] = (struct test_record){
        .name = name, .type = DNS_TXT, .rdata = rdata->p, .rdata_n = rdata->n
    };
}

static void publish_all(void)
{
    publish("rsa._domainkey.good.test", dkim_key_record(kept, rsa));
    publish("ed._domainkey.good.test", dkim_key_record(kept, ed25519));
    publish("ed._domainkey.xn--bcher-kva.test", dkim_key_record(kept, ed25519));
    publish("ed._domainkey.other.test", dkim_key_record(kept, ed25519));
    publish("stranger._domainkey.good.test", dkim_key_record(kept, stranger));
    publish("revoked._domainkey.good.test", S("v=DKIM1; k=ed25519; p="));
    publish("spf._domainkey.good.test", S("v=spf1 -all"));
    publish("several._domainkey.good.test", S("v=spf1 -all"));
    publish("several._domainkey.good.test", S("hello"));
    publish("several._domainkey.good.test", dkim_key_record(kept, ed25519));
}

static struct judge *judge_with(int64_t wait_ms)
{
    struct judge_options o = {
        .threads = 1, .queue_max = 1000, .wait_ms = wait_ms, .dns = ingress.dns
    };

    return judge_new(&o);
}

static int start_checking(void **state)
{
    struct dns_options dns = { .resolver = name_server.address,
                               .trust_anchor_file = "none" };

    kept = arena_new();
    rsa = crypto_key_generate(CRYPTO_KEY_RSA, 2048);
    ed25519 = crypto_key_generate(CRYPTO_KEY_ED25519, 0);
    stranger = crypto_key_generate(CRYPTO_KEY_ED25519, 0);
    publish_all();
    test_name_server_start(&name_server, records, record_count);
    assert_int_equal(dns_new(&dns, NULL, &ingress.dns), RC_OK);
    ingress.judge = judge_with(10 * WAIT_MS);
    ingress.dkim_keys = dkim_keys_new(KEYS);
    check_dkim_register_metrics();
    options.dkim.action = POLICY_REJECT;
    options.dkim_temporary.action = POLICY_REJECT;
    return start_with_alice(state);
}

static int stop_checking(void **state)
{
    stop(state);
    test_name_server_stop(&name_server);
    crypto_key_free(&rsa);
    crypto_key_free(&ed25519);
    crypto_key_free(&stranger);
    arena_free(&kept);
    return 0;
}

static str_t sign(str_t text, const char *domain, const char *selector,
                  const struct crypto_key *key)
{
    size_t end = header_end(text);
    struct buf *out = arena_buf(arena, text.n + 10000);
    struct dkim_sign s = { .domain = str_of(domain),
                           .selector = str_of(selector),
                           .key = key,
                           .now_unix = clock_unix() };
    struct dkim_header header;
    struct dkim_body body;

    dkim_body_init(&body, 1U << DKIM_CANON_RELAXED);
    dkim_body_feed(&body, str_skip(text, end));
    dkim_body_end(&body);
    s.body_hash = dkim_body_get(&body, DKIM_CANON_RELAXED);
    dkim_header_init(arena, str_head(text, end), &header);
    buf_put(out, dkim_sign(arena, &header, &s));
    buf_put(out, text);
    dkim_body_fini(&body);
    return buf_str(out);
}

/* By that domain, if it names one. */
static str_t signed_message(const char *from, const char *domain, const char *selector)
{
    str_t text = message(from, "Subject: [...]\r\n", 500);

    if (domain == NULL)
        return text;
    return sign(text, domain, selector, strcmp(selector, "rsa") == 0 ? rsa : ed25519);
}

static void submit(struct client *c, const char *sender, str_t text)
{
    begin_data(c, sender, "alice0001@" DOMAIN);
    send_message(c, text);
}

/* The message that came last. */
static bool is_quarantined(void)
{
    struct envelope e;

    look_at_last();
    assert_true(envelope_parse(db_get_str(observer, 0, 0, 3), &e));
    return e.quarantine;
}

static int counted(const char *result)
{
    const char *name =
        arena_printf(arena, "\npostbus_smtp_dkim_total{result=\"%s\"} ", result);
    struct buf *text = arena_buf(arena, 1000000);
    size_t at;

    metric_render(text);
    at = str_find(buf_str(text), str_of(name));
    assert_true(at != SIZE_MAX);
    return (int)strtol(text->p + at + strlen(name), NULL, 10);
}

#define NO_VALID "554 5.7.1 No valid DKIM signature found: "

static const struct {
    const char *from, *domain, *selector, *result, *reply;
} cases[] = {
    { "carol@good.test", "good.test", "ed", "pass", "250 2.0.0 " },
    { "carol@good.test", "good.test", "rsa", "pass", "250 2.0.0 " },
    { "carol@GOOD.test", "good.test", "several", "pass", "250 2.0.0 " },
    { "carol@b\xc3\xbc"
      "cher.test",
      "xn--bcher-kva.test", "ed", "pass", "250 2.0.0 " },
    { "carol@good.test", NULL, NULL, "none", "554 5.7.1 No DKIM signature found" },
    { "carol@good.test", "good.test", "nowhere", "permerror",
      NO_VALID "there is no key" },
    { "carol@good.test", "good.test", "revoked", "permerror",
      NO_VALID "the key was revoked" },
    { "carol@good.test", "good.test", "spf", "permerror",
      NO_VALID "the key has a syntax error" },
    { "carol@good.test", "good.test", "stranger", "fail",
      NO_VALID "the signature does not match the header" },
    { "carol@good.test", "other.test", "ed", "none",
      NO_VALID "none is by the domain in From" },
    { "carol@sub.good.test", "good.test", "ed", "none",
      NO_VALID "none is by the domain in From" },
    { "carol@good.test", "good.test", "fail", "temperror",
      "451 4.4.3 The key of the DKIM signature cannot be looked up now" },
    { "carol@_good.test", NULL, NULL, "none", "554 5.7.1 No DKIM signature found" },
    { "carol@[192.0.2.1]", NULL, NULL, "none", "250 2.0.0 " },
    { "carol@good.test", "good.test", "ed", "pass", "250 2.0.0 " },
};

/* A bounce is no exception. */
static void what_a_signature_is_worth(void **state)
{
    struct client c = foreign();

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        const char *from = cases[i / 2].from, *result = cases[i / 2].result;
        int64_t before = queued(), were = counted(result);
        str_t text = signed_message(from, cases[i / 2].domain, cases[i / 2].selector);

        submit(&c, i % 2 == 0 ? from : "", text);
        expect(&c, cases[i / 2].reply);
        assert_int_equal(queued(), before + (cases[i / 2].reply[0] == '2'));
        assert_int_equal(counted(result), were + 1);
    }
    hang_up(&c);
}

/* Of a server that has no key in the DNS itself. */
static void test_servers_talk_unsigned(void **state)
{
    const struct domains own[] = { DOMAINS_ONE("_" DOMAIN), DOMAINS_ONE("[192.0.2.7]") };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        struct client c = foreign();

        begin_data(&c, "carol@_good.test", "alice0001@" DOMAIN);
        ingress.route.domains = &own[i];
        send_message(&c, signed_message("carol@_good.test", NULL, NULL));
        expect(&c, "250 2.0.0 ");
        ingress.route.domains = &ours;
        hang_up(&c);
    }
}

/* What follows from four sorts of mail: unsigned, with a bad signature of its own domain,
 * with a good one of another, and with one whose key is not known now. */
static void what_the_policies_say(void **state)
{
    static const struct {
        enum policy_action dkim, none, broken, temporary;
        const char *replies[4];
        const char *words; /* of what is taken: "q": quarantined */
    } rows[] = {
        { POLICY_REJECT,
          POLICY_OFF,
          POLICY_OFF,
          POLICY_REJECT,
          { "554 5.7.1 No DKIM", "554 5.7.1 No valid", "554 5.7.1 No valid",
            "451 4.4.3 " },
          "" },
        { POLICY_REJECT,
          POLICY_OFF,
          POLICY_OFF,
          POLICY_IGNORE,
          { "554 5.7.1 No DKIM", "554 5.7.1 No valid", "554 5.7.1 No valid", "250 " },
          "-" },
        { POLICY_IGNORE,
          POLICY_OFF,
          POLICY_OFF,
          POLICY_REJECT,
          { "250 ", "250 ", "250 ", "250 " },
          "----" },
        { POLICY_QUARANTINE,
          POLICY_OFF,
          POLICY_OFF,
          POLICY_REJECT,
          { "250 ", "250 ", "250 ", "451 4.4.3 " },
          "qqq" },
        { POLICY_QUARANTINE,
          POLICY_OFF,
          POLICY_OFF,
          POLICY_IGNORE,
          { "250 ", "250 ", "250 ", "250 " },
          "qqq-" },
        { POLICY_OFF,
          POLICY_REJECT,
          POLICY_OFF,
          POLICY_REJECT,
          { "550 5.7.20 No DKIM", "250 ", "250 ", "250 " },
          "---" },
        { POLICY_OFF,
          POLICY_QUARANTINE,
          POLICY_REJECT,
          POLICY_REJECT,
          { "250 ", "550 5.7.20 No passing", "250 ", "451 4.4.3 " },
          "q-" },
        { POLICY_OFF,
          POLICY_OFF,
          POLICY_QUARANTINE,
          POLICY_REJECT,
          { "250 ", "250 ", "250 ", "451 4.4.3 " },
          "-q-" },
        { POLICY_QUARANTINE,
          POLICY_REJECT,
          POLICY_REJECT,
          POLICY_QUARANTINE,
          { "550 5.7.20 ", "550 5.7.20 ", "250 ", "250 " },
          "qq" },
    };
    static const char *const signers[][2] = {
        { NULL, NULL },
        { "good.test", "stranger" },
        { "other.test", "ed" },
        { "good.test", "fail" },
    };
    struct options before = options;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client c = foreign();
        struct buf *words = arena_buf(arena, 8);

        options.dkim.action = rows[i].dkim;
        options.dkim_no_sig_action.action = rows[i].none;
        options.dkim_broken_sig_action.action = rows[i].broken;
        options.dkim_temporary.action = rows[i].temporary;
        for (size_t k = 0; k < ARRAY_LEN(signers); k++) {
            submit(&c, "carol@good.test",
                   signed_message("carol@good.test", signers[k][0], signers[k][1]));
            expect(&c, rows[i].replies[k]);
            if (rows[i].replies[k][0] == '2')
                buf_putc(words, is_quarantined() ? 'q' : '-');
        }
        assert_true(str_eq(buf_str(words), str_of(rows[i].words)));
        hang_up(&c);
    }
    options = before;
}

static void the_policys_own_words(void **state)
{
    struct options before = options;
    struct client c = foreign();

    (void)state;
    options.dkim.code = 571;
    options.dkim.text = "Sign it";
    submit(&c, "carol@good.test", signed_message("carol@good.test", NULL, NULL));
    expect(&c, "571 5.7.1 Sign it");
    options = before;
    hang_up(&c);
}

/* The text with one byte of `in` changed. */
static str_t spoil(str_t text, const char *in)
{
    char *p = arena_copy(arena, text.p, text.n);
    size_t at = str_find(text, str_of(in));

    assert_true(at != SIZE_MAX);
    p[at] ^= 1;
    return str_n(p, text.n);
}

static void what_was_changed_is_refused(void **state)
{
    struct client c = foreign();
    str_t good = signed_message("carol@good.test", "good.test", "ed");
    str_t more = sign(good, "good.test", "rsa", rsa);

    (void)state;
    submit(&c, "carol@good.test", spoil(good, "[...]"));
    expect(&c, NO_VALID "the signature does not match the header");
    /* One that is good is enough. */
    submit(&c, "carol@good.test", spoil(more, "s=rsa"));
    expect(&c, "250 2.0.0 ");
    submit(&c, "carol@good.test", spoil(more, "s=ed"));
    expect(&c, "250 2.0.0 ");
    submit(&c, "carol@good.test", spoil(spoil(more, "s=ed"), "s=rsa"));
    expect(&c, NO_VALID);
    hang_up(&c);
}

/* Signed or not, and without a look into the DNS. */
static void what_is_not_encrypted_is_refused_for_that(void **state)
{
    str_t plain = S("From: carol@good.test\r\n\r\nhello\r\n");
    struct client c = foreign();

    (void)state;
    submit(&c, "carol@good.test", plain);
    expect(&c, "523 ");
    submit(&c, "carol@good.test", sign(plain, "good.test", "ed", ed25519));
    expect(&c, "523 ");
    submit(&c, "carol@good.test", sign(plain, "good.test", "silent", ed25519));
    expect(&c, "523 ");
    hang_up(&c);
}

/* Still encrypted, but not what was signed. */
static void another_body_is_refused(void **state)
{
    struct client c = foreign();
    str_t good = signed_message("carol@good.test", "good.test", "ed");
    str_t other = signed_message("carol@good.test", NULL, NULL);
    struct buf *both = arena_buf(arena, 100000);

    (void)state;
    buf_put(both, str_head(good, header_end(good)));
    buf_put(both, str_skip(other, header_end(other)));
    submit(&c, "carol@good.test", buf_str(both));
    expect(&c, NO_VALID "the body was changed");
    hang_up(&c);
}

/* In many pieces, with dots that SMTP doubles, and larger than what small ones hold. */
static void a_large_message_in_pieces(void **state)
{
    struct client c = foreign();
    str_t text = message("carol@good.test", "X-Dot: a\r\n .b\r\n", 200000);
    struct buf *dots = arena_buf(arena, text.n + 100),
               *wire = arena_buf(arena, text.n + 20000);

    (void)state;
    buf_put(dots, text);
    buf_puts(dots, ".\r\n..a\r\n.b\r\n\r\n\r\n");
    text = sign(buf_str(dots), "good.test", "rsa", rsa);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.' && text.p[i - 1] == '\n')
            buf_putc(wire, '.');
        buf_putc(wire, text.p[i]);
    }
    begin_data(&c, "carol@good.test", "alice0001@" DOMAIN);
    for (str_t rest = buf_str(wire); rest.n > 0; rest = str_skip(rest, 7777))
        say_bytes(&c, str_head(rest, 7777));
    say(&c, ".");
    expect(&c, "250 2.0.0 ");
    hang_up(&c);
}

/* Before the test in which somebody is asked for such a name. */
static void only_keys_that_decide_are_asked_for(void **state)
{
    struct client c = foreign();
    str_t good = signed_message("carol@good.test", "good.test", "ed");
    str_t late = sign(good, "other.test", "silent", ed25519);

    (void)state;
    submit(&c, "carol@good.test", late);
    expect(&c, "250 2.0.0 ");
    submit(&c, "carol@good.test",
           signed_message("carol@good.test", "other.test", "silent"));
    expect(&c, NO_VALID);
    assert_false(atomic_load(&name_server.silent_asked));
    hang_up(&c);
}

static void a_dead_resolver_is_a_reason_to_try_again(void **state)
{
    struct judge *patient = ingress.judge, *hasty = judge_with(500);
    struct client c = foreign();
    int64_t before = queued();

    (void)state;
    ingress.judge = hasty;
    submit(&c, "carol@good.test",
           signed_message("carol@good.test", "good.test", "silent"));
    expect(&c, "451 4.4.3 ");
    submit(&c, "carol@good.test", signed_message("carol@good.test", NULL, NULL));
    expect(&c, "554 5.7.1 No DKIM signature found");
    ingress.judge = patient;
    judge_free(&hasty);
    assert_int_equal(queued(), before);
    hang_up(&c);
}

static void accounts_need_no_signature(void **state)
{
    struct client c = log_in("alice0001");

    (void)state;
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, message("alice0001@" DOMAIN, "", 500));
    expect(&c, "250 2.0.0 ");
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_signature_is_worth),
        cmocka_unit_test(test_servers_talk_unsigned),
        cmocka_unit_test(what_the_policies_say),
        cmocka_unit_test(the_policys_own_words),
        cmocka_unit_test(what_was_changed_is_refused),
        cmocka_unit_test(what_is_not_encrypted_is_refused_for_that),
        cmocka_unit_test(another_body_is_refused),
        cmocka_unit_test(a_large_message_in_pieces),
        cmocka_unit_test(only_keys_that_decide_are_asked_for),
        cmocka_unit_test(a_dead_resolver_is_a_reason_to_try_again),
        cmocka_unit_test(accounts_need_no_signature),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_checking, stop_checking);
}
