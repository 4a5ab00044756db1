/* accept_test.c - a whole message becomes a durable one, or nothing of it stays. */
#include "session_test.h"

#include "mail/envelope.h"
#include "mail/header.h"

static void a_message_is_scrubbed_and_stored(void **state)
{
    struct client c = log_in("alice0001");
    int64_t before = queued();
    str_t m = message("alice0001@" DOMAIN,
                      "Subject: secret plans\r\nUser-Agent: x\r\nTo: <b@x.example>\r\n"
                      "Received: from me\r\n",
                      3000);
    str_t body, rcpt;

    (void)state;
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    assert_int_equal(queued(), before);
    send_message(&c, m);
    expect(&c, "250 2.0.0 Ok: queued as ");
    assert_int_equal(queued(), before + 1);
    look_at_last();
    assert_true(str_eq(db_get_str(observer, 0, 0, 1), S("alice0001@" DOMAIN)));
    rcpt = db_get_str(observer, 0, 0, 3);
    assert_true(str_find(rcpt, S("account")) != SIZE_MAX);
    body = stored_body(db_get_int(observer, 0, 0, 0));
    assert_true(str_starts(body, S("Return-Path: <alice0001@" DOMAIN ">\r\n")));
    assert_true(str_find(body, S("Subject: [...]\r\n")) != SIZE_MAX);
    assert_int_equal(str_find(body, S("secret plans")), SIZE_MAX);
    assert_int_equal(str_find(body, S("User-Agent")), SIZE_MAX);
    assert_int_equal(str_find(body, S("Received")), SIZE_MAX);
    assert_true(str_ends_nocase(body, S("-----END PGP MESSAGE-----\r\n--b--\r\n")));
    say(&c, "QUIT");
    expect(&c, "221 2.0.0 ");
    expect_end(&c);
    hang_up(&c);
}

/* Of what leaves the body's hash is known; of what stays nobody needs it. */
static void who_will_sign_finds_the_bodys_hash(void **state)
{
    static const struct {
        const char *to[2];
        bool leaves;
    } cases[] = {
        { { "bob000001@" DOMAIN }, false },
        { { "alice0001@" DOMAIN }, false },
        { { "bob000001@" DOMAIN, "b@elsewhere.example" }, true },
        { { "b@elsewhere.example", "c@[192.0.2.1]" }, true },
        { { "\"no body\"@elsewhere.example" }, false }, /* nobody can be given that */
    };
    struct client bob = log_in("bob000001"), c = log_in("alice0001");

    (void)state;
    hang_up(&bob);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t m = message("alice0001@" DOMAIN, "", 3000), stored;
        struct envelope expected = { 0 }, e;

        say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
        expect(&c, "250 2.1.0 ");
        for (size_t k = 0; k < ARRAY_LEN(cases[i].to) && cases[i].to[k] != NULL; k++) {
            say(&c, arena_printf(arena, "RCPT TO:<%s>", cases[i].to[k]));
            expect(&c, "250 2.1.5 ");
        }
        say(&c, "DATA");
        expect(&c, "354 ");
        send_message(&c, m);
        expect(&c, "250 2.0.0 ");
        look_at_last();
        assert_true(envelope_parse(db_get_str(observer, 0, 0, 3), &e));
        assert_int_equal(e.has_body_hash, cases[i].leaves);
        if (!e.has_body_hash)
            continue;
        stored = stored_body(db_get_int(observer, 0, 0, 0));
        envelope_hash_body(&expected, str_skip(stored, header_end(stored)));
        assert_memory_equal(e.body_hash, expected.body_hash, sizeof(e.body_hash));
    }
    hang_up(&c);
}

static void the_client_of_delta_chat_pipelines(void **state)
{
    struct client bob = log_in("bob000001"), c = log_in("alice0001");
    int64_t before = queued();

    (void)state;
    hang_up(&bob);
    for (int i = 0; i < 3; i++) {
        say_bytes(&c, S("MAIL FROM:<alice0001@" DOMAIN "> BODY=8BITMIME SMTPUTF8\r\n"
                        "RCPT TO:<bob000001@" DOMAIN ">\r\n"
                        "RCPT TO:<nobody@" DOMAIN ">\r\nDATA\r\n"));
        expect(&c, "250 2.1.0 ");
        expect(&c, "250 2.1.5 ");
        expect(&c, "250 2.1.5 "); /* bounces later */
        expect(&c, "354 ");
        send_message(&c, message("alice0001@" DOMAIN, "", 500));
        expect(&c, "250 2.0.0 ");
    }
    assert_int_equal(queued(), before + 3);
    hang_up(&c);
}

