/* judge_test.c - messages whose checks wait for DNS or others, in whole conversations.
 *
 * There is one judge, so whoever held a thread while it waits would hold up everybody.
 */
#include "session_test.h"

#include "base/metric.h"
#include "net/test_name_server.h"
#include "transaction.h"

#include <stdlib.h>

enum { MX = 15, CROWD = 40 };

#define R TEST_RECORD

static const struct test_record records[] = {
    R("good.test", MX, "\0\x0a\2mx\4good\4test\0"),
    R("xn--bcher-kva.test", MX, "\0\x0a\2mx\4good\4test\0"),
    R("held.test", MX, "\0\x0a\2mx\4good\4test\0"),
    R("null.test", MX, "\0\0\0"),
    R("plain.test", TEST_TYPE_A, "\xc0\0\2\1"),
};

static struct test_name_server name_server;

static struct judge *judge_with(int64_t wait_ms)
{
    struct judge_options o = {
        .threads = 1, .queue_max = 1000, .wait_ms = wait_ms, .dns = ingress.dns
    };

    return judge_new(&o);
}

static int start_judge(void **state)
{
    struct dns_options dns = { .resolver = name_server.address,
                               .trust_anchor_file = "none",
                               .at_once = 2 * CROWD };

    test_name_server_start(&name_server, records, ARRAY_LEN(records));
    assert_int_equal(dns_new(&dns, NULL, &ingress.dns), RC_OK);
    ingress.judge = judge_with(10 * WAIT_MS);
    judge_register_metrics();
    options.require_mx_record.action = POLICY_REJECT;
    options.require_mx_record_temporary.action = POLICY_REJECT;
    return start_with_alice(state);
}

static int stop_judge(void **state)
{
    stop(state);
    test_name_server_stop(&name_server);
    return 0;
}

static void set_gate(bool open)
{
    atomic_store(&name_server.is_open, open);
}

static int waiting(void)
{
    const char *const name = "\npostbus_smtp_waiting_messages ";
    struct buf *text = arena_buf(arena, 1000000);
    size_t at;

    metric_render(text);
    at = str_find(buf_str(text), str_of(name));
    assert_true(at != SIZE_MAX);
    return (int)strtol(text->p + at + strlen(name), NULL, 10);
}

static void await_waiting(int count)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    while (waiting() != count && !deadline_passed(until))
        poll(NULL, 0, 1);
    assert_int_equal(waiting(), count);
}

/* A message from there to alice0001, whole but for its reply. */
static void submit_at(struct client *c, const char *sender)
{
    begin_data(c, sender, "alice0001@" DOMAIN);
    send_message(c, message("carol@elsewhere.example", "", 500));
}

static struct client send_from(const char *sender)
{
    struct client c = foreign();

    submit_at(&c, sender);
    return c;
}

/* Each has a name of its own, so that no answer serves two. */
static struct client send_held(void)
{
    static int serial;

    return send_from(arena_printf(arena, "carol@held-%d.test", serial++));
}

static void what_dns_says_decides(void **state)
{
    static const struct {
        const char *sender, *reply;
    } cases[] = {
        { "carol@good.test", "250 2.0.0 " },
        { "carol@b\xc3\xbc"
          "cher.test",
          "250 2.0.0 " },
        { "", "250 2.0.0 " },
        { "carol@[192.0.2.1]", "250 2.0.0 " },
        { "carol@null.test", "550 5.7.27 <carol@null.test>: Domain has a null MX" },
        { "carol@plain.test", "550 5.1.8 <carol@plain.test>: Domain has no MX" },
        { "carol@nowhere.test", "550 5.1.8 <carol@nowhere.test>: Domain does not" },
        { "carol@fail.test", "451 4.4.3 " },
        { "carol@good.test", "250 2.0.0 " },
    };
    struct client c = foreign();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t before = queued();

        submit_at(&c, cases[i].sender);
        expect(&c, cases[i].reply);
        assert_int_equal(queued(), before + (cases[i].reply[0] == '2'));
    }
    hang_up(&c);
}

/* The message is read before anybody is asked about it. */
static void what_is_refused_at_sight_does_not_wait(void **state)
{
    struct client c = foreign();

    (void)state;
    begin_data(&c, "carol@held-sight.test", "alice0001@" DOMAIN);
    send_message(&c, S("From: <carol@elsewhere.example>\r\n\r\nhello\r\n"));
    expect(&c, "523 ");
    hang_up(&c);
}

static void a_dead_resolver_is_a_reason_to_try_again(void **state)
{
    struct judge *patient = ingress.judge, *hasty = judge_with(500);
    struct client c;
    int64_t before = queued();

    (void)state;
    ingress.judge = hasty;
    c = send_from("carol@silent.test");
    expect(&c, "451 4.4.3 ");
    ingress.judge = patient;
    judge_free(&hasty);
    assert_int_equal(waiting(), 0);
    assert_int_equal(queued(), before);
    hang_up(&c);
}

