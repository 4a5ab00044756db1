/* smtp_client_test.c - the client against scripted hosts: polite, hostile and untrusted.
 */
#include "smtp_client.h"

#include "base/arena.h"
#include "scripted_peer.h"

static struct stream *connect_to(struct peer *p, const char *const *script)
{
    struct addr to = begin(p, script);
    struct stream *s = NULL;

    assert_int_equal(stream_connect(&to, deadline_in_ms(5000), &s), RC_OK);
    return s;
}

static struct deadline soon(void)
{
    return deadline_in_ms(5000);
}

/* The policy of a test domain: encrypted, by any certificate. */
static struct smtp_client_setup usual(void)
{
    return (struct smtp_client_setup){ .helo = "own.org",
                                       .command_ms = 3000,
                                       .policy = { .level = TLS_LEVEL_ENCRYPTED,
                                                   .name = S("_x.test") },
                                       .tls = strict_ctx };
}

/* Script lines until a connection is encrypted. */
#define START_TLS                                                                        \
    "S 220-mx", "S 220 hello", "C EHLO own.org", "S 250-mx", "S 250 STARTTLS",           \
        "C STARTTLS", "S 220 go", "TLS"

static struct smtp_client_rcpt rcpts[3];

static struct smtp_client_mail mail_to(size_t n)
{
    static const str_t names[] = { STR("a@x"), STR("b@x"), STR("c@x") };

    for (size_t i = 0; i < n; i++)
        rcpts[i] = (struct smtp_client_rcpt){ .address = names[i] };
    return (struct smtp_client_mail){
        .sender = S("me@own.org"), .rcpt = rcpts, .rcpt_count = n, .size_bytes = 100
    };
}

