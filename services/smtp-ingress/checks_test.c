/* checks_test.c - each check against senders, recipients and messages, without a
 * database.
 *
 * Those that need a store are covered by the transcripts and by accept_test.c.
 */
#include "checks.h"

#include "base/rate.h"
#include "base/arena.h"
#include "base/buf.h"
#include "dkim_watch.h"
#include "ingress.h"
#include "mail/domains.h"
#include "net/dns.h"
#include "net/spool.h"
#include "net/test_name_server.h"
#include "svc/options.h"
#include "transaction.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define DOMAIN "chat.example"
#define ALICE  "alice1234@" DOMAIN

static struct options options = { .max_message_size = 100000,
                                  .max_recipients = 3,
                                  .dkim = { .action = POLICY_REJECT },
                                  .require_mx_record = { .action = POLICY_REJECT },
                                  .require_mx_record_temporary = { .action =
                                                                       POLICY_REJECT } };
static const struct domains domains = DOMAINS_ONE(DOMAIN);
static struct ingress ingress = { .options = &options, .route = { .domains = &domains } };

struct fixture {
    struct check c;
    struct buf out;
};

static void setup(struct fixture *f, enum checks_direction direction, const char *sender)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->out, 4096);
    f->c.ingress = &ingress;
    f->c.direction = direction;
    f->c.account = 7;
    f->c.account_address = S(ALICE);
    f->c.mail = transaction_new();
    f->c.mail->sender = f->c.mail->return_path = str_of(sender);
    f->c.now_us = 1000000000;
    f->c.out = &f->out;
    f->c.row_name = "size";
}

static void teardown(struct fixture *f)
{
    transaction_free(&f->c.mail);
    buf_fini(&f->out);
}

/* expect: start of the reply, or NULL for "passes" */
static void verdict(struct fixture *f, enum check_result result, const char *expect)
{
    if (expect == NULL) {
        assert_int_equal(result, CHECK_PASS);
        assert_int_equal(f->out.n, 0);
    } else {
        assert_int_equal(result, CHECK_REFUSE);
        if (!str_starts(buf_str(&f->out), str_of(expect)))
            fail_msg("%.*s is not %s", STR_ARG(buf_str(&f->out)), expect);
    }
}

static void announced_size(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CHECKS_OUTGOING, ALICE);
    f.c.mail->declared_bytes = 100000;
    verdict(&f, checks_run(&f.c, CHECKS_SENDER, CHECKS_LOOP), NULL);
    f.c.mail->declared_bytes = 100001;
    f.c.passed[CHECKS_ROW_size] = false;
    verdict(&f, checks_run(&f.c, CHECKS_SENDER, CHECKS_LOOP),
            "552 5.3.4 Message size exceeds fixed limit\r\n");
    teardown(&f);
}

