/* check_dmarc_test.c - what domains want of mail that they have not sent, in whole
 * conversations.
 *
 * Whoever sends here is 127.0.0.1.  DKIM alone refuses nothing.
 */
#include "session_test.h"

#include "base/metric.h"
#include "check_dmarc.h"
#include "mail/dkim_body.h"
#include "mail/dkim_header.h"
#include "mail/dkim_key.h"
#include "mail/dkim_sign.h"
#include "mail/header.h"
#include "net/test_name_server.h"

#include <stdlib.h>

enum { RECORDS_MAX = 32 };

static struct test_name_server name_server;
static struct test_record records[RECORDS_MAX];
static size_t record_count;
static struct arena *kept; /* for the group */
static struct crypto_key *key;

static void publish(const char *name, str_t text)
{
    struct buf *rdata = arena_buf(kept, 300);

    assert_true(text.n < 256 && record_count < RECORDS_MAX);
    buf_putc(rdata, (char)text.n);
    buf_put(rdata, text);
    records[record_count++] = (struct test_record){
        .name = name, .type = DNS_TXT, .rdata = rdata->p, .rdata_n = rdata->n
    };
}

static void publish_all(void)
{
    static const char *const signers[] = { "ed._domainkey.reject.test",
                                           "ed._domainkey.list.test" };

    for (size_t i = 0; i < ARRAY_LEN(signers); i++)
        publish(signers[i], dkim_key_record(kept, key));
    publish("_dmarc.reject.test", S("v=DMARC1; p=reject; sp=quarantine"));
    publish("_dmarc.strict.reject.test", S("v=DMARC1; p=reject; adkim=s; aspf=s"));
    publish("_dmarc.quarantine.test", S("v=DMARC1; p=quarantine"));
    publish("_dmarc.none.test", S("v=DMARC1; p=none"));
    publish("_dmarc.nobody.test", S("v=DMARC1; p=reject; pct=0"));
    publish("_dmarc.xn--bcher-kva.test", S("v=DMARC1; p=reject"));
    publish("_dmarc.broken.test", S("v=DMARC1; p=what"));
    publish("reject.test", S("v=spf1 ip4:127.0.0.1 -all"));
    publish("mail.reject.test", S("v=spf1 ip4:127.0.0.1 -all"));
    publish("mx.elsewhere.example", S("v=spf1 ip4:127.0.0.1 -all"));
    publish("_dmarc.elsewhere.example", S("v=DMARC1; p=reject"));
    publish("late.test", S("v=spf1 a:fail.test -all"));
    publish("_dmarc.late.test", S("v=DMARC1; p=reject"));
}

static int start_checking(void **state)
{
    struct dns_options dns = { .resolver = name_server.address,
                               .trust_anchor_file = "none" };
    struct judge_options judge = { .threads = 1, .queue_max = 1000 };

    kept = arena_new();
    key = crypto_key_generate(CRYPTO_KEY_ED25519, 0);
    publish_all();
    test_name_server_start(&name_server, records, record_count);
    assert_int_equal(dns_new(&dns, NULL, &ingress.dns), RC_OK);
    judge.dns = ingress.dns;
    judge.wait_ms = 10 * WAIT_MS;
    ingress.judge = judge_new(&judge);
    ingress.dkim_keys = dkim_keys_new(10);
    check_dmarc_register_metrics();
    options.dmarc.action = options.dmarc_temporary.action = POLICY_REJECT;
    options.spf_temporary.action = POLICY_REJECT; /* goes with actions that are off */
    options.authentication_results = true;
    return start_with_alice(state);
}

static int stop_checking(void **state)
{
    stop(state);
    test_name_server_stop(&name_server);
    crypto_key_free(&key);
    arena_free(&kept);
    return 0;
}

static int counted(const char *result)
{
    const char *name =
        arena_printf(arena, "\npostbus_smtp_dmarc_total{result=\"%s\"} ", result);
    struct buf *text = arena_buf(arena, 1000000);
    size_t at;

    metric_render(text);
    at = str_find(buf_str(text), str_of(name));
    assert_true(at != SIZE_MAX);
    return (int)strtol(text->p + at + strlen(name), NULL, 10);
}

static str_t sign(str_t text, const char *domain, const char *selector)
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

#define REFUSED(domain) "550 5.7.1 " domain " wants mail that it has not sent refused"

enum follows { TAKEN, JUNK, REFUSE, LATER };

