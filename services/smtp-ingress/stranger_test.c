/* stranger_test.c - mail from other servers, and how long a place is kept for them. */
#include "session_test.h"

/* Neither signs of life nor many commands replace a message. */
static void a_stranger_without_a_message_is_cut_off(void **state)
{
    int64_t began_ms = clock_monotonic_ms();
    struct client c = dial(4);

    (void)state;
    say(&c, "NOOP");
    expect(&c, "250 ");
    expect(&c, "421 4.4.2 ");
    expect_end(&c);
    assert_in_range(clock_monotonic_ms() - began_ms, impatient.step_ms, WAIT_MS);
    hang_up(&c);
    c = dial(4);
    for (int i = 0; i < 12; i++) {
        say(&c, "NOOP");
        expect(&c, "250 ");
    }
    say(&c, "NOOP");
    expect(&c, "250 ");
    expect(&c, "421 4.7.0 Too many commands");
    hang_up(&c);
}

static void a_message_that_stands_still_is_cut_off(void **state)
{
    struct client c = foreign_at(4);
    int64_t before = queued();

    (void)state;
    begin_data(&c, "carol@elsewhere.example", "alice0001@" DOMAIN);
    say_bytes(&c, message("carol@elsewhere.example", "", 100000));
    expect(&c, "421 4.4.2 ");
    expect_end(&c);
    assert_int_equal(queued(), before);
    hang_up(&c);
}

static void wait_for_an_empty_port(void)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    while (door_count(door) > 0 && !deadline_passed(until))
        poll(NULL, 0, 1);
    assert_int_equal(door_count(door), 0);
}

static void fill(struct client places[PLACES])
{
    wait_for_an_empty_port();
    for (int i = 0; i < PLACES; i++)
        places[i] = dial(5);
}

static void hang_up_all(struct client places[PLACES])
{
    for (int i = 0; i < PLACES; i++)
        hang_up(&places[i]);
}

static void goes(struct client *c)
{
    expect(c, BUSY);
    expect_end(c);
}

/* Neither a command nor a recipient that is refused is a step forward; the first that is
 * accepted is one. */
static void who_gets_on_keeps_the_place_of_who_does_not(void **state)
{
    struct client places[PLACES], more[2];

    (void)state;
    fill(places);
    for (int i = 0; i < 3; i++) {
        say(&places[i], "EHLO mx.elsewhere.example");
        expect(&places[i], "250 ");
        say(&places[i], "MAIL FROM:<carol@elsewhere.example>");
        expect(&places[i], "250 ");
    }
    say(&places[0], "RCPT TO:<nobody0001@" DOMAIN ">");
    expect(&places[0], "550 5.1.1 ");
    say(&places[1], "RCPT TO:<alice0001@" DOMAIN ">");
    expect(&places[1], "250 2.1.5 ");
    more[0] = dial(5);
    goes(&places[0]);
    more[1] = dial(5);
    goes(&places[2]);
    say(&places[1], "NOOP");
    expect(&places[1], "250 ");
    hang_up_all(places);
    hang_up(&more[0]);
    hang_up(&more[1]);
}

/* A message that comes is a step forward with every piece. */
static void who_sends_a_message_keeps_the_place(void **state)
{
    struct client places[PLACES], sender, next;
    str_t m = message("carol@elsewhere.example", "", 100000);
    int64_t before = queued();

    (void)state;
    wait_for_an_empty_port();
    sender = dial(5);
    say(&sender, "EHLO mx.elsewhere.example");
    expect(&sender, "250 ");
    begin_data(&sender, "carol@elsewhere.example", "alice0001@" DOMAIN);
    for (int i = 0; i < PLACES - 1; i++)
        places[i] = dial(5);
    say_bytes(&sender, m);
    while (limit_total(chunks) == 0 && !deadline_passed(sender.until))
        poll(NULL, 0, 1);
    places[PLACES - 1] = dial(5);
    goes(&places[0]);
    next = dial(5);
    goes(&places[1]);
    say(&sender, ".");
    expect(&sender, "250 2.0.0 ");
    assert_int_equal(queued(), before + 1);
    hang_up_all(places);
    hang_up(&next);
    hang_up(&sender);
}

