/* lmtp_test.c - LMTP: each recipient gets an answer to the message. */
#include "session_test.h"

static const char *const alice = "alice0001@" DOMAIN, *const bob = "bob000001@" DOMAIN;

static int start_with_both(void **state)
{
    struct client c;

    start_with_alice(state);
    c = log_in("bob000001");
    hang_up(&c);
    return 0;
}

static struct client greet(void)
{
    struct client c = dial(7);

    say(&c, "LHLO postfix.example");
    expect(&c, "250 ENHANCEDSTATUSCODES");
    return c;
}

static void address(struct client *c, const char *to, const char *reply)
{
    say(c, arena_printf(arena, "RCPT TO:<%s>", to));
    expect(c, reply);
}

static void begin(struct client *c)
{
    say(c, "MAIL FROM:<b@elsewhere.example>");
    expect(c, "250 2.1.0 ");
}

static void send_data(struct client *c, str_t m)
{
    say(c, "DATA");
    expect(c, "354 ");
    send_message(c, m);
}

static str_t clear_text(void)
{
    return S("From: <b@elsewhere.example>\r\nSubject: hello\r\n\r\nnot encrypted\r\n");
}

static void accept_clear_text(const char *address, bool accepts)
{
    const char *sql =
        arena_printf(arena, "UPDATE account SET flags = %d WHERE addr = '%s'",
                     accepts ? STORE_ACCOUNT_ACCEPT_CLEARTEXT : 0, address);

    assert_int_equal(db_script(observer, sql), RC_OK);
}

DB_STATEMENT(
    stmt_recipients, "test_recipients",
    "SELECT array_to_string(rcpt, ' ') FROM queue ORDER BY body_id DESC LIMIT 1");

static str_t recipients_of_last(void)
{
    assert_int_equal(db_run(observer, &stmt_recipients, DB_NO_PARAMS), RC_OK);
    return db_get_str(observer, 0, 0, 0);
}

static void each_recipient_gets_a_reply(void **state)
{
    struct client c = greet();
    int64_t before = queued();
    str_t m = message("b@elsewhere.example", "", 500);

    (void)state;
    begin(&c);
    address(&c, alice, "250 2.1.5 ");
    address(&c, "nobody@" DOMAIN, "550 5.1.1 ");
    address(&c, "someone@elsewhere.example", "554 5.7.1 ");
    address(&c, bob, "250 2.1.5 ");
    send_data(&c, m);
    for (int i = 0; i < 2; i++)
        expect(&c, "250 2.0.0 Ok: queued as ");
    assert_int_equal(queued(), before + 1);
    begin(&c);
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    say(&c, arena_printf(arena, "BDAT %zu", m.n));
    say_bytes(&c, m);
    expect(&c, "250 2.0.0 "); /* one: it is not the last chunk */
    say(&c, "BDAT 0 LAST");
    for (int i = 0; i < 2; i++)
        expect(&c, "250 2.0.0 Ok: queued as ");
    say(&c, "NOOP");
    expect(&c, "250 2.0.0 Ok");
    assert_int_equal(queued(), before + 2);
    hang_up(&c);
}

static void a_message_is_refused_for_each(void **state)
{
    struct client c = greet();
    int64_t before = queued();

    (void)state;
    begin(&c);
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    send_data(&c, clear_text());
    for (int i = 0; i < 2; i++)
        expect(&c, "523 Encryption Needed: Invalid Unencrypted Mail");
    begin(&c);
    say(&c,
        "DATA"); /* RFC 2033 4.2: without a recipient no message, and no reply to it */
    expect(&c, "503 5.5.1 ");
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    say(&c, "BDAT 9000 LAST");
    say_bytes(&c, str_n(memset(arena_alloc(arena, 9000), 'x', 9000), 9000));
    for (int i = 0; i < 2; i++)
        expect(&c, "500 5.5.2 Line too long");
    assert_int_equal(queued(), before);
    hang_up(&c);
}

/* RFC 2033 4.2: so many replies follow the last chunk, and one follows each other. */
static void a_chunk_that_is_not_the_last_is_refused_once(void **state)
{
    struct client c = greet();

    (void)state;
    begin(&c);
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    say(&c, "BDAT 9000");
    say_bytes(&c, str_n(memset(arena_alloc(arena, 9000), 'x', 9000), 9000));
    expect(&c, "500 5.5.2 Line too long");
    say(&c, "NOOP");
    expect(&c, "250 2.0.0 Ok");
    begin(&c); /* DATA has a last one always */
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    send_data(&c, clear_text());
    for (int i = 0; i < 2; i++)
        expect(&c, "523 Encryption Needed");
    hang_up(&c);
}

static void some_get_it_and_others_do_not(void **state)
{
    struct client c = greet();
    int64_t before = queued();

    (void)state;
    accept_clear_text(bob, true);
    begin(&c);
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    address(&c, alice, "250 2.1.5 ");
    send_data(&c, clear_text());
    expect(&c, "523 Encryption Needed");
    expect(&c, "250 2.0.0 Ok: queued");
    expect(&c, "523 Encryption Needed");
    assert_int_equal(queued(), before + 1);
    assert_true(str_eq(recipients_of_last(), str_of(bob)));
    hang_up(&c);
    c = foreign(); /* on port 25 there is one reply, so one of them is enough */
    begin(&c);
    address(&c, alice, "250 2.1.5 ");
    address(&c, bob, "250 2.1.5 ");
    send_data(&c, clear_text());
    expect(&c, "523 Encryption Needed");
    assert_int_equal(queued(), before + 1);
    accept_clear_text(bob, false);
    hang_up(&c);
}

static void it_is_no_smtp_and_for_those_who_are_named(void **state)
{
    struct client c = dial(7);
    struct cidr_list *others;

    (void)state;
    say(&c, "EHLO x");
    expect(&c, "502 5.5.1 ");
    say(&c, "MAIL FROM:<b@elsewhere.example>");
    expect(&c, "503 5.5.1 ");
    say(&c, "LHLO");
    expect(&c, "501 5.5.2 ");
    say(&c, "LHLO x");
    expect(&c, "250 ");
    say(&c, "STARTTLS");
    expect(&c, "220 ");
    assert_int_equal(
        stream_start_tls(c.stream, client_tls, "mail.example", TLS_VERIFY_NAME, c.until),
        RC_OK);
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">"); /* TLS has forgotten the LHLO */
    expect(&c, "503 5.5.1 ");
    say(&c, "LHLO x");
    expect(&c, "250 ");
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
    expect(&c, "250 2.1.0 ");
    address(&c, bob, "553 5.7.1 "); /* the same checks as on port 25 */
    hang_up(&c);
    assert_int_equal(cidr_list_new(S("192.0.2.0/24"), &others), RC_OK);
    ports[7].admitted = others;
    {
        struct client d = { .until = deadline_in_ms(WAIT_MS) };
        struct addr to;

        assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
        to.port = listener_port(listeners[7]);
        assert_int_equal(stream_connect(&to, d.until, &d.stream), RC_OK);
        expect(&d, "554 5.7.1 Access denied");
        expect_end(&d);
        hang_up(&d);
    }
    ports[7].admitted = proxies;
    cidr_list_free(&others);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_recipient_gets_a_reply),
        cmocka_unit_test(a_message_is_refused_for_each),
        cmocka_unit_test(a_chunk_that_is_not_the_last_is_refused_once),
        cmocka_unit_test(some_get_it_and_others_do_not),
        cmocka_unit_test(it_is_no_smtp_and_for_those_who_are_named),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_with_both, stop);
}