static void senders(void **state)
{
    static const struct {
        enum checks_direction direction;
        const char *sender, *expect;
    } cases[] = {
        { CHECKS_OUTGOING, ALICE, NULL },
        { CHECKS_OUTGOING, "ALICE1234@Chat.Example", NULL },
        { CHECKS_OUTGOING, "bob123456@" DOMAIN,
          "553 5.7.1 <bob123456@" DOMAIN
          ">: Sender address rejected: not owned by user " ALICE "\r\n" },
        { CHECKS_OUTGOING, "alice1234@elsewhere.example", "553 5.7.1 " },
        { CHECKS_OUTGOING, "", NULL }, /* fails at the author, see below */
        { CHECKS_INCOMING, "bob@elsewhere.example", NULL },
        { CHECKS_INCOMING, "", NULL },
        { CHECKS_INCOMING, ALICE, "553 5.7.1 " },
        { CHECKS_INCOMING, "x@CHAT.example", "553 5.7.1 " },
        { CHECKS_INCOMING, "x@sub.chat.example", NULL },
        { CHECKS_INCOMING, "\"x@elsewhere.example\"@" DOMAIN, "553 5.7.1 " },
        { CHECKS_INCOMING, "\"x@" DOMAIN "\"@elsewhere.example", NULL },
        { CHECKS_INCOMING, "x%" DOMAIN "@elsewhere.example", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        setup(&f, cases[i].direction, cases[i].sender);
        verdict(&f, check_sender(&f.c), cases[i].expect);
        teardown(&f);
    }
}

static void never_relays(void **state)
{
    static const struct {
        const char *recipient, *expect;
    } cases[] = {
        { ALICE, NULL },
        { "alice1234@CHAT.EXAMPLE", NULL },
        { "bob@elsewhere.example",
          "554 5.7.1 <bob@elsewhere.example>: Relay access denied\r\n" },
        { "bob@chat.example.evil.example", "554 5.7.1 " },
        { "bob@xchat.example", "554 5.7.1 " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        setup(&f, CHECKS_INCOMING, "x@elsewhere.example");
        assert_int_equal(address_parse(str_of(cases[i].recipient), 0, &f.c.recipient),
                         RC_OK);
        verdict(&f, checks_run(&f.c, CHECKS_RECIPIENT, CHECKS_LOOP), cases[i].expect);
        teardown(&f);
    }
}

static void too_many_recipients(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CHECKS_INCOMING, "x@elsewhere.example");
    for (int i = 0; i < 2; i++)
        transaction_add_recipient(f.c.mail, S(ALICE));
    verdict(&f, check_count(&f.c), NULL);
    transaction_add_recipient(f.c.mail, S(ALICE));
    verdict(&f, check_count(&f.c), "452 4.5.3 ");
    teardown(&f);
}

/* Once for each message, however many recipients, and for all of them the same answer. */
static void send_rate(void **state)
{
    struct fixture first, second;

    (void)state;
    ingress.rate = rate_new(&(struct rate_options){ .per_minute = 60, .burst = 1 });
    setup(&first, CHECKS_OUTGOING, ALICE);
    setup(&second, CHECKS_OUTGOING, ALICE);
    for (int i = 0; i < 3; i++)
        verdict(&first, check_rate(&first.c), NULL);
    for (int i = 0; i < 3; i++) {
        buf_clear(&second.out);
        verdict(&second, check_rate(&second.c),
                "450 4.7.1: Too much mail from <" ALICE ">, try again in 1 s\r\n");
    }
    teardown(&first);
    teardown(&second);
    rate_free(&ingress.rate);
}

#define PLAIN(from) from "To: <b@x.example>\r\nSubject: hi\r\n\r\nhello\r\n"

static void judge(struct fixture *f, const char *message)
{
    struct encrypted_query q = { .direction = f->c.direction == CHECKS_OUTGOING
                                                  ? ENCRYPTED_OUTGOING
                                                  : ENCRYPTED_INCOMING,
                                 .message = str_of(message),
                                 .recipients = f->c.mail->recipients,
                                 .recipient_count = f->c.mail->recipient_count };

    f->c.message = q.message;
    transaction_add_recipient(f->c.mail, S("b@x.example"));
    encrypted_judge(f->c.mail->arena, &q, &f->c.judged);
}

static void authors(void **state)
{
    static const struct {
        enum checks_direction direction;
        const char *sender, *message, *expect;
    } cases[] = {
        { CHECKS_OUTGOING, ALICE, PLAIN("From: <" ALICE ">\r\n"), NULL },
        { CHECKS_OUTGOING, ALICE, PLAIN("From: Alice <ALICE1234@chat.example>\r\n"),
          NULL },
        { CHECKS_OUTGOING, ALICE, PLAIN("From: <bob@chat.example>\r\n"),
          "500 Invalid FROM <bob@chat.example> for <" ALICE ">\r\n" },
        { CHECKS_OUTGOING, "", PLAIN("From: <" ALICE ">\r\n"), "500 Invalid FROM <" },
        { CHECKS_OUTGOING, ALICE, PLAIN(""), "500 Invalid FROM header: " },
        { CHECKS_OUTGOING, ALICE, PLAIN("From: \r\n"), "500 Invalid FROM header: " },
        { CHECKS_OUTGOING, ALICE,
          PLAIN("From: <" ALICE ">\r\nFrom: <bob@chat.example>\r\n"),
          "500 Invalid FROM header: " },
        { CHECKS_OUTGOING, ALICE,
          PLAIN("From: <" ALICE ">\r\nfrom : <bob@chat.example>\r\n"), "500 " },
        { CHECKS_OUTGOING, ALICE, PLAIN("From: <" ALICE ">\r\nno field at all\r\n"),
          "500 Failed to parse message\r\n" },
        { CHECKS_INCOMING, "b@x.example", PLAIN("From: <b@x.example>\r\n"), NULL },
        { CHECKS_INCOMING, "b@x.example", PLAIN("From: <" ALICE ">\r\n"), "554 5.7.1 " },
        { CHECKS_INCOMING, "", PLAIN("From: <" ALICE ">\r\n"), "554 5.7.1 " },
        { CHECKS_INCOMING, "b@x.example", PLAIN("From: \"b@x.example\"@" DOMAIN "\r\n"),
          "554 5.7.1 " },
        { CHECKS_INCOMING, "b@x.example",
          PLAIN("From: \"x@" DOMAIN "\"@elsewhere.example\r\n"), NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        setup(&f, cases[i].direction, cases[i].sender);
        judge(&f, cases[i].message);
        verdict(&f, check_author(&f.c), cases[i].expect);
        teardown(&f);
    }
}

static void strangers_get_no_bounce_for_others(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CHECKS_INCOMING, "list@x.example");
    judge(&f, PLAIN("From: <author@y.example>\r\n"));
    assert_int_equal(check_author(&f.c), CHECK_PASS);
    assert_int_equal(f.c.mail->return_path.n, 0);
    teardown(&f);
    setup(&f, CHECKS_INCOMING, "Author@y.example");
    judge(&f, PLAIN("From: <author@Y.example>\r\n"));
    assert_int_equal(check_author(&f.c), CHECK_PASS);
    assert_true(str_eq(f.c.mail->return_path, S("Author@y.example")));
    teardown(&f);
}

static void clear_text(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CHECKS_OUTGOING, ALICE);
    judge(&f, PLAIN("From: <" ALICE ">\r\n"));
    verdict(&f, check_encrypted(&f.c),
            "523 Encryption Needed: Invalid Unencrypted Mail\r\n");
    teardown(&f);
    setup(&f, CHECKS_INCOMING, "b@x.example");
    judge(&f, PLAIN("From: <b@x.example>\r\n"));
    verdict(&f, check_encrypted(&f.c), NULL); /* every recipient takes clear text */
    f.c.mail->clear_text = false;
    verdict(&f, check_encrypted(&f.c), "523 Encryption Needed: ");
    teardown(&f);
}