static const struct {
    const char *name, *sender, *from, *signer, *selector, *result;
    enum follows follows;
} cases[] = {
    { "nothing is aligned", "a@elsewhere.test", "c@reject.test", NULL, NULL, "fail",
      REFUSE },
    { "SPF", "a@reject.test", "c@reject.test", NULL, NULL, "pass", TAKEN },
    { "SPF of the organization", "a@mail.reject.test", "c@reject.test", NULL, NULL,
      "pass", TAKEN },
    { "SPF fails", "a@quarantine.test", "c@quarantine.test", NULL, NULL, "fail", JUNK },
    { "DKIM", "a@elsewhere.test", "c@reject.test", "reject.test", "ed", "pass", TAKEN },
    { "DKIM of the organization", "a@elsewhere.test", "c@sub.reject.test", "reject.test",
      "ed", "pass", TAKEN },
    { "DKIM of another", "a@elsewhere.test", "c@reject.test", "list.test", "ed", "fail",
      REFUSE },
    { "no such key", "a@elsewhere.test", "c@reject.test", "reject.test", "nowhere",
      "fail", REFUSE },
    { "a key that is not known now", "a@elsewhere.test", "c@reject.test", "reject.test",
      "fail", "temperror", LATER },
    { "sp", "a@elsewhere.test", "c@sub.reject.test", NULL, NULL, "fail", JUNK },
    { "strict SPF", "a@reject.test", "c@strict.reject.test", NULL, NULL, "fail", REFUSE },
    { "strict DKIM", "a@elsewhere.test", "c@strict.reject.test", "reject.test", "ed",
      "fail", REFUSE },
    { "no policy of its own", "a@elsewhere.test", "c@none.test", NULL, NULL, "fail",
      TAKEN },
    { "no record", "a@elsewhere.test", "c@nowhere.test", NULL, NULL, "none", TAKEN },
    { "pct=0", "a@elsewhere.test", "c@nobody.test", NULL, NULL, "fail", JUNK },
    { "beyond ASCII", "a@elsewhere.test",
      "c@b\xc3\xbc"
      "cher.test",
      NULL, NULL, "fail", REFUSE },
    { "a record without sense", "a@elsewhere.test", "c@broken.test", NULL, NULL,
      "permerror", TAKEN },
    { "a bounce", "", "c@elsewhere.example", NULL, NULL, "pass", TAKEN },
    { "a policy that is not known now", "a@elsewhere.test", "c@fail.test", NULL, NULL,
      "temperror", LATER },
    { "SPF is not known now", "a@late.test", "c@late.test", NULL, NULL, "temperror",
      LATER },
    { "another's SPF is not known now", "a@late.test", "c@none.test", NULL, NULL, "fail",
      TAKEN },
    { "not a name", "a@elsewhere.test", "c@[192.0.2.1]", NULL, NULL, "none", TAKEN },
};

/* At most what the option says. */
static enum follows at_most(enum follows f, enum policy_action action)
{
    if (f == LATER)
        return action == POLICY_REJECT       ? LATER
               : action == POLICY_QUARANTINE ? JUNK
                                             : TAKEN;
    if (f == REFUSE && action == POLICY_QUARANTINE)
        return JUNK;
    return action == POLICY_IGNORE ? TAKEN : f;
}

static void check_case(struct client *c, size_t i, enum policy_action action)
{
    static const char *const replies[] = { "250 2.0.0 ", "250 2.0.0 ", "550 5.7.1 ",
                                           "451 4.7.1 " };
    str_t text = message(cases[i].from, "", 500);
    int were = counted(cases[i].result);
    enum follows follows = at_most(cases[i].follows, action);
    const char *word = arena_printf(arena, "\r\n\tdmarc=%s", cases[i].result);
    str_t stored;

    if (cases[i].signer != NULL)
        text = sign(text, cases[i].signer, cases[i].selector);
    options.dmarc.action = options.dmarc_temporary.action = action;
    if (action == POLICY_IGNORE) /* then nothing follows, whatever this one says */
        options.dmarc_temporary.action = POLICY_REJECT;
    begin_data(c, cases[i].sender, "alice0001@" DOMAIN);
    send_message(c, text);
    expect(c, replies[follows]);
    assert_int_equal(counted(cases[i].result), were + 1);
    if (follows > JUNK)
        return;
    look_at_last();
    assert_int_equal(str_find(db_get_str(observer, 0, 0, 3), S("quarantine")) != SIZE_MAX,
                     follows == JUNK);
    stored = stored_body(db_get_int(observer, 0, 0, 0));
    assert_true(str_find(stored, S("Authentication-Results: mail." DOMAIN ";\r\n")) !=
                SIZE_MAX);
    assert_true(str_find(stored, str_of(word)) != SIZE_MAX);
}

static void what_domains_want(void **state)
{
    static const enum policy_action actions[] = { POLICY_REJECT, POLICY_QUARANTINE,
                                                  POLICY_IGNORE };
    struct client c = foreign();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t k = 0; k < ARRAY_LEN(actions); k++) {
            print_message("%s, %s\n", cases[i].name, policy_action_name(actions[k]));
            check_case(&c, i, actions[k]);
        }
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_domains_want),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_checking, stop_checking);
}
