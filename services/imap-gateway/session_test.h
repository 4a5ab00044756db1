/* session_test.h - a gateway of two ports on one loop, and its clients, for the tests of
 * sessions: real sockets on the loopback, TLS and PostgreSQL, and no other service.
 *
 * The transcripts in tests/integration do the same with the program; here the insides are
 * looked into: metrics, the store, and what no hint tells.
 */
#pragma once

#include "body_cache.h"
#include "gateway.h"
#include "hints.h"
#include "io.h"
#include "session.h"

#include "account/login.h"
#include "account/test_database.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "mail/domains.h"
#include "net/cidr.h"
#include "net/limit.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/test_certificate.h"
#include "store/store_ids.h"
#include "store/store_message.h"
#include "svc/svc.h"
#include "work/worker_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <poll.h>
#include <cmocka.h>

#define TEST_UNUSED   __attribute__((unused))
#define TEST_DOMAIN   "chat.example"
#define TEST_PASSWORD "correct horse"
#define TEST_LETTER   "Subject: a letter\r\n\r\nhello\r\n"

enum {
    TEST_WAIT_MS = 20000,
    TEST_MESSAGE_BYTES = 1000000,
    TEST_WORKERS = 3,
    TEST_QUEUE = 1000,      /* jobs that wait for them */
    TEST_SESSIONS = 4,      /* of one account */
    TEST_CHUNKS_OF_ONE = 8, /* of large messages: two of the longest */
};

static const struct domains test_domains = DOMAINS_ONE(TEST_DOMAIN);
static const char *test_name;
static char test_cert[64], test_key[64];
static struct options test_options = {
    .mail_domain = TEST_DOMAIN,
    .privacy_mail = "",
    .iroh_relay = "",
    .max_message_size = TEST_MESSAGE_BYTES,
    .max_recipients = 5,
    .session_timeout_seconds = 300,
    .idle_keepalive_seconds = 1,
    .login_failure_delay_ms = 20,
    .mailbox_poll_seconds = 600, /* what no hint tells is told by io_post_all */
};
static struct svc test_svc = { .options = &test_options };
static struct gateway test_gateway;
static struct listener_options test_ports[IO_PORTS];
static struct door *test_door; /* NULL: as many may come as like */
static struct tls_context *test_client_tls;
static struct db *test_observer;
static struct arena *test_arena;

/* ---- the server ---- */

static void *test_context_new(void *user)
{
    (void)user;
    return test_database_connect("postbus_imap_gateway", test_name);
}

static void test_context_after(void *db)
{
    db_reset(db);
}

static void test_context_free(void *db)
{
    struct db *d = db;

    db_free(&d);
}

static struct worker_pool *test_pool(const char *name)
{
    struct worker_pool_options o = { .name = name,
                                     .count = TEST_WORKERS,
                                     .queue_max = TEST_QUEUE,
                                     .context_new = test_context_new,
                                     .context_after_job = test_context_after,
                                     .context_free = test_context_free };

    return worker_pool_new(&o);
}

static void test_deliver(void *user, size_t loop, const struct hints_news *news)
{
    (void)user;
    io_post(test_gateway.ios[loop], news);
}

static void test_start_port(struct io *io, size_t i)
{
    test_ports[i] = (struct listener_options){
        .address = "127.0.0.1",
        .tls = i == 1 ? test_gateway.tls : NULL,
        .door = test_door,
        .busy_text = "* BYE [UNAVAILABLE] Too many connections\r\n",
        .conn = { .in_max_bytes = SESSION_IN_BYTES, .out_soft_bytes = SESSION_OUT_SOFT },
        .handler = &session_handler,
        .user = io,
    };
    assert_int_equal(listener_new(io->loop, &test_ports[i], &io->listeners[i]), RC_OK);
}

static void test_start_bus(void)
{
    struct bus_options o = { .address = "127.0.0.1",
                             .secret = "a secret that is long enough for a test" };
    char error[BUS_ERROR_BYTES];

    assert_int_equal(bus_start(&o, &test_svc.bus, error), RC_OK);
}