static void securejoin_may_be_clear(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CHECKS_OUTGOING, ALICE);
    judge(&f, "From: <" ALICE ">\r\nSecure-Join: vc-request\r\n"
              "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
              "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
              "secure-join: vc-request\r\n--b--\r\n");
    verdict(&f, checks_run(&f.c, CHECKS_MESSAGE, CHECKS_FIRST), NULL);
    teardown(&f);
}

static void quarantine_has_no_way_out(void **state)
{
    static const struct {
        bool quarantine;
        const char *recipient, *expect;
    } cases[] = {
        { false, "b@x.example", NULL },
        { true, "bob123456@CHAT.example", NULL },
        { true, "\"bob\"@" DOMAIN, NULL },
        { true, "b@x.example", "550 5.7.0 " },
        { true, "b@sub." DOMAIN, "550 5.7.0 " },
        { true, "\"b@" DOMAIN "\"@x.example", "550 5.7.0 " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        setup(&f, CHECKS_OUTGOING, ALICE);
        f.c.mail->quarantine = cases[i].quarantine;
        transaction_add_recipient(f.c.mail, S(ALICE));
        transaction_add_recipient(f.c.mail, str_of(cases[i].recipient));
        verdict(&f, check_quarantine(&f.c), cases[i].expect);
        teardown(&f);
    }
}

static void round_in_circles(void **state)
{
    struct arena *a = arena_new();
    struct buf *message = arena_buf(a, 100000);
    struct fixture f;

    (void)state;
    for (int i = 0; i < 50; i++)
        assert_int_equal(buf_puts(message, "Received: from somewhere\r\n"), RC_OK);
    setup(&f, CHECKS_INCOMING, "b@x.example");
    f.c.message = buf_str(message);
    verdict(&f, check_hops(&f.c), NULL);
    assert_int_equal(buf_puts(message, "received: once more\r\n"), RC_OK);
    f.c.message = buf_str(message);
    verdict(&f, check_hops(&f.c), "554 5.4.6 ");
    teardown(&f);
    arena_free(&a);
}

static void is_answered(void *user)
{
    atomic_store((_Atomic bool *)user, true);
}

/* What DNS says becomes a fact and a reply. */
static void senders_without_mx(void **state)
{
    static const struct test_record records[] = {
        TEST_RECORD("good.test", DNS_MX, "\0\x0a\2mx\4good\4test\0"),
        TEST_RECORD("null.test", DNS_MX, "\0\0\0"),
        TEST_RECORD("plain.test", TEST_TYPE_A, "\xc0\0\2\1"),
    };
    static const struct {
        const char *domain, *expect;
        enum auth_results_word result;
    } cases[] = {
        { "good.test", NULL, AUTH_RESULTS_PASS },
        { "null.test", "550 5.7.27 ", AUTH_RESULTS_FAIL },
        { "plain.test", "550 5.1.8 ", AUTH_RESULTS_FAIL },
        { "nowhere.test", "550 5.1.8 ", AUTH_RESULTS_FAIL },
        { "fail.test", "451 4.4.3 ", AUTH_RESULTS_TEMPERROR },
        { "silent.test", "451 4.4.3 ", AUTH_RESULTS_TEMPERROR },
    };
    struct test_name_server server;
    struct dns_options o = { .resolver = server.address, .trust_anchor_file = "none" };
    struct dns *dns;

    (void)state;
    test_name_server_start(&server, records, ARRAY_LEN(records));
    assert_int_equal(dns_new(&o, NULL, &dns), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct deadline until = deadline_in_ms(30000);
        _Atomic bool answered = false;
        struct dns_wait wait = {
            .until = deadline_in_ms(i + 1 < ARRAY_LEN(cases) ? 20000 : 100),
            .answered = is_answered,
            .user = &answered,
        };
        struct dns_question *q = dns_ask(dns, str_of(cases[i].domain), DNS_MX, &wait);
        const struct auth_results_fact *fact;
        struct fixture f;

        while (!atomic_load(&answered) && !deadline_passed(until))
            poll(NULL, 0, 1);
        assert_true(atomic_load(&answered));
        setup(&f, CHECKS_INCOMING, "");
        f.c.mail->sender =
            str_of(arena_printf(f.c.mail->arena, "carol@%s", cases[i].domain));
        f.c.state = (void **)&q;
        verdict(&f, check_require_mx_record(&f.c), cases[i].expect);
        fact = f.c.mail->verdict.facts;
        assert_string_equal(fact->method, "x-return-mx");
        assert_int_equal(fact->result, cases[i].result);
        assert_string_equal(fact->properties[0].name, "smtp.mailfrom");
        assert_true(str_eq(fact->properties[0].value, f.c.mail->sender));
        assert_int_equal(f.c.mail->verdict.count, 1);
        teardown(&f);
        dns_forget(&q);
    }
    dns_free(&dns);
    test_name_server_stop(&server);
}

/* Of these nothing is asked. */
static void senders_that_have_no_domain(void **state)
{
    static const char *const senders[] = { "", "carol@[192.0.2.1]",
                                           "carol@[IPv6:2001:db8::1]" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
        void *none = NULL;
        struct fixture f;

        setup(&f, CHECKS_INCOMING, senders[i]);
        f.c.state = &none;
        verdict(&f, check_require_mx_record(&f.c), NULL);
        assert_int_equal(f.c.mail->verdict.facts->result, AUTH_RESULTS_NONE);
        teardown(&f);
    }
}

#define SIGNATURE(domain)                                                                \
    "DKIM-Signature: v=1; a=ed25519-sha256; d=" domain "; s=s1; i=x@sub." domain ";\r\n" \
    " h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=YWJj\r\n"

/* What can be said without the DNS; nobody has a judgement here to ask by. */
static void signatures_that_need_no_key(void **state)
{
    static const struct {
        const char *message, *expect, *domain;
        enum auth_results_word result;
    } cases[] = {
        { PLAIN("From: a@x.test\r\n"), "554 5.7.1 No DKIM signature found\r\n", NULL,
          AUTH_RESULTS_NONE },
        { PLAIN("From: a@x.test\r\n" SIGNATURE("y.test")),
          "554 5.7.1 No valid DKIM signature found: none is by the domain in From\r\n",
          NULL, AUTH_RESULTS_NONE },
        { PLAIN("From: a@x.test\r\n" SIGNATURE("X.test")),
          "554 5.7.1 No valid DKIM signature found: the body was changed\r\n", "x.test",
          AUTH_RESULTS_FAIL },
        { PLAIN("From: a@_x.test\r\n"), "554 5.7.1 No DKIM signature found\r\n", NULL,
          AUTH_RESULTS_NONE },
        { PLAIN("From: a@[192.0.2.1]\r\n"), NULL, NULL, AUTH_RESULTS_NONE },
    };
    struct spool_room room = { .small_bytes = 10000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t m = str_of(cases[i].message);
        const struct auth_results_fact *fact;
        void *none = NULL;
        struct fixture f;

        setup(&f, CHECKS_INCOMING, "");
        judge(&f, m.p);
        f.c.mail->spool = spool_new(&room, 0);
        f.c.mail->dkim = dkim_watch_new(f.c.mail->arena, f.c.mail->spool);
        dkim_watch_append(f.c.mail->dkim, m.p, m.n);
        f.c.state = &none;
        verdict(&f, check_dkim(&f.c), cases[i].expect);
        fact = f.c.mail->verdict.facts;
        assert_string_equal(fact->method, "dkim");
        assert_int_equal(fact->result, cases[i].result);
        assert_int_equal(f.c.mail->verdict.count, 1);
        assert_int_equal(fact->properties[0].name != NULL, cases[i].domain != NULL);
        if (cases[i].domain != NULL) {
            assert_string_equal(fact->properties[0].name, "header.d");
            assert_true(str_eq(fact->properties[0].value, str_of(cases[i].domain)));
            assert_string_equal(fact->properties[1].name, "header.i");
            assert_true(str_eq(fact->properties[1].value, S("@sub.x.test")));
            assert_string_equal(fact->properties[2].name, "header.s");
            assert_true(str_eq(fact->properties[2].value, S("s1")));
            assert_string_equal(fact->properties[3].name, "header.a");
            assert_true(str_eq(fact->properties[3].value, S("ed25519-sha256")));
        }
        teardown(&f);
    }
}

/* What a policy has follow, with the check's words and with its own. */
static void policies(void **state)
{
    static const struct {
        const char *policy;
        int code;
        const char *enhanced, *expect; /* NULL: passes */
        bool quarantine;
    } cases[] = {
        { "ignore", 550, "5.7.1", NULL, false },
        { "quarantine", 550, "5.7.1", NULL, true },
        { "quarantine", 451, "4.4.3", NULL, true },
        { "reject", 550, "5.7.1", "550 5.7.1 the check's words\r\n", false },
        { "reject", 523, NULL, "523 the check's words\r\n", false },
        { "reject", 451, "4.4.3", "451 4.4.3 the check's words\r\n", false },
        { "reject 450", 550, "5.7.1", "450 4.7.1 the check's words\r\n", false },
        { "reject 554 5.7.9", 550, "5.7.1", "554 5.7.9 the check's words\r\n", false },
        { "reject 554 5.7.9 no", 451, "4.4.3", "554 5.7.9 no\r\n", false },
        { "reject Go away", 550, "5.7.1", "550 5.7.1 Go away\r\n", false },
        { "true", 550, "5.7.1", "550 5.7.1 the check's words\r\n", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *why;
        struct policy p;
        struct fixture f;

        setup(&f, CHECKS_INCOMING, "b@x.example");
        assert_int_equal(policy_parse(f.c.mail->arena, str_of(cases[i].policy), &p, &why),
                         RC_OK);
        verdict(&f,
                check_conclude(&f.c, &p, cases[i].code, cases[i].enhanced,
                               "the check's words"),
                cases[i].expect);
        assert_int_equal(f.c.mail->quarantine, cases[i].quarantine);
        teardown(&f);
    }
}

/* What others claim is told as such, and changes nothing. */
static void chains_of_others(void **state)
{
    static const struct {
        const char *fields, *reason; /* NULL: nothing is said */
    } cases[] = {
        { "", NULL },
        { "ARC-Seal: i=1; cv=none\r\nARC-Message-Signature: i=1\r\n"
          "ARC-Authentication-Results: i=1; x.test; dkim=pass\r\n",
          "cv=pass in the last of 1 sets, not verified" },
        { "ARC-Seal: i=1; cv=fail\r\nARC-Message-Signature: i=1\r\n"
          "ARC-Authentication-Results: i=1; x.test; dkim=pass\r\n",
          "cv=fail in the last of 1 sets, not verified" },
        { "ARC-Seal: i=1; cv=none\r\n", "no whole chain" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct auth_results_fact *fact;
        struct fixture f;

        setup(&f, CHECKS_INCOMING, "b@x.example");
        judge(&f, arena_printf(f.c.mail->arena, "%s" PLAIN("From: <b@x.example>\r\n"),
                               cases[i].fields));
        verdict(&f, check_arc(&f.c), NULL);
        assert_int_equal(f.c.mail->verdict.count, cases[i].reason != NULL);
        if (cases[i].reason != NULL) {
            fact = &f.c.mail->verdict.facts[0];
            assert_string_equal(fact->method, "arc");
            assert_int_equal(fact->result, AUTH_RESULTS_NEUTRAL);
            assert_true(str_eq(fact->reason, str_of(cases[i].reason)));
        }
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announced_size),
        cmocka_unit_test(senders),
        cmocka_unit_test(never_relays),
        cmocka_unit_test(too_many_recipients),
        cmocka_unit_test(send_rate),
        cmocka_unit_test(authors),
        cmocka_unit_test(strangers_get_no_bounce_for_others),
        cmocka_unit_test(clear_text),
        cmocka_unit_test(securejoin_may_be_clear),
        cmocka_unit_test(quarantine_has_no_way_out),
        cmocka_unit_test(round_in_circles),
        cmocka_unit_test(policies),
        cmocka_unit_test(senders_without_mx),
        cmocka_unit_test(senders_that_have_no_domain),
        cmocka_unit_test(signatures_that_need_no_key),
        cmocka_unit_test(chains_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
