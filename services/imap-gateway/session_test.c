/* session_test.c - whole conversations over real sockets, TLS and PostgreSQL.
 *
 * The transcripts in tests/integration do the same with the program, for each command;
 * here is what concerns the connection, and who may be on it.
 */
#include "session.h"

#include "account/login.h"
#include "account/test_database.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "body_cache.h"
#include "gateway.h"
#include "hints.h"
#include "io.h"
#include "net/limit.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/test_certificate.h"
#include "svc/options.h"
#include "work/worker_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WAIT_MS = 20000, WORKERS = 2, STRANGER_COMMANDS = 50, STRANGER_BYTES = 8 * 1024 };

#define DOMAIN "chat.example"
#define ALICE  "alice0001@" DOMAIN
#define BOB    "bob000001@" DOMAIN
#define SECRET "correct horse"

static const char *database;
static char cert_file[64], key_file[64];
static struct options options;
static struct gateway gateway;
static struct listener_options port;
static struct tls_context *client_tls;
static struct arena *arena;

/* ---- the server ---- */

static void *context_new(void *user)
{
    (void)user;
    return test_database_connect("postbus_imap_gateway", database);
}

static void context_after(void *db)
{
    db_reset(db);
}

static void context_free(void *db)
{
    struct db *d = db;

    db_free(&d);
}

static struct worker_pool *pool(const char *name)
{
    struct worker_pool_options o = { .name = name,
                                     .count = WORKERS,
                                     .queue_max = 1000,
                                     .context_new = context_new,
                                     .context_after_job = context_after,
                                     .context_free = context_free };

    return worker_pool_new(&o);
}

static void deliver(void *user, size_t loop, const struct hints_news *news)
{
    (void)user;
    io_post(gateway.ios[loop], news);
}

static void make_tls(void)
{
    struct tls_server_options server = { .cert_file = cert_file,
                                         .key_file = key_file,
                                         .min_version = TLS_VERSION_1_3 };
    struct tls_client_options client = { .ca_file = cert_file };

    snprintf(cert_file, sizeof(cert_file), "/tmp/imap_session_test.%d.crt",
             (int)getpid());
    snprintf(key_file, sizeof(key_file), "/tmp/imap_session_test.%d.key", (int)getpid());
    test_certificate_write(cert_file, key_file, "mail.example");
    assert_int_equal(tls_server_new(&server, NULL, &gateway.tls), RC_OK);
    assert_int_equal(tls_client_new(&client, NULL, &client_tls), RC_OK);
}

static int start(void **state)
{
    struct login_options login = { .rules = { STR(DOMAIN), 9, 9, 9 },
                                   .registration_open = true,
                                   .password_hash_cost = 1,
                                   .cache_entries = 100 };
    struct hints_options hints = { .sessions_per_account = 10, .deliver = deliver };

    (void)state;
    make_tls();
    options.max_message_size = 1000000;
    options.session_timeout_seconds = 300;
    options.idle_keepalive_seconds = 120;
    options.mailbox_poll_seconds = 60;
    options.login_failure_delay_ms = 20;
    gateway.options = &options;
    gateway.login = login_new(&login);
    gateway.commands = pool("command");
    gateway.logins = pool("login");
    gateway.hints = hints_new(&hints);
    gateway.bodies = body_cache_new(0);
    gateway.spool.small_bytes = 65536;
    gateway.spool.chunks = limit_new(48, 16);
    gateway.io_count = 1;
    gateway.ios[0] = io_new(&gateway, 0);
    io_start(gateway.ios[0]);
    port = (struct listener_options){ .address = "127.0.0.1",
                                      .tls = gateway.tls,
                                      .conn = { .in_max_bytes = SESSION_IN_BYTES,
                                                .out_soft_bytes = SESSION_OUT_SOFT },
                                      .handler = &session_handler,
                                      .user = gateway.ios[0] };
    assert_int_equal(
        listener_new(gateway.ios[0]->loop, &port, &gateway.ios[0]->listeners[0]), RC_OK);
    arena = arena_new();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    io_close(gateway.ios[0]);
    worker_pool_free(&gateway.commands);
    worker_pool_free(&gateway.logins);
    io_stop(gateway.ios[0]);
    io_free(&gateway.ios[0]);
    hints_free(&gateway.hints);
    body_cache_free(&gateway.bodies);
    limit_free(&gateway.spool.chunks);
    login_free(&gateway.login);
    tls_context_free(&gateway.tls);
    tls_context_free(&client_tls);
    arena_free(&arena);
    unlink(cert_file);
    unlink(key_file);
    return 0;
}

/* ---- the client ---- */

struct client {
    struct stream *stream;
    struct deadline until;
};

static void say(struct client *c, const char *line)
{
    str_t bytes = str_of(arena_printf(arena, "%s\r\n", line));

    assert_int_equal(stream_write(c->stream, bytes, c->until), RC_OK);
}