static void test_pipelined(void **state)
{
    static const char *const script[] = { START_TLS,
                                          "C EHLO own.org",
                                          "S 250-mx",
                                          "S 250-PIPELINING",
                                          "S 250-8bitmime",
                                          "S 250 SIZE 1000",
                                          "C MAIL FROM:<me@own.org> SIZE=100",
                                          "C RCPT TO:<a@x>",
                                          "C RCPT TO:<b@x>",
                                          "C RCPT TO:<c@x>",
                                          "C DATA",
                                          "S 250 2.1.0 ok",
                                          "S 250 2.1.5 ok",
                                          "S 550-5.1.1 no",
                                          "S 550 5.1.1 such user",
                                          "S 450 4.2.0 later",
                                          "S 354 go",
                                          "C Subject: x",
                                          "C ",
                                          "C ..dot",
                                          "C .",
                                          "S 250 2.0.0 queued as 7",
                                          "C MAIL FROM:<me@own.org>",
                                          "C RCPT TO:<a@x>",
                                          "C DATA",
                                          "S 250 ok",
                                          "S 550 no",
                                          "S 354 go", /* although there is nobody */
                                          "C .",
                                          "S 554 no valid recipients",
                                          "C QUIT",
                                          NULL };
    struct arena *a = arena_new();
    struct smtp_client_mail m = mail_to(3);
    struct smtp_client c;
    struct peer p;
    struct smtp_client_setup setup = usual();

    (void)state;
    assert_int_equal(smtp_client_open(&c, connect_to(&p, script), &setup, soon()), RC_OK);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(m.accepted, 1);
    assert_int_equal(smtp_client_data(&c, a, S("Subject: x\r\n\r\n.do")), RC_OK);
    assert_int_equal(smtp_client_data(&c, a, S("t\n")), RC_OK);
    assert_int_equal(smtp_client_end(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[0].answer.code, 250);
    assert_true(str_find(rcpts[0].answer.text, S("queued as 7")) != SIZE_MAX);
    assert_int_equal(rcpts[1].answer.code, 550);
    assert_true(str_eq(rcpts[1].answer.status, S("5.1.1")));
    assert_true(str_find(rcpts[1].answer.text, S("such user")) != SIZE_MAX);
    assert_int_equal(rcpts[2].answer.code, 450);
    m = mail_to(1);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(m.accepted, 0);
    assert_int_equal(rcpts[0].answer.code, 550);
    assert_false(c.broken);
    smtp_client_close(&c);
    end(&p);
    arena_free(&a);
}

/* What the sender said about reports goes to a host that knows of them. */
static void test_dsn(void **state)
{
    static const char *const script[] = {
        START_TLS,
        "C EHLO own.org",
        "S 250-mx",
        "S 250 DSN",
        "C MAIL FROM:<me@own.org> RET=HDRS ENVID=QQ+2B1",
        "S 250 ok",
        "C RCPT TO:<a@x> NOTIFY=FAILURE,DELAY ORCPT=rfc822;list+2Ba@x",
        "S 250 ok",
        "C RCPT TO:<b@x> NOTIFY=NEVER",
        "S 250 ok",
        "C RCPT TO:<c@x>",
        "S 250 ok",
        "C DATA",
        "S 354 go",
        "C x",
        "C .",
        "S 250 ok",
        "C QUIT",
        NULL
    };
    struct arena *a = arena_new();
    struct smtp_client_mail m = mail_to(3);
    struct smtp_client c;
    struct peer p;
    struct smtp_client_setup setup = usual();

    (void)state;
    m.ret = ENVELOPE_RET_HDRS;
    m.envid = S("QQ+1");
    rcpts[0].notify = ENVELOPE_NOTIFY_FAILURE | ENVELOPE_NOTIFY_DELAY;
    rcpts[0].orcpt = S("rfc822;list+a@x");
    rcpts[1].notify = ENVELOPE_NOTIFY_NEVER;
    assert_int_equal(smtp_client_open(&c, connect_to(&p, script), &setup, soon()), RC_OK);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(smtp_client_data(&c, a, S("x\n")), RC_OK);
    assert_int_equal(smtp_client_end(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[2].answer.code, 250);
    smtp_client_close(&c);
    end(&p);
    arena_free(&a);
}

static void test_lockstep(void **state)
{
    static const char *const script[] = { START_TLS,
                                          "C EHLO own.org",
                                          "S 250 mx",
                                          "C MAIL FROM:<>",
                                          "S 250 ok",
                                          "C RCPT TO:<a@x>",
                                          "S 250 ok",
                                          "C RCPT TO:<b@x>",
                                          "S 452 too many",
                                          "C DATA",
                                          "S 354 go",
                                          "C x",
                                          "C .",
                                          "S 451 try again",
                                          "C MAIL FROM:<>",
                                          "S 550 go away",
                                          "C RSET",
                                          "S 250 ok",
                                          "C QUIT",
                                          NULL };
    struct arena *a = arena_new();
    struct smtp_client_mail m = mail_to(2);
    struct smtp_client c;
    struct peer p;
    struct smtp_client_setup setup = usual();

    (void)state;
    m.sender = S("");
    assert_int_equal(smtp_client_open(&c, connect_to(&p, script), &setup, soon()), RC_OK);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(m.accepted, 1);
    assert_int_equal(smtp_client_data(&c, a, S("x\r\n")), RC_OK);
    assert_int_equal(smtp_client_end(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[0].answer.code, 451);
    assert_int_equal(rcpts[1].answer.code, 452);
    m = mail_to(2);
    m.sender = S("");
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[1].answer.code, 550);
    assert_int_equal(m.accepted, 0);
    smtp_client_close(&c);
    end(&p);
    arena_free(&a);
}

/* What the server cannot take is answered without asking. */
static void test_impossible(void **state)
{
    static const char *const script[] = { START_TLS,  "C EHLO own.org",
                                          "S 250-mx", "S 250 SIZE 99",
                                          "END",      NULL };
    struct arena *a = arena_new();
    struct smtp_client_mail m = mail_to(1);
    struct smtp_client c;
    struct peer p;
    struct smtp_client_setup setup = usual();

    (void)state;
    assert_int_equal(smtp_client_open(&c, connect_to(&p, script), &setup, soon()), RC_OK);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[0].answer.code, 552);
    m = mail_to(1);
    m.size_bytes = 0;
    m.smtputf8 = true;
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_true(str_eq(rcpts[0].answer.status, S("5.6.7")));
    m = mail_to(1);
    m.size_bytes = 0;
    rcpts[0].address = S("a@x>\r\nRSET\r\n");
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_true(str_eq(rcpts[0].answer.status, S("5.1.3")));
    m = mail_to(1);
    m.size_bytes = 0;
    m.sender = str_n(memset(arena_alloc(a, 1200), 'a', 1200),
                     1200); /* no line has room for it */
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_true(str_eq(rcpts[0].answer.status, S("5.1.3")));
    smtp_client_close(&c);
    end(&p);
    arena_free(&a);
}

/* A host that refuses MAIL with 421 and hangs up has answered; recipients that were
 * accepted before a connection broke were not served. */
static void test_broken(void **state)
{
    static const char *const bye[] = { START_TLS,  "C EHLO own.org",
                                       "S 250-mx", "S 250 PIPELINING",
                                       "C MAIL",   "S 421 bye",
                                       NULL };
    static const char *const cut[] = { START_TLS,          "C EHLO own.org", "S 250-mx",
                                       "S 250 PIPELINING", "C MAIL",         "C RCPT",
                                       "C RCPT",           "C DATA",         "S 250 ok",
                                       "S 250 ok",         "S 550 no",       NULL };
    struct arena *a = arena_new();
    struct smtp_client_mail m = mail_to(2);
    struct smtp_client c;
    struct peer p;
    struct smtp_client_setup setup = usual();

    (void)state;
    assert_int_equal(smtp_client_open(&c, connect_to(&p, bye), &setup, soon()), RC_OK);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[0].answer.code, 421);
    assert_int_equal(rcpts[1].answer.code, 421);
    assert_true(c.broken);
    smtp_client_close(&c);
    end(&p);
    m = mail_to(2);
    assert_int_equal(smtp_client_open(&c, connect_to(&p, cut), &setup, soon()), RC_OK);
    assert_int_not_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[0].answer.code, 0);
    assert_int_equal(rcpts[1].answer.code, 550);
    assert_int_equal(m.accepted, 0);
    assert_true(c.broken);
    smtp_client_close(&c);
    end(&p);
    arena_free(&a);
}