static void who_waits_holds_no_thread(void **state)
{
    struct client waits[CROWD], other, account;
    int64_t before = queued();

    (void)state;
    for (int i = 0; i < CROWD; i++)
        waits[i] = send_held();
    await_waiting(CROWD);
    other = send_from("carol@good.test");
    expect(&other, "250 2.0.0 ");
    account = log_in("alice0001");
    begin_data(&account, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&account, message("alice0001@" DOMAIN, "", 500));
    expect(&account, "250 2.0.0 ");
    assert_int_equal(queued(), before + 2);
    assert_int_equal(waiting(), CROWD);
    set_gate(true);
    for (int i = 0; i < CROWD; i++) {
        expect(&waits[i], "250 2.0.0 ");
        hang_up(&waits[i]);
    }
    assert_int_equal(queued(), before + 2 + CROWD);
    assert_int_equal(waiting(), 0);
    set_gate(false);
    hang_up(&other);
    hang_up(&account);
}

/* It would send the message again. */
static void who_hangs_up_meanwhile_leaves_nothing(void **state)
{
    struct client c = send_held();
    int64_t before = queued();

    (void)state;
    await_waiting(1);
    hang_up(&c);
    await_waiting(0); /* at once, not with the answer */
    set_gate(true);
    c = send_held();
    expect(&c, "250 2.0.0 ");
    assert_int_equal(queued(), before + 1);
    set_gate(false);
    hang_up(&c);
}

static void shut(struct client *c)
{
    assert_int_equal(shutdown(stream_fd(c->stream), SHUT_WR), 0);
}

/* The same for one that only says nothing more; but one that has said all, QUIT too, is
 * still there for the answer. */
static void who_shuts_its_side_has_left_unless_it_said_all(void **state)
{
    struct client c = send_held(), last;
    int64_t before = queued();

    (void)state;
    await_waiting(1);
    shut(&c);
    expect_end(&c);
    await_waiting(0);
    hang_up(&c);
    last = send_held();
    say(&last, "QUIT");
    shut(&last);
    await_waiting(1);
    set_gate(true);
    expect(&last, "250 2.0.0 Ok: queued as ");
    expect(&last, "221 ");
    expect_end(&last);
    assert_int_equal(queued(), before + 1);
    set_gate(false);
    hang_up(&last);
}

/* What was sent behind the message has its turn after it. */
static void what_stands_behind_it_waits_too(void **state)
{
    struct client c = send_held();
    int64_t before = queued();

    (void)state;
    await_waiting(1);
    say(&c, "RSET\r\nMAIL FROM:<carol@good.test>\r\nRSET\r\nQUIT");
    set_gate(true);
    expect(&c, "250 2.0.0 Ok: queued as ");
    expect(&c, "250 2.0.0 ");
    expect(&c, "250 2.1.0 ");
    expect(&c, "250 2.0.0 ");
    expect(&c, "221 ");
    expect_end(&c);
    assert_int_equal(queued(), before + 1);
    set_gate(false);
    hang_up(&c);
}

/* The silence is the fault of who gave that name. */
static void who_waits_for_a_name_server_gives_its_place(void **state)
{
    struct client places[PLACES], next;
    int64_t before = queued();

    (void)state;
    for (int i = 0; i < PLACES; i++) {
        places[i] = dial(5);
        say(&places[i], "EHLO mx.elsewhere.example");
        expect(&places[i], "250 ");
        submit_at(&places[i], arena_printf(arena, "carol@held-place-%d.test", i));
    }
    await_waiting(PLACES);
    next = dial(5);
    expect(&places[0], BUSY);
    expect_end(&places[0]);
    await_waiting(PLACES - 1);
    set_gate(true);
    for (int i = 1; i < PLACES; i++)
        expect(&places[i], "250 2.0.0 ");
    assert_int_equal(queued(), before + PLACES - 1);
    set_gate(false);
    for (int i = 0; i < PLACES; i++)
        hang_up(&places[i]);
    hang_up(&next);
}

static void drain_waits_for_who_waits(void **state)
{
    struct client c = send_held();
    int64_t before = queued();

    (void)state;
    await_waiting(1);
    listener_each(listeners[0], session_drain, NULL);
    assert_int_equal(waiting(), 1);
    set_gate(true);
    expect(&c, "250 2.0.0 ");
    expect(&c, "421 4.3.2 ");
    expect_end(&c);
    assert_int_equal(queued(), before + 1);
    set_gate(false);
    hang_up(&c);
    c = send_held();
    await_waiting(1);
    listener_each(listeners[0], session_part, NULL);
    expect(&c, "421 4.3.2 ");
    expect_end(&c);
    assert_int_equal(waiting(), 0);
    assert_int_equal(queued(), before + 1);
    hang_up(&c);
}

static void come_from_abroad(struct conn *c, void *user)
{
    struct session *s = conn_user(c);

    if (s == NULL)
        return;
    s->client_key = 7;
    atomic_store((_Atomic bool *)user, true);
}

