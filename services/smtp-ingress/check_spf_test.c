/* check_spf_test.c - hosts that may and may not send, in whole conversations.
 *
 * Whoever sends here is 127.0.0.1 and calls itself mx.elsewhere.example.
 */
#include "session_test.h"

#include "base/metric.h"
#include "check_spf.h"
#include "net/test_name_server.h"

#include <stdlib.h>

#define TXT(name, text, n) TEST_RECORD(name, DNS_TXT, n text)

static const struct test_record records[] = {
    TXT("pass.test", "v=spf1 ip4:127.0.0.1 -all", "\x19"),
    TXT("closed.test", "v=spf1 -all", "\x0b"),
    TXT("why.test", "v=spf1 exp=e.why.test -all", "\x1a"),
    TXT("e.why.test", "%{i} is not ours", "\x10"),
    TXT("soft.test", "v=spf1 ~all", "\x0b"),
    TXT("neutral.test", "v=spf1 ?all", "\x0b"),
    TXT("broken.test", "v=spf1 foo:bar", "\x0e"),
    TXT("late.test", "v=spf1 a:fail.test -all", "\x17"),
    TXT("macro.test", "v=spf1 exists:%{l}.m.macro.test -all", "\x24"),
    TEST_RECORD("a=b+c.m.macro.test", TEST_TYPE_A, "\x7f\0\0\2"),
    TXT("xn--bcher-kva.test", "v=spf1 +all", "\x0b"),
    TXT("mx.elsewhere.example", "v=spf1 ?all", "\x0b"),
    TXT("wants.test", "v=spf1 -all", "\x0b"),
    TXT("_dmarc.wants.test", "v=DMARC1; p=reject", "\x12"),
    TXT("_dmarc.idle.test", "v=DMARC1; p=none", "\x10"),
};

static struct test_name_server name_server;

static int start_checking(void **state)
{
    struct dns_options dns = { .resolver = name_server.address,
                               .trust_anchor_file = "none" };
    struct judge_options judge = { .threads = 1, .queue_max = 1000 };

    test_name_server_start(&name_server, records, ARRAY_LEN(records));
    assert_int_equal(dns_new(&dns, NULL, &ingress.dns), RC_OK);
    judge.dns = ingress.dns;
    judge.wait_ms = 10 * WAIT_MS;
    ingress.judge = judge_new(&judge);
    check_spf_register_metrics();
    options.dmarc.action = POLICY_REJECT; /* that there is a judge, and DKIM looked at */
    start_with_alice(state);
    options.dmarc.action = POLICY_OFF;
    return 0;
}

static int stop_checking(void **state)
{
    stop(state);
    test_name_server_stop(&name_server);
    return 0;
}

static void set_all(enum policy_action action)
{
    options.spf_fail_action.action = action;
    options.spf_softfail_action.action = action;
    options.spf_neutral_action.action = action;
    options.spf_none_action.action = action;
    options.spf_permerr_action.action = action;
    /* Where nothing follows from the others, nothing follows from it. */
    options.spf_temporary.action = action <= POLICY_IGNORE ? POLICY_REJECT : action;
}

static int counted(const char *result)
{
    const char *name =
        arena_printf(arena, "\npostbus_smtp_spf_total{result=\"%s\"} ", result);
    struct buf *text = arena_buf(arena, 1000000);
    size_t at;

    metric_render(text);
    at = str_find(buf_str(text), str_of(name));
    assert_true(at != SIZE_MAX);
    return (int)strtol(text->p + at + strlen(name), NULL, 10);
}

static void submit(struct client *c, const char *sender, const char *from)
{
    begin_data(c, sender, "alice0001@" DOMAIN);
    send_message(c, message(from, "", 500));
}

static const struct {
    const char *sender, *result, *reply;
} cases[] = {
    { "a@pass.test", "pass", "250 2.0.0 " },
    { "a@closed.test", "fail",
      "550 5.7.23 closed.test says by SPF that this host may not send its mail" },
    { "a@why.test", "fail",
      "550 5.7.23 why.test says by SPF that this host may not send its mail; it "
      "explains: 127.0.0.1 is not ours" },
    { "a@soft.test", "softfail",
      "550 5.7.23 soft.test says by SPF that this host should not send its mail" },
    { "a@neutral.test", "neutral",
      "550 5.7.23 neutral.test says by SPF nothing about this host" },
    { "a@nowhere.test", "none",
      "550 5.7.23 nowhere.test does not say by SPF who may send its mail" },
    { "a@broken.test", "permerror",
      "550 5.7.24 broken.test has an SPF record that cannot be read" },
    { "a@late.test", "temperror", "451 4.7.24 late.test has an SPF record that cannot" },
    { "a=b+c@macro.test", "pass", "250 2.0.0 " },
    { "a=b@macro.test", "fail", "550 5.7.23 " },
    { "a@b\xc3\xbc"
      "cher.test",
      "pass", "250 2.0.0 " },
    { "", "neutral", "550 5.7.23 mx.elsewhere.example says by SPF nothing" },
    { "a@[192.0.2.1]", "none", "550 5.7.23 [192.0.2.1] does not say" },
};

static void each_result_has_its_policy(void **state)
{
    static const enum policy_action actions[] = { POLICY_REJECT, POLICY_QUARANTINE,
                                                  POLICY_IGNORE };
    struct client c = foreign();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(actions); i++) {
        enum policy_action action = actions[i % ARRAY_LEN(actions)];
        const char *sender = cases[i / ARRAY_LEN(actions)].sender;
        const char *result = cases[i / ARRAY_LEN(actions)].result;
        const char *reply = cases[i / ARRAY_LEN(actions)].reply;
        int were = counted(result);

        if (action != POLICY_REJECT)
            reply = "250 2.0.0 ";
        set_all(action);
        submit(&c, sender, "carol@_elsewhere.test");
        expect(&c, reply);
        assert_int_equal(counted(result), were + 1);
        if (reply[0] != '2')
            continue;
        look_at_last();
        assert_int_equal(str_find(db_get_str(observer, 0, 0, 3), S("quarantine")) !=
                             SIZE_MAX,
                         action == POLICY_QUARANTINE && strcmp(result, "pass") != 0);
    }
    hang_up(&c);
}