/* Each must fail, and in time. */
static void test_hostile(void **state)
{
    static char endless_line[STREAM_LINE_MAX_BYTES + 100];
    static const char *const cases[][7] = {
        { "S 554 no service", "END", NULL },
        { "S HTTP/1.1 200 OK", "END", NULL },
        { "R 220 no end of line", NULL },
        { NULL },
        { "S 220 hello", "C EHLO", "S 500 what", "C HELO own.org", "S 502 no", "END" },
        { "S 220 hello", "C EHLO", "S 421 busy", "END", NULL },
        { "S 220 hello", "C EHLO", "S 250-a", "S 251 b", "END", NULL },
        { "S 220 hello", "C EHLO", endless_line, "END", NULL },
        { "S 999 hello", "END", NULL },
    };
    struct smtp_client_setup setup = usual();

    (void)state;
    memset(endless_line, 'x', sizeof(endless_line) - 1);
    memcpy(endless_line, "S 250 ", 6);
    setup.command_ms = 500;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_client c;
        struct peer p;
        enum rc rc = smtp_client_open(&c, connect_to(&p, cases[i]), &setup, soon());

        if (rc == RC_OK || c.failure[0] == '\0' ||
            strstr(c.failure, "not offered") != NULL)
            fail_msg("case %zu: %d '%s'", i, (int)rc, c.failure);
        smtp_client_close(&c);
        end(&p);
    }
}