/* Clients throw bounces away, so this is the only way to learn it. */
static void who_reaches_nobody_is_told_at_once(void **state)
{
#define ME   "alice0001@" DOMAIN
#define NO   "nobody001@" DOMAIN
#define BOB  "bob000001@" DOMAIN
#define FULL "full00001@" DOMAIN
    static const struct {
        const char *to[4], *reply;
    } cases[] = {
        { { NO }, "550 5.1.1 <" NO "> " },
        { { NO, "No+tag@" DOMAIN }, "550 5.1.1 " },
        { { NO, ME }, "550 5.1.1 <" NO "> " },
        { { "\"nobody001\"@" DOMAIN, "Alice0001+x@CHAT.example" },
          "550 5.1.1 <" NO "> " },
        { { FULL, ME }, "552 5.2.2 <" FULL "> " },
        { { NO, FULL }, "552 5.2.2 <" FULL "> " },
        { { BOB, ME }, "250 2.0.0 " },
        { { NO, FULL, BOB }, "250 2.0.0 " },
        { { NO, "b@elsewhere.example" }, "250 2.0.0 " },
        { { ME }, "250 2.0.0 " },
    };
    struct client bob = log_in("bob000001"), full = log_in("full00001"),
                  c = log_in("alice0001");

    (void)state;
    hang_up(&bob);
    hang_up(&full);
    set_quota(FULL, 100);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t before = queued();

        say(&c, "MAIL FROM:<" ME ">");
        expect(&c, "250 2.1.0 ");
        for (size_t k = 0; k < ARRAY_LEN(cases[i].to) && cases[i].to[k] != NULL; k++) {
            say(&c, arena_printf(arena, "RCPT TO:<%s>", cases[i].to[k]));
            expect(&c, "250 2.1.5 ");
        }
        say(&c, "DATA");
        expect(&c, "354 ");
        send_message(&c, message(ME, "", 500));
        expect(&c, cases[i].reply);
        assert_int_equal(queued(), before + (cases[i].reply[0] == '2'));
    }
    hang_up(&c);
#undef ME
#undef NO
#undef BOB
#undef FULL
}

static void a_large_message(void **state)
{
    struct client c = log_in("alice0001");
    int64_t before = queued();
    str_t m = message("alice0001@" DOMAIN, "", 1000000), body;

    (void)state;
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, m);
    expect(&c, "250 2.0.0 ");
    assert_int_equal(queued(), before + 1);
    look_at_last();
    body = stored_body(db_get_int(observer, 0, 0, 0));
    assert_true(body.n > m.n && body.n < m.n + 100);
    assert_true(str_eq(str_skip(body, body.n - m.n), m));
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, message("alice0001@" DOMAIN, "", 2500000));
    expect(&c, "552 5.3.4 ");
    say(&c, "MAIL FROM:<alice0001@" DOMAIN "> SIZE=3000001");
    expect(&c, "552 5.3.4 ");
    assert_int_equal(queued(), before + 1);
    hang_up(&c);
}

/* One account stalls with large messages: its next one is put off, the others' pass. */
static void an_account_has_a_part_of_the_memory(void **state)
{
    struct client stalled[2], c;
    str_t m = message("alice0001@" DOMAIN, "", 1500000);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stalled); i++) {
        stalled[i] = log_in("alice0001");
        begin_data(&stalled[i], "alice0001@" DOMAIN, "b@elsewhere.example");
        say_bytes(&stalled[i], m);
        while (limit_total(chunks) < 8 * (i + 1) && !deadline_passed(stalled[i].until))
            poll(NULL, 0, 1);
    }
    c = log_in("alice0001");
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, m);
    expect(&c, "452 4.3.1 ");
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, message("alice0001@" DOMAIN, "", 10000));
    expect(&c, "250 2.0.0 ");
    hang_up(&c);
    c = log_in("bob000001");
    begin_data(&c, "bob000001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, message("bob000001@" DOMAIN, "", 1500000));
    expect(&c, "250 2.0.0 ");
    hang_up(&c);
    for (size_t i = 0; i < ARRAY_LEN(stalled); i++) {
        say(&stalled[i], ".");
        expect(&stalled[i], "250 2.0.0 ");
        hang_up(&stalled[i]);
    }
}

/* Whoever goes on and on is answered before the end, and can read the answer. */
static void far_too_large_a_message(void **state)
{
    static char piece[65536];
    struct client c = log_in("alice0001");
    int64_t before = queued();

    (void)state;
    memset(piece, 'x', sizeof(piece));
    memcpy(piece + sizeof(piece) - 2, "\r\n", 2);
    for (size_t i = 80; i < sizeof(piece) - 2; i += 80)
        memcpy(piece + i, "\r\n", 2);
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    for (size_t sent = 0; sent < 5 * MAX_MESSAGE_BYTES; sent += sizeof(piece))
        say_bytes(&c, str_n(piece, sizeof(piece)));
    expect(&c, "552 5.3.4 ");
    expect_end(&c);
    assert_int_equal(queued(), before);
    hang_up(&c);
}