/* The silence is ours. */
static void who_waits_for_us_keeps_the_place(void **state)
{
    struct client places[PLACES], next;

    (void)state;
    fill(places);
    say(&places[0], "EHLO mx.elsewhere.example");
    expect(&places[0], "250 ");
    assert_int_equal(db_script(observer, "BEGIN; LOCK TABLE account"), RC_OK);
    say(&places[0], "MAIL FROM:<carol@elsewhere.example>");
    expect(&places[0], "250 ");
    say(&places[0], "RCPT TO:<nobody0001@" DOMAIN ">");
    while (waiting_for_locks() == 0 && !deadline_passed(places[0].until))
        poll(NULL, 0, 1);
    next = dial(5);
    goes(&places[1]);
    assert_int_equal(db_script(observer, "COMMIT"), RC_OK);
    expect(&places[0], "550 5.1.1 ");
    hang_up(&next);
    next = dial(5);
    hang_up_all(places);
    hang_up(&next);
}

/* An account that is silent for less than half a minute goes after all strangers. */
static void who_has_logged_in_is_preferred(void **state)
{
    struct client places[PLACES], account;

    (void)state;
    wait_for_an_empty_port();
    account = dial(6);
    say(&account, "EHLO x");
    expect(&account, "250 ");
    say(&account, plain("alice0001@" DOMAIN, "correct horse"));
    expect(&account, "235 ");
    for (int i = 0; i < PLACES - 1; i++)
        places[i] = dial(5);
    for (int i = 0; i < PLACES - 1; i++) {
        struct client next = dial(5);

        goes(&places[i]);
        hang_up(&places[i]);
        places[i] = next;
    }
    begin_data(&account, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&account, message("alice0001@" DOMAIN, "", 500));
    expect(&account, "250 2.0.0 ");
    for (int i = 0; i < PLACES - 1; i++)
        hang_up(&places[i]);
    hang_up(&account);
}

/* What stands behind DATA is not run as commands when DATA is refused. */
static void a_stranger_who_does_not_wait_is_cut_off(void **state)
{
    struct client c = foreign();
    int64_t before = queued();

    (void)state;
    say(&c, "MAIL FROM:<carol@elsewhere.example>");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<alice0001@" DOMAIN ">");
    expect(&c, "250 2.1.5 ");
    say(&c, "DATA\r\nRSET\r\nNOOP");
    expect(&c, "554 5.5.1 ");
    expect_end(&c);
    assert_int_equal(queued(), before);
    hang_up(&c);
}