/* Reads up to the line that begins so. */
static void expect(struct client *c, const char *text)
{
    str_t line = { 0 };

    do {
        enum rc rc = stream_read_line(c->stream, 65536, c->until, &line);

        if (rc != RC_OK)
            fail_msg("no answer (%s), expected %s", rc_name(rc), text);
        if (str_starts(line, S("* BYE")) && !str_starts(str_of(text), S("* BYE")))
            fail_msg("\"%.*s\", expected %s", STR_ARG(line), text);
    } while (!str_starts(line, str_of(text)));
}

static void expect_end(struct client *c)
{
    str_t line;

    assert_int_equal(stream_read_line(c->stream, 2048, c->until, &line), RC_CLOSED);
}

static struct client dial(void)
{
    struct client c = { .until = deadline_in_ms(WAIT_MS) };
    struct addr to;

    assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
    to.port = listener_port(gateway.ios[0]->listeners[0]);
    assert_int_equal(stream_connect(&to, c.until, &c.stream), RC_OK);
    assert_int_equal(
        stream_start_tls(c.stream, client_tls, "mail.example", TLS_VERIFY_NAME, c.until),
        RC_OK);
    expect(&c, "* OK [CAPABILITY ");
    return c;
}

static struct client log_in(const char *user)
{
    struct client c = dial();

    say(&c, arena_printf(arena, "in LOGIN %s \"" SECRET "\"", user));
    expect(&c, "in OK ");
    return c;
}

static void hang_up(struct client *c)
{
    stream_close(&c->stream);
}

static const char *plain(const char *authzid, const char *user)
{
    struct buf *raw = arena_buf(arena, 1000), *text = arena_buf(arena, 2000);

    assert_int_equal(buf_printf(raw, "%s%c%s%c" SECRET, authzid, 0, user, 0), RC_OK);
    crypto_base64_encode(text, buf_str(raw));
    return arena_printf(arena, "%.*s", STR_ARG(buf_str(text)));
}

/* ---- tests ---- */

static void a_stranger_has_fifty_commands(void **state)
{
    struct client c = dial();

    (void)state;
    for (int i = 0; i < STRANGER_COMMANDS; i++) {
        say(&c, "a CAPABILITY");
        expect(&c, "a OK ");
    }
    say(&c, "a CAPABILITY");
    expect(&c, "* BYE Too much input");
    expect_end(&c);
    hang_up(&c);
}

/* In one command, in several, or in the lines of an AUTHENTICATE. */
static void a_stranger_has_eight_kilobytes(void **state)
{
    static char long_word[STRANGER_BYTES / 4 + 100];
    struct client c = dial();

    (void)state;
    memset(long_word, 'A', sizeof(long_word) - 1);
    for (int i = 0; i < 3; i++) {
        say(&c, arena_printf(arena, "a XYZZY %s", long_word));
        expect(&c, "a BAD ");
    }
    say(&c, arena_printf(arena, "a XYZZY %s", long_word));
    expect(&c, "* BYE Too much input");
    expect_end(&c);
    hang_up(&c);
    c = dial();
    for (int i = 0; i < 3; i++) {
        say(&c, "a AUTHENTICATE PLAIN");
        expect(&c, "+ ");
        say(&c, long_word);
        expect(&c, "a BAD ");
    }
    say(&c, "a AUTHENTICATE PLAIN");
    expect(&c, "+ ");
    say(&c, long_word);
    expect(&c, "* BYE Too much input");
    expect_end(&c);
    hang_up(&c);
}

/* Who is logged in is bounded by a command's own limit. */
static void an_account_may_say_more(void **state)
{
    static char long_word[500];
    struct client c = log_in(ALICE);

    (void)state;
    memset(long_word, 'A', sizeof(long_word) - 1);
    for (int i = 0; i < STRANGER_COMMANDS + 10; i++) {
        say(&c, arena_printf(arena, "a ID (\"name\" \"%s\")", long_word));
        expect(&c, "a OK ");
    }
    hang_up(&c);
}

/* Who proves to be one may not act for another (RFC 4616 2). */
static void an_authorization_identity_is_the_users_own(void **state)
{
    struct client c = log_in(ALICE);

    (void)state;
    hang_up(&c);
    c = log_in(BOB);
    hang_up(&c);
    c = dial();
    say(&c, arena_printf(arena, "a AUTHENTICATE PLAIN %s", plain(ALICE, BOB)));
    expect(&c, "a NO [AUTHORIZATIONFAILED]");
    say(&c, "b AUTHENTICATE PLAIN");
    expect(&c, "+ ");
    say(&c, plain(ALICE, BOB));
    expect(&c, "b NO [AUTHORIZATIONFAILED]");
    say(&c, "c SELECT INBOX");
    expect(&c, "c BAD ");
    say(&c, arena_printf(arena, "d AUTHENTICATE PLAIN %s", plain(BOB, BOB)));
    expect(&c, "d OK ");
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_has_fifty_commands),
        cmocka_unit_test(a_stranger_has_eight_kilobytes),
        cmocka_unit_test(an_account_may_say_more),
        cmocka_unit_test(an_authorization_identity_is_the_users_own),
    };

    (void)argc;
    test_database_enter(argv);
    database = test_database_new();
    return cmocka_run_group_tests(tests, start, stop);
}