static void test_make_tls(void)
{
    struct tls_server_options server = { .cert_file = test_cert,
                                         .key_file = test_key,
                                         .min_version = TLS_VERSION_1_3 };
    struct tls_client_options client = { .ca_file = test_cert };

    snprintf(test_cert, sizeof(test_cert), "/tmp/session_test.%d.crt", (int)getpid());
    snprintf(test_key, sizeof(test_key), "/tmp/session_test.%d.key", (int)getpid());
    test_certificate_write(test_cert, test_key, "mail.example");
    assert_int_equal(tls_server_new(&server, NULL, &test_gateway.tls), RC_OK);
    assert_int_equal(tls_client_new(&client, NULL, &test_client_tls), RC_OK);
}

static TEST_UNUSED int test_start(void **state)
{
    struct login_options login = { .rules = { &test_domains, false, 9, 9, 9 },
                                   .registration_open = true,
                                   .password_hash_cost = 1,
                                   .cache_entries = 100 };
    struct hints_options hints = { .sessions_per_account = TEST_SESSIONS,
                                   .deliver = test_deliver };

    (void)state;
    test_make_tls();
    test_start_bus();
    hints.bus = test_svc.bus;
    test_gateway.svc = &test_svc;
    test_gateway.options = &test_options;
    test_gateway.login = login_new(&login);
    test_gateway.commands = test_pool("command");
    test_gateway.logins = test_pool("login");
    test_gateway.hints = hints_new(&hints);
    test_gateway.bodies = body_cache_new(1000000);
    test_gateway.spool = (struct spool_room){
        .small_bytes = 65536,
        .chunks = limit_new(2 * TEST_CHUNKS_OF_ONE, TEST_CHUNKS_OF_ONE),
    };
    session_register_metrics();
    test_gateway.ios[0] = io_new(&test_gateway, 0);
    test_gateway.io_count = 1;
    io_start(test_gateway.ios[0]);
    for (size_t i = 0; i < IO_PORTS; i++)
        test_start_port(test_gateway.ios[0], i);
    test_observer = test_database_connect("postgres", test_name);
    test_arena = arena_new();
    return 0;
}

static TEST_UNUSED int test_stop(void **state)
{
    (void)state;
    io_close(test_gateway.ios[0]);
    worker_pool_free(&test_gateway.commands);
    worker_pool_free(&test_gateway.logins);
    io_stop(test_gateway.ios[0]);
    io_free(&test_gateway.ios[0]);
    assert_int_equal(atomic_load(&test_gateway.sessions), 0);
    hints_free(&test_gateway.hints);
    body_cache_free(&test_gateway.bodies);
    limit_free(&test_gateway.spool.chunks);
    login_free(&test_gateway.login);
    bus_stop(&test_svc.bus);
    tls_context_free(&test_gateway.tls);
    tls_context_free(&test_client_tls);
    db_free(&test_observer);
    arena_free(&test_arena);
    unlink(test_cert);
    unlink(test_key);
    return 0;
}

/* ---- the client ---- */

struct client {
    struct stream *stream;
    struct deadline until;
    bool closed;
};

static void say_bytes(struct client *c, str_t bytes)
{
    assert_int_equal(stream_write(c->stream, bytes, c->until), RC_OK);
}

__attribute__((format(printf, 2, 3))) static TEST_UNUSED void say(struct client *c,
                                                                  const char *format, ...)
{
    struct buf *line = arena_buf(test_arena, 1000000);
    va_list list;
    char *p = buf_reserve(line, 200000);
    int n;

    va_start(list, format);
    n = vsnprintf(p, 200000, format, list);
    va_end(list);
    buf_commit(line, (size_t)n);
    buf_puts(line, "\r\n");
    say_bytes(c, buf_str(line));
}

/* The next line; "" when the connection has ended.  What keeps an idle line open is no
 * answer to anything. */
static str_t next_line(struct client *c)
{
    str_t line;
    enum rc rc;

    do {
        rc = stream_read_line(c->stream, 1 << 20, c->until, &line);
    } while (rc == RC_OK && str_eq(line, S("* OK Still here")));
    if (rc == RC_TIMEOUT)
        fail_msg("nothing comes");
    c->closed = rc != RC_OK;
    return rc == RC_OK ? arena_str(test_arena, line) : S("");
}

static TEST_UNUSED void expect(struct client *c, const char *text)
{
    str_t line = next_line(c);

    if (c->closed || !str_starts(line, str_of(text)))
        fail_msg("\"%.*s\"%s, expected %s", STR_ARG(line),
                 c->closed ? " and the end" : "", text);
}