/* Its messages are gone with it, its questions are not: they count until they end. */
static void who_asks_and_hangs_up_leaves_room_for_others(void **state)
{
    enum { SHARE = 2 * CROWD / 5 };
    struct client c, honest;

    (void)state;
    for (int i = 0; i <= SHARE; i++) {
        struct deadline until = deadline_in_ms(WAIT_MS);
        _Atomic bool done = false;

        c = foreign();
        listener_each(listeners[0], come_from_abroad, (void *)&done);
        while (!atomic_load(&done) && !deadline_passed(until))
            poll(NULL, 0, 1);
        assert_true(atomic_load(&done));
        submit_at(&c, arena_printf(arena, "carol@held-abroad-%d.test", i));
        if (i < SHARE) {
            await_waiting(1);
            hang_up(&c);
            await_waiting(0);
        }
    }
    expect(&c, "451 4.4.3 ");
    honest = send_from("carol@good.test");
    expect(&honest, "250 2.0.0 ");
    hang_up(&c);
    c = send_held();
    set_gate(true);
    expect(&c, "250 2.0.0 ");
    set_gate(false);
    hang_up(&c);
    hang_up(&honest);
}

/* What is neither DNS nor known to the judge. */
struct other {
    struct judgement *judgement;
    _Atomic int held, forgotten;
};

static void forget_other(void *what)
{
    atomic_fetch_add(&((struct other *)what)->forgotten, 1);
}

/* On the loop: while the message waits, no judge has it. */
static void hold_too(struct conn *c, void *user)
{
    const struct session *s = conn_user(c);
    struct other *o = user;

    if (s == NULL || s->mail == NULL || s->mail->judgement == NULL)
        return;
    o->judgement = s->mail->judgement;
    judge_hold(o->judgement, forget_other, o);
    atomic_fetch_add(&o->held, 1);
}

static void await_one(_Atomic int *count)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    while (atomic_load(count) != 1 && !deadline_passed(until))
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(count), 1);
}

static struct client send_held_by(struct other *o)
{
    struct client c = send_held();

    await_waiting(1);
    listener_each(listeners[0], hold_too, o);
    await_one(&o->held);
    return c;
}

/* An answer of DNS alone brings it nowhere; the last word, by this thread, does. */
static void who_waits_for_others_waits_for_all(void **state)
{
    struct other o = { 0 };
    struct client c = send_held_by(&o), second = send_held();
    int64_t before = queued();

    (void)state;
    await_waiting(2);
    set_gate(true);
    expect(&second, "250 2.0.0 ");
    assert_int_equal(waiting(), 1);
    assert_int_equal(atomic_load(&o.forgotten), 0);
    judge_release(o.judgement);
    expect(&c, "250 2.0.0 ");
    await_one(&o.forgotten);
    assert_int_equal(queued(), before + 2);
    assert_int_equal(waiting(), 0);
    set_gate(false);
    hang_up(&second);
    hang_up(&c);
}

static void what_others_were_asked_is_forgotten_with_the_message(void **state)
{
    struct other o = { 0 };
    struct client c = send_held_by(&o);
    int64_t before = queued();

    (void)state;
    hang_up(&c);
    await_one(&o.forgotten);
    await_waiting(0);
    assert_int_equal(queued(), before);
}

/* The last test: neither can be taken back. */
static void a_stop_ends_each_wait(void **state)
{
    struct other o = { 0 };
    struct client stays = send_held_by(&o), waits = send_held(), late;
    int64_t before = queued();

    (void)state;
    await_waiting(2);
    dns_stop(ingress.dns);
    expect(&waits, "451 4.4.3 ");
    late = foreign();
    submit_at(&late, "carol@good.test");
    expect(&late, "451 4.4.3 ");
    assert_int_equal(judge_drain(ingress.judge, deadline_in_ms(WAIT_MS)), RC_OK);
    submit_at(&late, "carol@good.test");
    expect(&late, "421 4.3.2 ");
    judge_release(o.judgement); /* others may be slower than that */
    expect(&stays, "421 4.3.2 ");
    await_one(&o.forgotten);
    assert_int_equal(queued(), before);
    hang_up(&stays);
    hang_up(&waits);
    hang_up(&late);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_dns_says_decides),
        cmocka_unit_test(what_is_refused_at_sight_does_not_wait),
        cmocka_unit_test(a_dead_resolver_is_a_reason_to_try_again),
        cmocka_unit_test(who_waits_holds_no_thread),
        cmocka_unit_test(who_hangs_up_meanwhile_leaves_nothing),
        cmocka_unit_test(who_shuts_its_side_has_left_unless_it_said_all),
        cmocka_unit_test(what_stands_behind_it_waits_too),
        cmocka_unit_test(who_waits_for_a_name_server_gives_its_place),
        cmocka_unit_test(drain_waits_for_who_waits),
        cmocka_unit_test(who_asks_and_hangs_up_leaves_room_for_others),
        cmocka_unit_test(who_waits_for_others_waits_for_all),
        cmocka_unit_test(what_others_were_asked_is_forgotten_with_the_message),
        cmocka_unit_test(a_stop_ends_each_wait),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_judge, stop_judge);
}