/* A host that never takes mail says so; in passing trouble it does not. */
static void test_takes_no_mail(void **state)
{
    static const struct {
        const char *const script[7];
        bool takes_no_mail;
    } cases[] = {
        { { "S 554 no service", "END" }, true },
        { { "S 521 never", "END" }, true },
        { { "S 550 not now", "END" }, false },
        { { "S 421 busy", "END" }, false },
        { { "S 220 hi", "C EHLO", "S 502 no", "C HELO own.org", "S 502 no", "END" },
          true },
        { { "S 220 hi", "C EHLO", "S 502 no", "C HELO own.org", "S 450 no", "END" },
          false },
        { { "S 220 hi", "C EHLO", "S 450 no", "END" }, false },
    };
    struct smtp_client_setup setup = usual();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_client c;
        struct peer p;

        if (smtp_client_open(&c, connect_to(&p, cases[i].script), &setup, soon()) ==
                RC_OK ||
            c.takes_no_mail != cases[i].takes_no_mail)
            fail_msg("case %zu: %d '%s'", i, c.takes_no_mail, c.failure);
        smtp_client_close(&c);
        end(&p);
    }
}

/* A host that does not know EHLO is spoken to, also once it is encrypted; of it no
 * extension is asked. */
static void test_helo(void **state)
{
    static const char *const script[] = { START_TLS,
                                          "C EHLO own.org",
                                          "S 502 not implemented",
                                          "C HELO own.org",
                                          "S 250 mx",
                                          "C MAIL FROM:<me@own.org>",
                                          "S 250 ok",
                                          "C RCPT TO:<a@x>",
                                          "S 550 no",
                                          "C RSET",
                                          "S 250 ok",
                                          "C QUIT",
                                          "END",
                                          NULL };
    struct smtp_client_mail m = mail_to(1);
    struct smtp_client_setup setup = usual();
    struct arena *a = arena_new();
    struct smtp_client c;
    struct peer p;

    (void)state;
    assert_int_equal(smtp_client_open(&c, connect_to(&p, script), &setup, soon()), RC_OK);
    assert_int_equal(smtp_client_envelope(&c, a, &m), RC_OK);
    assert_int_equal(rcpts[0].answer.code, 550);
    smtp_client_close(&c);
    end(&p);
    arena_free(&a);
}

/* What a host has to say beyond any measure is passed over, not held against it. */
static void test_talkative(void **state)
{
    enum { LINES = 600 };
    static char long_line[5000], lines[LINES][32];
    static const char *script[LINES + 16] = { START_TLS };
    size_t n = 0;
    struct smtp_client c;
    struct peer p;
    struct smtp_client_setup setup = usual();

    (void)state;
    memset(long_line, 'x', sizeof(long_line) - 1);
    memcpy(long_line, "S 250-", 6);
    while (script[n] != NULL)
        n++;
    script[n++] = "C EHLO own.org";
    script[n++] = "S 250-mx";
    script[n++] = "S 250-PIPELINING";
    script[n++] = long_line;
    for (int i = 0; i < LINES; i++) {
        snprintf(lines[i], sizeof(lines[i]), "S 250-X%d", i);
        script[n++] = lines[i];
    }
    script[n++] = "S 250 SIZE 1000";
    script[n++] = "C QUIT";
    script[n++] = NULL;
    assert_int_equal(smtp_client_open(&c, connect_to(&p, script), &setup, soon()), RC_OK);
    assert_true(c.pipelining);
    assert_int_equal(c.size_max, 1000);
    smtp_client_close(&c);
    end(&p);
}