static TEST_UNUSED void expect_end(struct client *c)
{
    str_t line = next_line(c);

    if (!c->closed)
        fail_msg("\"%.*s\", expected the end", STR_ARG(line));
}

/* Lines up to the one that begins so; answers how many there were before it. */
static TEST_UNUSED size_t until(struct client *c, const char *text)
{
    size_t n = 0;

    for (;; n++) {
        str_t line = next_line(c);

        if (c->closed)
            fail_msg("the end, expected %s", text);
        if (str_starts(line, str_of(text)))
            return n;
    }
}

/* port 0 begins in the clear. */
static struct client dial(size_t port)
{
    struct client c = { .until = deadline_in_ms(TEST_WAIT_MS) };
    struct addr to;

    assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
    to.port = listener_port(test_gateway.ios[0]->listeners[port]);
    assert_int_equal(stream_connect(&to, c.until, &c.stream), RC_OK);
    if (port == 1)
        assert_int_equal(stream_start_tls(c.stream, test_client_tls, "mail.example",
                                          TLS_VERIFY_NAME, c.until),
                         RC_OK);
    expect(&c, "* OK [CAPABILITY IMAP4rev1 ");
    return c;
}

static TEST_UNUSED struct client log_in(const char *name)
{
    struct client c = dial(1);

    say(&c, "l LOGIN %s@" TEST_DOMAIN " \"" TEST_PASSWORD "\"", name);
    expect(&c, "l OK [CAPABILITY ");
    return c;
}

static TEST_UNUSED void hang_up(struct client *c)
{
    stream_close(&c->stream);
}

static TEST_UNUSED struct client with_inbox(const char *name)
{
    struct client c = log_in(name);

    say(&c, "select SELECT INBOX");
    until(&c, "select OK ");
    return c;
}

static TEST_UNUSED void append(struct client *c, const char *mailbox)
{
    say(c, "append APPEND %s {%zu+}\r\n" TEST_LETTER, mailbox, strlen(TEST_LETTER));
    until(c, "append OK ");
}

static TEST_UNUSED void idle(struct client *c)
{
    say(c, "idle IDLE");
    until(c, "+ idling");
}

static TEST_UNUSED void done(struct client *c)
{
    say(c, "DONE");
    until(c, "idle OK ");
}

/* ---- what can be seen from outside the sessions ---- */

DB_STATEMENT(stmt_account, "test_account", "SELECT id FROM account WHERE addr = $1");

static TEST_UNUSED int64_t metric_value(const char *name)
{
    struct buf *text = arena_buf(test_arena, 1 << 20);
    str_t rest, line;
    uint64_t value;

    metric_render(text);
    rest = buf_str(text);
    while (str_split(&rest, '\n', &line))
        if (str_starts(line, str_of(name)) && line.p[strlen(name)] == ' ' &&
            str_to_u64(str_skip(line, strlen(name) + 1), INT64_MAX, &value))
            return (int64_t)value;
    fail_msg("no metric %s", name);
    return 0;
}

static TEST_UNUSED int64_t count(struct db_statement *s)
{
    assert_int_equal(db_run(test_observer, s, DB_NO_PARAMS), RC_OK);
    return db_get_int(test_observer, 0, 0, 0);
}

static TEST_UNUSED int64_t inbox_of(const char *name)
{
    str_t addr = str_of(arena_printf(test_arena, "%s@" TEST_DOMAIN, name));

    assert_int_equal(db_run(test_observer, &stmt_account, DB_PARAMS(db_text(addr))),
                     RC_OK);
    return store_ids_mailbox(db_get_int(test_observer, 0, 0, 0), STORE_IDS_INBOX);
}

/* Mail comes in, and no hint tells of it. */
static TEST_UNUSED void deliver_silently(const char *name)
{
    struct store_message_append m = { .message = S(TEST_LETTER) };

    assert_int_equal(store_message_append(test_observer, inbox_of(name), &m), RC_OK);
}

static TEST_UNUSED void wait_for(bool (*check)(void), bool wanted)
{
    struct deadline late = deadline_in_ms(TEST_WAIT_MS);

    while (check() != wanted) {
        if (deadline_passed(late))
            fail_msg("it does not happen");
        poll(NULL, 0, 1);
    }
}
