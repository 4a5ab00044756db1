/* cmd_rcpt_test.c - the parameters of RFC 3461 reach the envelope. */
#include "session_test.h"

#include "mail/envelope.h"

enum { SMTP_LONG_ORCPT = 490 };

static struct envelope last_envelope(void)
{
    struct envelope e;

    look_at_last();
    assert_true(envelope_parse(arena_str(arena, db_get_str(observer, 0, 0, 3)), &e));
    return e;
}

static void what_is_said_of_recipients_is_stored(void **state)
{
    struct client c = log_in("alice0001");
    struct envelope_recipient r;
    struct envelope e;

    (void)state;
    say(&c, "MAIL FROM:<alice0001@" DOMAIN "> RET=FULL ENVID=QQ+2B1");
    expect(&c, "250 2.1.0 ");
    say(&c,
        "RCPT TO:<b@elsewhere.example> NOTIFY=NEVER ORCPT=rfc822;b@elsewhere.example");
    expect(&c, "250 2.1.5 ");
    say(&c, "RCPT TO:<c@elsewhere.example>");
    expect(&c, "250 2.1.5 ");
    say(&c, "RCPT TO:<\"d \\\"\"@elsewhere.example> ORCPT=x400;/C+3Dde/ "
            "NOTIFY=DELAY,SUCCESS");
    expect(&c, "250 2.1.5 ");
    say(&c, "DATA");
    expect(&c, "354 ");
    send_message(&c, message("alice0001@" DOMAIN, "", 200));
    expect(&c, "250 2.0.0 ");
    e = last_envelope();
    assert_int_equal(e.ret, ENVELOPE_RET_FULL);
    assert_true(str_eq(envelope_envid(arena, &e), S("QQ+1")));
    assert_true(envelope_find(arena, &e, S("b@elsewhere.example"), &r));
    assert_int_equal(r.notify, ENVELOPE_NOTIFY_NEVER);
    assert_true(str_eq(r.orcpt, S("rfc822;b@elsewhere.example")));
    assert_false(envelope_find(arena, &e, S("c@elsewhere.example"), &r));
    assert_true(envelope_find(arena, &e, S("\"d \\\"\"@elsewhere.example"), &r));
    assert_int_equal(r.notify, ENVELOPE_NOTIFY_DELAY | ENVELOPE_NOTIFY_SUCCESS);
    assert_true(str_eq(r.orcpt, S("x400;/C=de/")));
    hang_up(&c);
}

static void what_another_server_says_is_stored(void **state)
{
    struct client c = foreign();
    struct envelope_recipient r;
    struct envelope e;

    (void)state;
    say(&c, "MAIL FROM:<b@elsewhere.example> RET=HDRS");
    expect(&c, "250 2.1.0 ");
    say(&c, "RCPT TO:<alice0001@" DOMAIN "> ORCPT=rfc822;list@elsewhere.example");
    expect(&c, "250 2.1.5 ");
    say(&c, "DATA");
    expect(&c, "354 ");
    send_message(&c, message("b@elsewhere.example", "", 200));
    expect(&c, "250 2.0.0 ");
    e = last_envelope();
    assert_int_equal(e.ret, ENVELOPE_RET_HDRS);
    assert_true(envelope_find(arena, &e, S("alice0001@" DOMAIN), &r));
    assert_true(str_eq(r.orcpt, S("rfc822;list@elsewhere.example")));
    hang_up(&c);
}

/* RFC 8689: the field counts for what leaves, and REQUIRETLS comes before it. */
static void what_is_said_of_tls_is_stored(void **state)
{
    static const struct {
        const char *parameter, *fields;
        bool required, optional;
    } cases[] = {
        { "", "", false, false },
        { " REQUIRETLS", "", true, false },
        { "", "TLS-Required: No\r\n", false, true },
        { "", "tls-required:\r\n no \r\n", false, true },
        { " REQUIRETLS", "TLS-Required: No\r\n", true, false },
        { "", "TLS-Required: Yes\r\n", false, false },
        { "", "TLS-Required: No\r\nTLS-Required: No\r\n", false, false },
    };
    struct client c = log_in("alice0001");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct envelope e;

        say(&c, arena_printf(arena, "MAIL FROM:<alice0001@" DOMAIN ">%s",
                             cases[i].parameter));
        expect(&c, "250 2.1.0 ");
        say(&c, "RCPT TO:<b@elsewhere.example>");
        expect(&c, "250 2.1.5 ");
        say(&c, "DATA");
        expect(&c, "354 ");
        send_message(&c, message("alice0001@" DOMAIN, cases[i].fields, 200));
        expect(&c, "250 2.0.0 ");
        e = last_envelope();
        assert_int_equal(e.requiretls, cases[i].required);
        assert_int_equal(e.tls_optional, cases[i].optional);
        if (cases[i].optional) {
            str_t stored = stored_body(db_get_int(observer, 0, 0, 0));

            assert_true(str_find(stored, S("equired:")) != SIZE_MAX); /* others read it */
        }
    }
    hang_up(&c);
}

/* With the usual ones a thousand recipients fit; with the longest these do not. */
static void what_the_envelope_can_hold(void **state)
{
    struct client c = log_in("alice0001");
    char orcpt[SMTP_LONG_ORCPT + 1];
    int most = 0;
    int64_t before = options.max_recipients;

    (void)state;
    options.max_recipients = 1000;
    memset(orcpt, '"', SMTP_LONG_ORCPT);
    orcpt[SMTP_LONG_ORCPT] = 0;
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
    expect(&c, "250 2.1.0 ");
    for (int i = 0; i < 50; i++) {
        str_t line;

        say(&c,
            arena_printf(arena, "RCPT TO:<b%d@elsewhere.example> ORCPT=x;%s", i, orcpt));
        assert_int_equal(stream_read_line(c.stream, 2048, c.until, &line), RC_OK);
        if (str_starts(line, S("250 2.1.5 ")))
            most = i + 1;
        else
            assert_true(str_starts(line, S("452 4.5.3 ")));
        if (most < i + 1)
            break;
    }
    assert_in_range(most, 40, 49);
    say(&c, "RSET");
    expect(&c, "250 2.0.0 ");
    say(&c, "MAIL FROM:<alice0001@" DOMAIN ">");
    expect(&c, "250 2.1.0 ");
    for (int i = 0; i < 1000; i++)
        say(&c, arena_printf(arena,
                             "RCPT TO:<someone%05d@elsewhere.example> NOTIFY=FAILURE "
                             "ORCPT=rfc822;someone%05d@elsewhere.example",
                             i, i));
    for (int i = 0; i < 1000; i++)
        expect(&c, "250 2.1.5 ");
    options.max_recipients = before;
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_of_recipients_is_stored),
        cmocka_unit_test(what_another_server_says_is_stored),
        cmocka_unit_test(what_is_said_of_tls_is_stored),
        cmocka_unit_test(what_the_envelope_can_hold),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_with_alice, stop);
}