/* The deadline of the opening also ends an exchange that might take longer by itself. */
static void test_slow_opening(void **state)
{
    static const char *const script[] = { "S 220 hello", "C EHLO own.org", "END", NULL };
    struct smtp_client_setup setup = usual();
    struct smtp_client c;
    struct peer p;
    int64_t began = clock_monotonic_ms();

    (void)state;
    setup.command_ms = 60000;
    assert_int_equal(
        smtp_client_open(&c, connect_to(&p, script), &setup, deadline_in_ms(300)),
        RC_TIMEOUT);
    assert_non_null(strstr(c.failure, "EHLO"));
    assert_true(clock_monotonic_ms() - began < 3000);
    smtp_client_close(&c);
    end(&p);
}

static struct smtp_client_setup secure(enum tls_level level, struct tls_context *ctx,
                                       const char *name)
{
    struct smtp_client_setup s = usual();

    s.policy = (struct tls_policy){ .level = level, .name = str_of(name) };
    s.tls = ctx;
    return s;
}

static void expect_open(const char *const *script, struct smtp_client_setup setup,
                        enum rc want, const char *failure)
{
    struct smtp_client c;
    struct peer p;
    enum rc rc = smtp_client_open(&c, connect_to(&p, script), &setup, soon());

    if (rc != want ||
        (failure != NULL && str_find(str_of(c.failure), str_of(failure)) == SIZE_MAX))
        fail_msg("%s: '%s', wanted %s '%s'", rc_name(rc), c.failure, rc_name(want),
                 failure != NULL ? failure : "");
    smtp_client_close(&c);
    end(&p);
}

static const char *const with_tls[] = { "S 220 hello", "C EHLO own.org",
                                        "S 250-mx",    "S 250 STARTTLS",
                                        "C STARTTLS",  "S 220 go",
                                        "TLS",         "C EHLO own.org",
                                        "S 250 mx",    "END",
                                        NULL };

static void test_tls(void **state)
{
    static const char *const without[] = { "S 220 hello", "C EHLO own.org", "S 250 mx",
                                           "END", NULL };
    static const char *const refused[] = { "S 220 hello", "C EHLO own.org",
                                           "S 250-mx",    "S 250 STARTTLS",
                                           "C STARTTLS",  "S 454 no",
                                           "END",         NULL };
    static const char *const injected[] = { "S 220 hello", "C EHLO own.org",
                                            "S 250-mx",    "S 250 STARTTLS",
                                            "C STARTTLS",  "S 220 go\r\n250 injected",
                                            "END",         NULL };

    (void)state;
    expect_open(with_tls, secure(TLS_LEVEL_VERIFIED, trusting_ctx, "mx.test"), RC_OK,
                NULL);
    expect_open(with_tls, secure(TLS_LEVEL_ENCRYPTED, strict_ctx, "_x.test"), RC_OK,
                NULL);
    expect_open(with_tls, secure(TLS_LEVEL_VERIFIED, trusting_ctx, "other.test"),
                RC_DENIED, "TLS");
    expect_open(with_tls, secure(TLS_LEVEL_VERIFIED, strict_ctx, "mx.test"), RC_DENIED,
                "TLS");
    expect_open(without, secure(TLS_LEVEL_VERIFIED, strict_ctx, "mx.test"), RC_DENIED,
                "not offered");
    expect_open(without, secure(TLS_LEVEL_ENCRYPTED, strict_ctx, "_x.test"), RC_DENIED,
                "not offered");
    expect_open(refused, secure(TLS_LEVEL_ENCRYPTED, strict_ctx, "_x.test"), RC_DENIED,
                "STARTTLS refused");
    expect_open(injected, secure(TLS_LEVEL_ENCRYPTED, strict_ctx, "_x.test"), RC_INVALID,
                NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined),     cmocka_unit_test(test_lockstep),
        cmocka_unit_test(test_dsn),           cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_broken),        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_takes_no_mail), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_helo),          cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_talkative),     cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_slow_opening),  cmocka_unit_test(test_tls),
    };

    return cmocka_run_group_tests(tests, make_contexts, drop_contexts);
}
