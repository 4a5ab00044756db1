/* cmd_auth_test.c - logins, and what becomes of them. */
#include "session_test.h"

static void submission_over_starttls(void **state)
{
    struct client c = dial(1);

    (void)state;
    start_tls(&c);
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
    expect(&c, "530 5.7.0 Authentication required");
    say(&c, "EHLO x");
    expect(&c, "250 ");
    say(&c, "AUTH LOGIN");
    expect(&c, "334 VXNlcm5hbWU6");
    say(&c, "YWxpY2UwMDAxQGNoYXQuZXhhbXBsZQ==");
    expect(&c, "334 UGFzc3dvcmQ6");
    say(&c, "Y29ycmVjdCBob3JzZQ==");
    expect(&c, "235 2.7.0 ");
    hang_up(&c);
}

static void failed_logins(void **state)
{
    struct client c = log_in("bob000001");

    (void)state;
    hang_up(&c);
    c = dial(2);
    say(&c, "EHLO x");
    expect(&c, "250 ");
    say(&c, "AUTH PLAIN");
    expect(&c, "334 ");
    say(&c, "*");
    expect(&c, "501 5.7.0 ");
    say(&c, "AUTH PLAIN !!!!");
    expect(&c, "501 5.5.2 ");
    say(&c, "AUTH GSSAPI");
    expect(&c, "504 5.5.4 ");
    say(&c, plain("invalid@" DOMAIN ".invalid", "correct horse"));
    expect(&c, "535 5.7.8 ");
    for (int i = 0; i < 2; i++) {
        say(&c, plain("bob000001@" DOMAIN, "wrong password"));
        expect(&c, "535 5.7.8 ");
    }
    expect(&c, "421 4.7.0 ");
    expect_end(&c);
    hang_up(&c);
}

/* Who proves to be one may not act for another (RFC 4616 2). */
static void an_authorization_identity_is_the_users_own(void **state)
{
    struct client c = log_in("bob000001");

    (void)state;
    hang_up(&c);
    c = dial(2);
    say(&c, "EHLO x");
    expect(&c, "250 ");
    say(&c, plain_as("alice0001@" DOMAIN, "bob000001@" DOMAIN, "correct horse"));
    expect(&c, "535 5.7.8 ");
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
    expect(&c, "530 5.7.0 ");
    say(&c, plain_as("Bob000001@" DOMAIN, "bob000001@" DOMAIN, "correct horse"));
    expect(&c, "235 ");
    hang_up(&c);
}

/* The reply to a login of bob000001 from the host, on a connection of its own. */
static void try_login(char from, const char *password, const char *reply)
{
    struct client c = dial_from(3, from);

    say(&c, "EHLO x");
    expect(&c, "250 ");
    say(&c, plain("bob000001@" DOMAIN, password));
    expect(&c, reply);
    hang_up(&c);
}

static void guessing_ends_for_a_network(void **state)
{
    struct client c = log_in("bob000001"); /* and is remembered */

    (void)state;
    hang_up(&c);
    for (int i = 0; i < 8; i++)
        try_login(1, "wrong password", i < 5 ? "535 5.7.8 " : "454 4.7.0 ");
    try_login(1, "correct horse", "235 ");
    try_login(2, "wrong password", "535 5.7.8 ");
}

/* Who comes with a code must not look for a wrong password. */
static void closed_registration_says_so(void **state)
{
    struct client c = log_in("bob000001");
    int fd = open(nocreate_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    hang_up(&c);
    c = dial(2);
    say(&c, "EHLO x");
    expect(&c, "250 ");
    say(&c, plain("nobody001@" DOMAIN, "correct horse"));
    expect(&c, "535 5.7.1 This server takes no new profiles");
    say(&c, plain("bob000001@" DOMAIN, "wrong password"));
    expect(&c, "535 5.7.8 ");
    say(&c, plain("bob000001@" DOMAIN, "correct horse"));
    expect(&c, "235 ");
    hang_up(&c);
    unlink(nocreate_file);
}

/* The account is read again for each message. */
static void who_is_blocked_or_removed_sends_no_more(void **state)
{
    static const char *const changes[] = {
        "UPDATE account SET state = 1 WHERE addr = 'mallory01@" DOMAIN "'",
        "DELETE FROM account WHERE addr = 'mallory01@" DOMAIN "'",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct client c = log_in("mallory01");
        int64_t before = queued();

        begin_data(&c, "mallory01@" DOMAIN, "b@elsewhere.example");
        send_message(&c, message("mallory01@" DOMAIN, "", 500));
        expect(&c, "250 2.0.0 ");
        begin_data(&c, "mallory01@" DOMAIN, "b@elsewhere.example");
        assert_int_equal(db_script(observer, changes[i]), RC_OK);
        send_message(&c, message("mallory01@" DOMAIN, "", 500));
        expect(&c, "421 4.7.0 ");
        expect_end(&c);
        assert_int_equal(queued(), before + 1);
        assert_int_equal(db_script(observer, "UPDATE account SET state = 0"), RC_OK);
        hang_up(&c);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submission_over_starttls),
        cmocka_unit_test(failed_logins),
        cmocka_unit_test(an_authorization_identity_is_the_users_own),
        cmocka_unit_test(guessing_ends_for_a_network),
        cmocka_unit_test(closed_registration_says_so),
        cmocka_unit_test(who_is_blocked_or_removed_sends_no_more),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start, stop);
}
