/* session_test.c - what a session and its loop do beside the commands: who may say how
 * much, logins, IDLE and what wakes it, ends of all kinds.
 */
#include "session_test.h"

enum { STRANGER_COMMANDS = 50, STRANGER_BYTES = 40 * 1024, WORD_BYTES = 4000 };

static const char *word_of(char c, int n)
{
    char *word = arena_alloc(test_arena, (size_t)n + 1);

    memset(word, c, (size_t)n);
    return word;
}

static const char *base64(str_t text)
{
    struct buf *out = arena_buf(test_arena, 2000);

    crypto_base64_encode(out, text);
    return arena_cstr(test_arena, buf_str(out));
}

static const char *plain(const char *authzid, const char *user)
{
    struct buf *raw = arena_buf(test_arena, 1000);

    assert_int_equal(
        buf_printf(raw, "%s%c%s@" TEST_DOMAIN "%c" TEST_PASSWORD, authzid, 0, user, 0),
        RC_OK);
    return base64(buf_str(raw));
}

static void look_for_fresh(void *arg)
{
    bool *fresh = arg;

    *fresh = false;
    for (struct session *s = test_gateway.ios[0]->sessions; s != NULL;
         s = session_links(s)->next)
        *fresh |= session_is_fresh(s);
}

static bool is_fresh(void)
{
    bool fresh;

    loop_call(test_gateway.ios[0]->loop, look_for_fresh, &fresh);
    return fresh;
}

/* As the bus would. */
static void tell_of(const char *name)
{
    struct hints_news news = { .mailbox = inbox_of(name), .modseq = INT64_MAX };

    news.account = store_ids_account_of(news.mailbox);
    hints_dispatch(test_gateway.hints, &news);
}

/* ---- strangers ---- */

static void a_stranger_has_fifty_commands(void **state)
{
    struct client c = dial(1);

    (void)state;
    for (int i = 0; i < STRANGER_COMMANDS; i++) {
        say(&c, "a CAPABILITY");
        until(&c, "a OK ");
    }
    say(&c, "a CAPABILITY");
    expect(&c, "* BYE Too much input");
    expect_end(&c);
    hang_up(&c);
}

/* In commands, or in the lines of AUTHENTICATE. */
static void a_stranger_has_forty_kilobytes(void **state)
{
    const char *word = word_of('*', WORD_BYTES);
    struct client c = dial(1);

    (void)state;
    for (int i = 0; i < STRANGER_BYTES / WORD_BYTES; i++) {
        say(&c, "a XYZZY %s", word);
        expect(&c, "a BAD ");
    }
    say(&c, "a XYZZY %s", word);
    expect(&c, "* BYE Too much input");
    expect_end(&c);
    hang_up(&c);
    c = dial(1);
    for (int i = 0; i <= STRANGER_BYTES / WORD_BYTES; i++) {
        say(&c, "a AUTHENTICATE PLAIN");
        expect(&c, "+ ");
        say(&c, "%s", word);
        until(&c, i < STRANGER_BYTES / WORD_BYTES ? "a " : "* BYE Too much input");
    }
    expect_end(&c);
    hang_up(&c);
}

