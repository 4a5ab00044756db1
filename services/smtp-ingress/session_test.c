/* session_test.c - commands, TLS and the end of a session. */
#include "session_test.h"

static void odd_command_lines_end_the_session(void **state)
{
    static const str_t odd[] = { STR("NOOP\nNOOP\r\n"), STR("NOOP\rNOOP\r\n"),
                                 STR("NO\0OP\r\n"), STR("NOOP\n") };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct client c = log_in("alice0001");

        say_bytes(&c, odd[i]);
        expect(&c, "500 5.5.2 ");
        expect_end(&c);
        hang_up(&c);
    }
}

static void starttls_comes_first(void **state)
{
    struct client c = dial(0);

    (void)state;
    say(&c, "EHLO mx.elsewhere.example");
    expect(&c, "250 ");
    say(&c, "MAIL FROM:<b@elsewhere.example>");
    expect(&c, "530 5.7.0 Must issue a STARTTLS command first");
    say(&c, "VRFY alice0001");
    expect(&c, "530 5.7.0 ");
    hang_up(&c);
    c = dial(1);
    say(&c, "EHLO x");
    expect(&c, "250 ");
    say(&c, plain("alice0001@" DOMAIN, "correct horse"));
    expect(&c, "530 5.7.0 ");
    hang_up(&c);
}

static void starttls_forgets_what_was_injected(void **state)
{
    struct client c = dial(1);
    str_t line;

    (void)state;
    say(&c, "EHLO x");
    expect(&c, "250 ");
    say_bytes(&c, S("STARTTLS\r\nMAIL FROM:<evil@x.example>\r\n"));
    while (stream_read_line(c.stream, 2048, c.until, &line) == RC_OK)
        assert_false(str_starts(line, S("250")));
    hang_up(&c);
}

static void senders_are_refused_at_rcpt(void **state)
{
    struct client c = log_in("alice0001");

    (void)state;
    say(&c, "MAIL FROM:<mallory01@" DOMAIN ">");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<b@elsewhere.example>");
    expect(&c, "553 5.7.1 <mallory01@" DOMAIN
               ">: Sender address rejected: not owned by user alice0001@" DOMAIN);
    say(&c, "DATA");
    expect(&c, "503 5.5.1 ");
    say(&c, "RSET");
    expect(&c, "250 2.0.0 ");
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<not an address>");
    expect(&c, "501 ");
    say(&c, "RCPT TO:<>");
    expect(&c, "501 5.1.3 ");
    say(&c, "RCPT TO:<b@elsewhere.example> NOTIFY=NEVER,DELAY");
    expect(&c, "501 5.5.4 ");
    for (int i = 0; i < 5; i++) {
        say(&c, "RCPT TO:<b@elsewhere.example>");
        expect(&c, "250 2.1.5 ");
    }
    say(&c, "RCPT TO:<b@elsewhere.example>");
    expect(&c, "452 4.5.3 ");
    hang_up(&c);
}

static void a_web_browser_is_turned_away(void **state)
{
    struct client c = dial(0);

    (void)state;
    say_bytes(&c, S("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    expect(&c, "421 4.7.0 ");
    expect_end(&c);
    hang_up(&c);
}

static void too_many_errors(void **state)
{
    struct client c = log_in("alice0001");

    (void)state;
    for (int i = 0; i < 20; i++) {
        say(&c, "XYZZY");
        expect(&c, "500 5.5.2 ");
    }
    expect(&c, "421 4.7.0 ");
    expect_end(&c);
    hang_up(&c);
}

static void drain_says_goodbye(void **state)
{
    struct client idle = log_in("alice0001"), busy = log_in("alice0001");
    int64_t before = queued();

    (void)state;
    begin_data(&busy, "alice0001@" DOMAIN, "b@elsewhere.example");
    listener_each(listeners[2], session_drain, NULL);
    expect(&idle, "421 4.3.2 ");
    expect_end(&idle);
    send_message(&busy, message("alice0001@" DOMAIN, "", 500));
    expect(&busy, "250 2.0.0 ");
    expect(&busy, "421 4.3.2 ");
    expect_end(&busy);
    assert_int_equal(queued(), before + 1);
    hang_up(&idle);
    hang_up(&busy);
    busy = log_in("alice0001");
    begin_data(&busy, "alice0001@" DOMAIN, "b@elsewhere.example");
    say_bytes(&busy, message("alice0001@" DOMAIN, "", 500)); /* and no end of it */
    listener_each(listeners[2], session_part, NULL);
    expect(&busy, "421 4.3.2 ");
    expect_end(&busy);
    assert_int_equal(queued(), before + 1);
    hang_up(&busy);
}

/* The last test: a drain cannot be taken back.  Who is still sending then, or logs in,
 * hears that the service goes away. */
static void pools_that_are_drained_still_answer(void **state)
{
    struct client late = log_in("alice0001"), newcomer = dial(2);
    int64_t before = queued();

    (void)state;
    begin_data(&late, "alice0001@" DOMAIN, "b@elsewhere.example");
    say(&newcomer, "EHLO x");
    expect(&newcomer, "250 ");
    assert_int_equal(worker_pool_drain(ingress.commands, deadline_in_ms(WAIT_MS)), RC_OK);
    assert_int_equal(worker_pool_drain(ingress.logins, deadline_in_ms(WAIT_MS)), RC_OK);
    send_message(&late, message("alice0001@" DOMAIN, "", 500));
    expect(&late, "421 4.3.2 ");
    say(&newcomer, plain("alice0001@" DOMAIN, "correct horse"));
    expect(&newcomer, "421 4.3.2 ");
    assert_int_equal(queued(), before);
    hang_up(&late);
    hang_up(&newcomer);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_command_lines_end_the_session),
        cmocka_unit_test(starttls_comes_first),
        cmocka_unit_test(starttls_forgets_what_was_injected),
        cmocka_unit_test(senders_are_refused_at_rcpt),
        cmocka_unit_test(a_web_browser_is_turned_away),
        cmocka_unit_test(too_many_errors),
        cmocka_unit_test(drain_says_goodbye),
        cmocka_unit_test(pools_that_are_drained_still_answer),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start, stop);
}