/* Not even when the command that it should have waited for is refused itself. */
static void nor_is_what_stands_behind_a_refused_command_run(void **state)
{
    static const struct {
        const char *before, *lines;
    } cases[] = {
        { "MAIL FROM:<carol@elsewhere.example>", "DATA\r\nRSET\r\nNOOP" },
        { "NOOP", "DATA\r\nNOOP" },
        { "NOOP", "EHLO x\r\nNOOP" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client c = foreign();

        say(&c, cases[i].before);
        expect(&c, "250 ");
        say(&c, cases[i].lines);
        expect(&c, "554 5.5.1 ");
        expect_end(&c);
        hang_up(&c);
    }
}

static void mail_from_other_servers(void **state)
{
    struct client c = foreign();
    int64_t before = queued();

    (void)state;
    say(&c, "MAIL FROM:<carol@elsewhere.example>");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<b@third.example>");
    expect(&c, "554 5.7.1 <b@third.example>: Relay access denied");
    say(&c, "RCPT TO:<nobody0001@" DOMAIN ">");
    expect(&c, "550 5.1.1 ");
    say(&c, "RCPT TO:<Alice0001+tag@" DOMAIN ">");
    expect(&c, "250 2.1.5 ");
    say(&c, "DATA");
    expect(&c, "354 ");
    send_message(&c, message("carol@elsewhere.example", "", 500));
    expect(&c, "250 2.0.0 ");
    assert_int_equal(queued(), before + 1);
    begin_data(&c, "carol@elsewhere.example", "alice0001@" DOMAIN);
    send_message(&c, S("From: <carol@elsewhere.example>\r\n\r\nhello\r\n"));
    expect(&c, "523 Encryption Needed: ");
    say(&c, "MAIL FROM:<bob000001@" DOMAIN ">");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<alice0001@" DOMAIN ">");
    expect(&c, "553 5.7.1 ");
    assert_int_equal(queued(), before + 1);
    hang_up(&c);
}

static void postmaster_is_an_account_of_the_operator(void **state)
{
    static const char *const roles[] = { "postmaster", "Postmaster@" DOMAIN,
                                         "abuse@" DOMAIN, "ABUSE@CHAT.example" };
    str_t complaint = S("From: <carol@elsewhere.example>\r\n\r\nspam from you\r\n");
    struct client c = log_in("operator1");

    (void)state;
    hang_up(&c);
    c = foreign();
    say(&c, "MAIL FROM:<carol@elsewhere.example>");
    expect(&c, "250 2.1.0 ");
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) { /* nobody is named */
        say(&c, arena_printf(arena, "RCPT TO:<%s>", roles[i]));
        expect(&c, "550 5.1.1 ");
    }
    say(&c, "RSET");
    expect(&c, "250 ");
    assert_int_equal(address_parse(S("operator1@" DOMAIN), 0, &ingress.abuse), RC_OK);
    assert_int_equal(address_parse(S("operator1@" DOMAIN), 0, &ingress.postmaster),
                     RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        begin_data(&c, "carol@elsewhere.example", roles[i]);
        send_message(&c, complaint);
        expect(&c, "250 2.0.0 ");
        look_at_last();
        assert_true(str_find(db_get_str(observer, 0, 0, 2), S("operator1@" DOMAIN)) !=
                    SIZE_MAX);
    }
    begin_data(&c, "carol@elsewhere.example", "alice0001@" DOMAIN);
    send_message(&c, complaint);
    expect(&c, "523 ");
    say(&c, "MAIL FROM:<carol@elsewhere.example>");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<postmaster@third.example>");
    expect(&c, "554 5.7.1 ");
    ingress.postmaster = ingress.abuse = (struct address){ 0 };
    hang_up(&c);
}

static void a_forged_bounce_address_is_dropped(void **state)
{
    struct client c = foreign();

    (void)state;
    begin_data(&c, "victim@third.example", "alice0001@" DOMAIN);
    send_message(&c, message("carol@elsewhere.example", "", 500));
    expect(&c, "250 2.0.0 ");
    look_at_last();
    assert_int_equal(db_get_str(observer, 0, 0, 1).n, 0);
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_without_a_message_is_cut_off),
        cmocka_unit_test(a_message_that_stands_still_is_cut_off),
        cmocka_unit_test(who_gets_on_keeps_the_place_of_who_does_not),
        cmocka_unit_test(who_sends_a_message_keeps_the_place),
        cmocka_unit_test(who_waits_for_us_keeps_the_place),
        cmocka_unit_test(who_has_logged_in_is_preferred),
        cmocka_unit_test(a_stranger_who_does_not_wait_is_cut_off),
        cmocka_unit_test(nor_is_what_stands_behind_a_refused_command_run),
        cmocka_unit_test(mail_from_other_servers),
        cmocka_unit_test(postmaster_is_an_account_of_the_operator),
        cmocka_unit_test(a_forged_bounce_address_is_dropped),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_with_alice, stop);
}