/* RFC 2971 3.3: the longest ID that it allows, also before the login. */
static void an_id_may_be_as_long_as_it_may(void **state)
{
    enum { PAIRS = 30, FIELD = 30, VALUE = 1024 };
    static const struct {
        int pairs, field, value;
        const char *answer;
    } cases[] = {
        { PAIRS, FIELD, VALUE, "a OK " },
        { PAIRS + 1, FIELD, 1, "a BAD " },
        { 1, FIELD + 1, 1, "a BAD " },
        { 1, FIELD, VALUE + 1, "a BAD " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *id = arena_buf(test_arena, 100000);
        struct client c = dial(1);

        buf_puts(id, "a ID (");
        for (int k = 0; k < cases[i].pairs; k++)
            buf_printf(id, "%s{%d+}\r\n%s {%d+}\r\n%s", k == 0 ? "" : " ", cases[i].field,
                       word_of('f', cases[i].field), cases[i].value,
                       word_of('v', cases[i].value));
        buf_puts(id, ")\r\n");
        say_bytes(&c, buf_str(id));
        until(&c, cases[i].answer);
        hang_up(&c);
    }
}

/* The line's own limit is the only one: clients join every UID with commas. */
static void a_set_may_be_as_long_as_the_line(void **state)
{
    struct buf *set = arena_buf(test_arena, 100000);
    struct client c;

    (void)state;
    c = log_in("ivan00001");
    append(&c, "INBOX");
    append(&c, "INBOX");
    say(&c, "a SELECT INBOX");
    until(&c, "a OK ");
    for (int i = 2; set->n < 65000; i += 2)
        buf_printf(set, "%s%d", i > 2 ? "," : "", i);
    say(&c, "b UID FETCH %.*s FLAGS", STR_ARG(buf_str(set)));
    expect(&c, "* 2 FETCH (UID 2 FLAGS ())");
    expect(&c, "b OK ");
    say(&c, "c UID SEARCH UID %.*s", STR_ARG(buf_str(set)));
    expect(&c, "* SEARCH 2");
    expect(&c, "c OK ");
    buf_clear(set);
    for (int i = 0; i < 300; i++)
        buf_printf(set, " X-Field-%d", i);
    say(&c, "d FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject%.*s)]", STR_ARG(buf_str(set)));
    expect(&c, "* 1 FETCH (BODY[HEADER.FIELDS (Subject X-Field-0 ");
    expect(&c, "Subject: a letter");
    until(&c, "d OK ");
    hang_up(&c);
}

/* Who is logged in is bounded by a command's own limit. */
static void an_account_may_say_more(void **state)
{
    struct client c = log_in("alice0001");
    const char *word = word_of('A', 1000);

    (void)state;
    for (int i = 0; i < STRANGER_COMMANDS + 10; i++) {
        say(&c, "a ID (\"name\" \"%s\")", word);
        until(&c, "a OK ");
    }
    hang_up(&c);
}

/* ---- logins ---- */

static void logins_of_all_kinds(void **state)
{
    const char *user = base64(S("alice0001@" TEST_DOMAIN));
    const char *password = base64(S(TEST_PASSWORD));
    struct client c;

    (void)state;
    c = log_in("alice0001");
    hang_up(&c);
    c = dial(1);
    say(&c, "a AUTHENTICATE PLAIN %s", plain("", "alice0001"));
    expect(&c, "a OK [CAPABILITY ");
    say(&c, "b AUTHENTICATE PLAIN");
    expect(&c, "b BAD already logged in");
    hang_up(&c);
    c = dial(1);
    say(&c, "a AUTHENTICATE LOGIN");
    expect(&c, "+ VXNlcm5hbWU6");
    say(&c, "*");
    expect(&c, "a BAD ");
    say(&c, "b AUTHENTICATE LOGIN");
    expect(&c, "+ VXNlcm5hbWU6");
    say(&c, "%s", user);
    expect(&c, "+ UGFzc3dvcmQ6");
    say(&c, "%s", password);
    expect(&c, "b OK [CAPABILITY ");
    hang_up(&c);
}

/* Who proves to be one may not act for another (RFC 4616 2). */
static void an_authorization_identity_is_the_users_own(void **state)
{
    struct client c = log_in("alice0001");

    (void)state;
    hang_up(&c);
    c = log_in("bob000001");
    hang_up(&c);
    c = dial(1);
    say(&c, "a AUTHENTICATE PLAIN %s", plain("alice0001@" TEST_DOMAIN, "bob000001"));
    expect(&c, "a NO [AUTHORIZATIONFAILED]");
    say(&c, "b AUTHENTICATE PLAIN");
    expect(&c, "+ ");
    say(&c, "%s", plain("alice0001@" TEST_DOMAIN, "bob000001"));
    expect(&c, "b NO [AUTHORIZATIONFAILED]");
    say(&c, "c SELECT INBOX");
    expect(&c, "c BAD log in first");
    say(&c, "d AUTHENTICATE PLAIN %s", plain("bob000001@" TEST_DOMAIN, "bob000001"));
    expect(&c, "d OK ");
    hang_up(&c);
}

static void the_fifth_failed_login_is_the_last(void **state)
{
    int64_t before = metric_value("postbus_imap_logins_refused_total");
    struct client c = log_in("alice0001");

    (void)state;
    hang_up(&c);
    c = dial(1);
    for (int i = 0; i < 5; i++) {
        /* What is pipelined behind it waits for the answer, too. */
        say(&c, "a LOGIN alice0001@" TEST_DOMAIN " wrong%d\r\nb CAPABILITY", i);
        expect(&c, "a NO [AUTHENTICATIONFAILED]");
        until(&c, i < 4 ? "b OK " : "* BYE Too many failed logins");
    }
    expect_end(&c);
    hang_up(&c);
    assert_int_equal(metric_value("postbus_imap_logins_refused_total"), before + 5);
}

static void in_the_clear_nobody_logs_in(void **state)
{
    struct client c = dial(0);

    (void)state;
    say(&c, "a LOGIN alice0001@" TEST_DOMAIN " \"" TEST_PASSWORD "\"");
    expect(&c, "a NO [PRIVACYREQUIRED]");
    say(&c, "b STARTTLS");
    expect(&c, "b OK ");
    assert_int_equal(stream_start_tls(c.stream, test_client_tls, "mail.example",
                                      TLS_VERIFY_NAME, c.until),
                     RC_OK);
    say(&c, "c STARTTLS");
    expect(&c, "c BAD TLS is active already");
    say(&c, "d LOGIN alice0001@" TEST_DOMAIN " \"" TEST_PASSWORD "\"");
    expect(&c, "d OK ");
    hang_up(&c);
}

static void what_is_injected_behind_starttls_is_not_run(void **state)
{
    struct client c = dial(0);

    (void)state;
    say_bytes(&c, S("a STARTTLS\r\nb CAPABILITY\r\n"));
    expect(&c, "a BAD nothing may follow STARTTLS before its answer");
    expect(&c, "* BYE ");
    expect_end(&c);
    hang_up(&c);
}

static void an_account_has_so_many_sessions(void **state)
{
    struct client c[TEST_SESSIONS], more;

    (void)state;
    for (size_t i = 0; i < TEST_SESSIONS; i++)
        c[i] = log_in("carol0001");
    more = dial(1);
    say(&more, "l LOGIN carol0001@" TEST_DOMAIN " \"" TEST_PASSWORD "\"");
    expect(&more, "* BYE [LIMIT] ");
    expect_end(&more);
    hang_up(&more);
    hang_up(&c[0]);
    say(&c[1], "a LOGOUT");
    until(&c[1], "a OK ");
    expect_end(&c[1]);
    hang_up(&c[1]);
    more = log_in("carol0001");
    hang_up(&more);
    hang_up(&c[2]);
    hang_up(&c[3]);
}

/* ---- IDLE, and what is told when ---- */

static void who_idles_hears_of_other_sessions(void **state)
{
    struct client c = with_inbox("dave00001"), other = log_in("dave00001");

    (void)state;
    wait_for(is_fresh, false);
    idle(&c);
    append(&other, "INBOX");
    expect(&c, "* 1 EXISTS");
    say(&other, "a SELECT INBOX");
    until(&other, "a OK ");
    say(&other, "b STORE 1 +FLAGS (\\Deleted)");
    until(&other, "b OK ");
    expect(&c, "* 1 FETCH (UID 1 FLAGS (\\Deleted))");
    say(&other, "c CLOSE");
    until(&other, "c OK ");
    expect(&c, "* 1 EXPUNGE");
    done(&c);
    hang_up(&c);
    hang_up(&other);
}

static void an_idle_line_is_kept_open(void **state)
{
    struct client c = with_inbox("dave00001");
    str_t line;

    (void)state;
    idle(&c);
    assert_int_equal(stream_read_line(c.stream, 1000, c.until, &line), RC_OK);
    assert_true(str_eq(line, S("* OK Still here")));
    done(&c);
    hang_up(&c);
}

/* Before the subscription has taken effect, a session cannot rely on hints: it looks when
 * it begins to idle.  Later it does not, unless there was one. */
static void a_young_session_looks_when_it_begins_to_idle(void **state)
{
    struct client c = with_inbox("judy00001");
    int64_t looks = metric_value("postbus_imap_looks_total");

    (void)state;
    idle(&c);
    done(&c);
    assert_int_equal(metric_value("postbus_imap_looks_total"), looks + 1);
    wait_for(is_fresh, false);
    idle(&c);
    done(&c);
    looks = metric_value("postbus_imap_looks_total");
    idle(&c);
    done(&c);
    assert_int_equal(metric_value("postbus_imap_looks_total"), looks);
    hang_up(&c);
}

/* The second name's account is of the first one's range.  Its hints come here already, so
 * neither IDLE nor a timer asks the store for it. */
static void who_comes_to_a_known_range_asks_nothing(void **state)
{
    struct client c = with_inbox("judy00001"), other;
    int64_t looks;

    (void)state;
    wait_for(is_fresh, false);
    other = with_inbox("judy01767");
    assert_int_equal(msg_range(store_ids_account_of(inbox_of("judy00001"))),
                     msg_range(store_ids_account_of(inbox_of("judy01767"))));
    assert_false(is_fresh());
    looks = metric_value("postbus_imap_looks_total");
    idle(&other);
    done(&other);
    assert_int_equal(metric_value("postbus_imap_looks_total"), looks);
    /* What a hint tells still comes. */
    idle(&other);
    deliver_silently("judy01767");
    tell_of("judy01767");
    expect(&other, "* 1 EXISTS");
    done(&other);
    hang_up(&other);
    hang_up(&c);
}

/* Mail that came while no hint could reach the session. */
static void who_idles_young_is_polled_once(void **state)
{
    struct client c = with_inbox("erin00001");

    (void)state;
    idle(&c);
    done(&c);
    idle(&c);
    deliver_silently("erin00001");
    expect(&c, "* 1 EXISTS");
    done(&c);
    hang_up(&c);
}

static void when_hints_were_lost_all_sessions_look(void **state)
{
    struct client c = with_inbox("frank0001"), other = with_inbox("frank0001");

    (void)state;
    wait_for(is_fresh, false);
    idle(&other); /* what is left from its youth is told here */
    done(&other);
    idle(&c);
    done(&c);
    idle(&c);
    deliver_silently("frank0001");
    io_post_all(test_gateway.ios[0]);
    expect(&c, "* 1 EXISTS");
    /* Who does not idle looks with the next command that may tell. */
    say(&other, "a UID FETCH 1 FLAGS");
    expect(&other, "* 1 EXISTS");
    until(&other, "a OK ");
    done(&c);
    hang_up(&c);
    hang_up(&other);
}

static void who_idles_in_a_mailbox_that_is_gone_is_polled(void **state)
{
    struct client c = log_in("frank0001");

    (void)state;
    say(&c, "a CREATE x");
    until(&c, "a OK ");
    say(&c, "b SELECT x");
    until(&c, "b OK ");
    wait_for(is_fresh, false);
    idle(&c);
    done(&c);
    idle(&c);
    assert_int_equal(db_script(test_observer, "DELETE FROM mailbox WHERE name = 'x'"),
                     RC_OK);
    io_post_all(test_gateway.ios[0]);
    expect(&c, "* BYE Mailbox was deleted");
    expect_end(&c);
    hang_up(&c);
}

/* Amidst FETCH responses flags that somebody else has set are not told: they are kept. */
static void flags_that_were_held_back_are_told_later(void **state)
{
    struct client c = log_in("grace0001"), other;

    (void)state;
    append(&c, "INBOX");
    say(&c, "a SELECT INBOX");
    until(&c, "a OK ");
    other = with_inbox("grace0001");
    say(&other, "b STORE 1 +FLAGS (\\Flagged)");
    until(&other, "b OK ");
    say(&c, "c UID FETCH 1 UID");
    expect(&c, "* 1 FETCH (UID 1)");
    expect(&c, "c OK ");
    idle(&c);
    expect(&c, "* 1 FETCH (UID 1 FLAGS (\\Flagged))");
    done(&c);
    hang_up(&c);
    hang_up(&other);
}

static void who_idles_in_a_deleted_mailbox_must_go(void **state)
{
    struct client c = log_in("heidi0001"), other = log_in("heidi0001");

    (void)state;
    say(&other, "a CREATE x");
    until(&other, "a OK ");
    say(&c, "b SELECT x");
    until(&c, "b OK ");
    wait_for(is_fresh, false);
    idle(&c);
    say(&other, "c DELETE x");
    until(&other, "c OK ");
    expect(&c, "* BYE Mailbox was deleted");
    expect_end(&c);
    hang_up(&c);
    hang_up(&other);
}

static void who_is_removed_must_go(void **state)
{
    struct client c = with_inbox("heidi0001");
    struct hints_news news = { .account = store_ids_account_of(inbox_of("heidi0001")),
                               .removed = true };

    (void)state;
    idle(&c);
    hints_dispatch(test_gateway.hints, &news);
    expect(&c, "* BYE ");
    expect_end(&c);
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_has_fifty_commands),
        cmocka_unit_test(a_stranger_has_forty_kilobytes),
        cmocka_unit_test(an_id_may_be_as_long_as_it_may),
        cmocka_unit_test(a_set_may_be_as_long_as_the_line),
        cmocka_unit_test(an_account_may_say_more),
        cmocka_unit_test(logins_of_all_kinds),
        cmocka_unit_test(an_authorization_identity_is_the_users_own),
        cmocka_unit_test(the_fifth_failed_login_is_the_last),
        cmocka_unit_test(in_the_clear_nobody_logs_in),
        cmocka_unit_test(what_is_injected_behind_starttls_is_not_run),
        cmocka_unit_test(an_account_has_so_many_sessions),
        cmocka_unit_test(who_idles_hears_of_other_sessions),
        cmocka_unit_test(an_idle_line_is_kept_open),
        cmocka_unit_test(a_young_session_looks_when_it_begins_to_idle),
        cmocka_unit_test(who_comes_to_a_known_range_asks_nothing),
        cmocka_unit_test(who_idles_young_is_polled_once),
        cmocka_unit_test(when_hints_were_lost_all_sessions_look),
        cmocka_unit_test(who_idles_in_a_mailbox_that_is_gone_is_polled),
        cmocka_unit_test(flags_that_were_held_back_are_told_later),
        cmocka_unit_test(who_idles_in_a_deleted_mailbox_must_go),
        cmocka_unit_test(who_is_removed_must_go),
    };

    (void)argc;
    test_database_enter(argv);
    test_name = test_database_new();
    return cmocka_run_group_tests(tests, test_start, test_stop);
}