/* One is on: of the others nothing follows, but of what may be that one later. */
static void results_whose_action_is_off(void **state)
{
    struct client c = foreign();

    (void)state;
    set_all(POLICY_OFF);
    options.spf_fail_action.action = POLICY_REJECT;
    options.spf_temporary.action = POLICY_IGNORE;
    submit(&c, "a@soft.test", "carol@_elsewhere.test");
    expect(&c, "250 2.0.0 ");
    submit(&c, "a@late.test", "carol@_elsewhere.test");
    expect(&c, "250 2.0.0 ");
    options.spf_temporary.action = POLICY_REJECT;
    submit(&c, "a@late.test", "carol@_elsewhere.test");
    expect(&c, "451 4.7.24 ");
    hang_up(&c);
}

/* What an author's domain wants by DMARC comes first, unless somebody wants both. */
static void dmarc_decides_where_it_is_on(void **state)
{
    static const struct {
        const char *sender, *from, *reply, *early;
    } with_dmarc[] = {
        { "a@closed.test", "carol@wants.test", "550 5.7.1 ", "550 5.7.23 " },
        { "a@closed.test", "carol@idle.test", "550 5.7.23 ", "550 5.7.23 " },
        { "a@closed.test", "carol@nowhere.test", "550 5.7.23 ", "550 5.7.23 " },
        { "a@closed.test", "carol@fail.test", "451 4.7.1 ", "550 5.7.23 " },
        { "a@pass.test", "carol@pass.test", "250 ", "250 " },
    };
    struct client c = foreign();

    (void)state;
    set_all(POLICY_OFF);
    options.spf_fail_action.action = POLICY_REJECT;
    options.dmarc.action = options.dmarc_temporary.action = POLICY_REJECT;
    for (size_t i = 0; i < 2 * ARRAY_LEN(with_dmarc); i++) {
        options.spf_enforce_early = i % 2 == 1;
        submit(&c, with_dmarc[i / 2].sender, with_dmarc[i / 2].from);
        expect(&c, i % 2 == 1 ? with_dmarc[i / 2].early : with_dmarc[i / 2].reply);
    }
    /* With DMARC only looked at, SPF is on its own. */
    options.spf_enforce_early = false;
    options.dmarc.action = POLICY_IGNORE;
    submit(&c, "a@closed.test", "carol@wants.test");
    expect(&c, "550 5.7.23 ");
    options.dmarc.action = POLICY_OFF;
    hang_up(&c);
}

/* Its domain has no MX record, which is known first; what SPF says comes before that. */
static void the_first_refusal_in_order_is_the_answer(void **state)
{
    struct client c = foreign();

    (void)state;
    set_all(POLICY_REJECT);
    options.require_mx_record.action = POLICY_REJECT;
    submit(&c, "a=b@macro.test", "carol@_elsewhere.test");
    expect(&c, "550 5.7.23 ");
    submit(&c, "a=b+c@macro.test", "carol@_elsewhere.test");
    expect(&c, "550 5.1.8 ");
    options.spf_fail_action.action = POLICY_IGNORE;
    submit(&c, "a=b@macro.test", "carol@_elsewhere.test");
    expect(&c, "550 5.1.8 ");
    options.require_mx_record.action = POLICY_OFF;
    submit(&c, "a=b@macro.test", "carol@_elsewhere.test");
    expect(&c, "250 2.0.0 ");
    hang_up(&c);
}

static void without_an_action_nobody_asks(void **state)
{
    struct client c = foreign();
    int were = counted("pass");

    (void)state;
    set_all(POLICY_OFF);
    submit(&c, "a@pass.test", "carol@_elsewhere.test");
    expect(&c, "250 2.0.0 ");
    assert_int_equal(counted("pass"), were);
    hang_up(&c);
}

static void accounts_are_not_looked_at(void **state)
{
    struct client c = log_in("alice0001");
    int were = counted("none");

    (void)state;
    set_all(POLICY_REJECT);
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, message("alice0001@" DOMAIN, "", 500));
    expect(&c, "250 2.0.0 ");
    assert_int_equal(counted("none"), were);
    hang_up(&c);
}

/* Its host is not the one that the mail is from, and DMARC has no SPF then. */
static void what_comes_by_lmtp_is_not_looked_at(void **state)
{
    struct client c = dial(7);
    int were = counted("fail");

    (void)state;
    set_all(POLICY_REJECT);
    options.dmarc.action = POLICY_REJECT;
    say(&c, "LHLO relay." DOMAIN);
    expect(&c, "250 ");
    submit(&c, "a@closed.test", "carol@wants.test");
    expect(&c, "250 2.0.0 ");
    assert_int_equal(counted("fail"), were);
    options.dmarc.action = POLICY_OFF;
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_has_its_policy),
        cmocka_unit_test(results_whose_action_is_off),
        cmocka_unit_test(dmarc_decides_where_it_is_on),
        cmocka_unit_test(the_first_refusal_in_order_is_the_answer),
        cmocka_unit_test(without_an_action_nobody_asks),
        cmocka_unit_test(accounts_are_not_looked_at),
        cmocka_unit_test(what_comes_by_lmtp_is_not_looked_at),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_checking, stop_checking);
}