static void refused_messages_leave_nothing(void **state)
{
    static const struct {
        const char *data, *expect;
    } cases[] = {
        { "From: <alice0001@" DOMAIN ">\r\n\r\nhello\r\n",
          "523 Encryption Needed: Invalid Unencrypted Mail" },
        { "From: <mallory01@" DOMAIN ">\r\n" ENCRYPTED_HEAD, "500 Invalid FROM <" },
        { "From: <alice0001@" DOMAIN ">\r\nFrom: <alice0001@" DOMAIN
          ">\r\n" ENCRYPTED_HEAD,
          "500 Invalid FROM header: " },
        { "no header\r\n", "500 " },
        { "", "500 " },
    };
    struct client c = log_in("alice0001");
    int64_t before = queued();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
        send_message(&c, str_of(cases[i].data));
        expect(&c, cases[i].expect);
    }
    assert_int_equal(queued(), before);
    hang_up(&c);
}

/* Everything that somebody somewhere takes for an end of line or of data. */
static void smuggling(void **state)
{
    static const str_t odd[] = {
        STR("x\ny\r\n"),    STR("x\ry\r\n"),    STR("\n.\n"),    STR("\n.\r\n"),
        STR("\r.\r\n"),     STR("\r.\r"),       STR("\r\n.\n"),  STR("\r\n.\r"),
        STR("\r\r\n.\r\n"), STR("\r\n\r.\r\n"), STR("x\0y\r\n"), STR("\r\n\0.\r\n"),
        STR("\r\n.\r\r\n"), STR("\r\n.\0\r\n"), STR("\n"),       STR("\r\n\x85.\x85\n"),
        STR("\n\n.\n\n"),
    };
    int64_t before = queued();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct client c = log_in("alice0001");

        begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
        say_bytes(&c, message("alice0001@" DOMAIN, "", 500));
        say_bytes(&c, odd[i]);
        say_bytes(&c, S("MAIL FROM:<alice0001@" DOMAIN ">\r\n\r\n.\r\n"));
        expect(&c, "500 Invalid DATA");
        expect_end(&c);
        hang_up(&c);
    }
    assert_int_equal(queued(), before);
}

static void an_early_disconnect_leaves_nothing(void **state)
{
    int64_t before = queued();
    str_t m = message("alice0001@" DOMAIN, "", 500);

    (void)state;
    for (size_t cut = 0; cut < 4; cut++) {
        struct client c = log_in("alice0001");

        begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
        say_bytes(&c, str_head(m, m.n * cut / 3));
        if (cut == 3)
            say_bytes(&c, S(".\r"));
        hang_up(&c);
    }
    /* a whole message behind them shows that the server got that far */
    the_client_of_delta_chat_pipelines(NULL);
    assert_int_equal(queued(), before + 3);
}

/* Many at once share transactions; each is stored once. */
static void a_crowd(void **state)
{
    enum { CROWD = 40 };
    struct client clients[CROWD];
    int64_t before = queued();

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        clients[i] = log_in("alice0001");
        begin_data(&clients[i], "alice0001@" DOMAIN, "b@elsewhere.example");
    }
    for (int i = 0; i < CROWD; i++)
        send_message(&clients[i], message("alice0001@" DOMAIN, "", 2000));
    for (int i = 0; i < CROWD; i++) {
        expect(&clients[i], "250 2.0.0 ");
        hang_up(&clients[i]);
    }
    assert_int_equal(queued(), before + CROWD);
}

static void the_database_goes_away_and_comes_back(void **state)
{
    struct client c = log_in("alice0001");
    int64_t before = queued();

    (void)state;
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    assert_int_equal(db_script(observer,
                               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE usename = 'postbus_smtp_ingress'"),
                     RC_OK);
    send_message(&c, message("alice0001@" DOMAIN, "", 500));
    expect(&c, "250 2.0.0 ");
    assert_int_equal(queued(), before + 1);
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_scrubbed_and_stored),
        cmocka_unit_test(who_will_sign_finds_the_bodys_hash),
        cmocka_unit_test(the_client_of_delta_chat_pipelines),
        cmocka_unit_test(who_reaches_nobody_is_told_at_once),
        cmocka_unit_test(a_large_message),
        cmocka_unit_test(an_account_has_a_part_of_the_memory),
        cmocka_unit_test(far_too_large_a_message),
        cmocka_unit_test(refused_messages_leave_nothing),
        cmocka_unit_test(smuggling),
        cmocka_unit_test(an_early_disconnect_leaves_nothing),
        cmocka_unit_test(a_crowd),
        cmocka_unit_test(the_database_goes_away_and_comes_back),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start, stop);
}
