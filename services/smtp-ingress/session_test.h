/* session_test.h - a server, its store and its clients, for tests that hold whole
 * conversations over real sockets, TLS and PostgreSQL.
 *
 * The transcripts in tests/integration do the same with the program; here the store is
 * looked into after each conversation.  Everything is static, so that each test program
 * carries what it uses.
 */
#pragma once

#include "session.h"

#include "accept.h"
#include "account/login.h"
#include "account/test_database.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/rate.h"
#include "checks.h"
#include "dkim_keys.h"
#include "ingress.h"
#include "judge.h"
#include "mail/domains.h"
#include "net/cidr.h"
#include "net/dns.h"
#include "net/door.h"
#include "net/limit.h"
#include "net/stream.h"
#include "net/test_certificate.h"
#include "store/store_account.h"
#include "store/store_ids.h"
#include "svc/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WAIT_MS = 20000, MAX_MESSAGE_BYTES = 3000000, WORKERS = 3 };

#define TEST_UNUSED __attribute__((unused))

#define DOMAIN "chat.example"
#define BUSY   "421 4.7.0 Too many connections"

DB_STATEMENT(stmt_counts, "test_counts", "SELECT count(*) FROM queue");
DB_STATEMENT(stmt_waiting, "test_waiting",
             "SELECT count(*) FROM pg_locks WHERE NOT granted");
DB_STATEMENT(stmt_last, "test_last",
             "SELECT body_id, sender, rcpt, envelope::text FROM queue "
             "ORDER BY body_id DESC LIMIT 1");

static const char *database;
static char cert_file[64], key_file[64], nocreate_file[64];
static struct options options;
static const struct domains ours = DOMAINS_ONE(DOMAIN);
static struct ingress ingress;
/* smtp, submission, submissions, submissions behind a proxy, an impatient smtp, and both
 * kinds under TLS behind a door with ten places, and LMTP */
static struct port ports[8];
static struct listener *listeners[ARRAY_LEN(ports)];
static struct cidr_list *proxies;
static struct limit *chunks; /* of large messages */
static struct door *door;    /* of the last two ports */

enum { PLACES = 10 };

static const struct pace_limits impatient = { .quiet_ms = 60000,
                                              .step_ms = 1500,
                                              .data_begins_ms = 60000,
                                              .data_stalls_ms = 1000,
                                              .data_ms = 60000,
                                              .data_bytes_per_s = 500,
                                              .commands = 12 };
static struct loop *loop;
static struct tls_context *server_tls, *client_tls;
static struct db *observer;
static struct arena *arena;

/* ---- the server ---- */

static TEST_UNUSED void *context_new(void *user)
{
    (void)user;
    return test_database_connect("postbus_smtp_ingress", database);
}

static TEST_UNUSED void context_after(void *db)
{
    db_reset(db);
}

static TEST_UNUSED void context_free(void *db)
{
    struct db *d = db;

    db_free(&d);
}

static TEST_UNUSED struct worker_pool *pool(const char *name)
{
    struct worker_pool_options o = { .name = name,
                                     .count = WORKERS,
                                     .queue_max = 1000,
                                     .context_new = context_new,
                                     .context_after_job = context_after,
                                     .context_free = context_free };

    return worker_pool_new(&o);
}

static TEST_UNUSED void start_port(size_t i, enum port_kind kind, bool implicit)
{
    struct port *p = &ports[i];

    p->ingress = &ingress;
    p->kind = kind;
    p->tls = server_tls;
    p->is_judged = checks_need_judge(&options, checks_direction_of(kind));
    p->watches_dkim = checks_has(&options, CHECKS_ROW_dkim, checks_direction_of(kind));
    p->pace = pace_standard;
    if (i == 4)
        p->pace = impatient;
    if (i == 5 || i == 6)
        p->door = door;
    p->clear = kind == PORT_LMTP;
    p->admitted = kind == PORT_LMTP ? proxies : NULL;
    p->spool = (struct spool_room){ .small_bytes = 65536, .chunks = chunks };
    p->listener = (struct listener_options){ .address = "127.0.0.1",
                                             .tls = implicit ? server_tls : NULL,
                                             .proxy_protocol = i == 3,
                                             .door = p->door,
                                             .busy_text = BUSY "\r\n",
                                             .trusted_proxies = proxies,
                                             .handler = &session_handler,
                                             .user = p };
    assert_int_equal(listener_new(loop, &p->listener, &listeners[i]), RC_OK);
}

static TEST_UNUSED int start(void **state)
{
    struct login_options login = { .rules = { &ours, false, 9, 9, 9 },
                                   .failed_per_minute = 5,
                                   .registration_open = true,
                                   .nocreate_file = nocreate_file,
                                   .password_hash_cost = 1,
                                   .cache_entries = 100 };
    struct tls_server_options server = { .cert_file = cert_file,
                                         .key_file = key_file,
                                         .min_version = TLS_VERSION_1_3 };
    struct tls_client_options client = { .ca_file = cert_file };

    (void)state;
    snprintf(nocreate_file, sizeof(nocreate_file), "/tmp/session_test.%d.nocreate",
             (int)getpid());
    snprintf(cert_file, sizeof(cert_file), "/tmp/session_test.%d.crt", (int)getpid());
    snprintf(key_file, sizeof(key_file), "/tmp/session_test.%d.key", (int)getpid());
    test_certificate_write(cert_file, key_file, "mail.example");
    assert_int_equal(tls_server_new(&server, NULL, &server_tls), RC_OK);
    assert_int_equal(tls_client_new(&client, NULL, &client_tls), RC_OK);
    options.max_message_size = MAX_MESSAGE_BYTES;
    options.max_recipients = 5;
    options.dkim_sign = true;
    options.rspamd_url = options.command = options.milters = "";
    options.require_tls.action = POLICY_REJECT;
    options.session_timeout_seconds = 300;
    options.login_failure_delay_ms = 20;
    ingress.options = &options;
    ingress.route = (struct route_rules){ &ours, S("+") };
    ingress.expand.route = &ingress.route;
    ingress.host = S("mail." DOMAIN);
    ingress.commands = pool("command");
    ingress.logins = pool("login");
    ingress.login = login_new(&login);
    ingress.rate = rate_new(&(struct rate_options){ .per_minute = 60, .burst = 1000 });
    ingress.accept = accept_new(NULL);
    chunks = limit_new(48, 16);
    loop = loop_new("test-io");
    loop_start(loop);
    start_port(0, PORT_MX, false);
    start_port(1, PORT_SUBMISSION, false);
    start_port(2, PORT_SUBMISSION, true);
    assert_int_equal(cidr_list_new(S("127.0.0.0/8"), &proxies), RC_OK);
    start_port(3, PORT_SUBMISSION, true);
    start_port(4, PORT_MX, false);
    door = door_new(&(struct door_options){ .max = PLACES });
    start_port(5, PORT_MX, true);
    start_port(6, PORT_SUBMISSION, true);
    start_port(7, PORT_LMTP, false);
    observer = test_database_connect("postgres", database);
    arena = arena_new();
    return 0;
}

static TEST_UNUSED int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
        listener_free(&listeners[i]);
    judge_free(&ingress.judge);
    dkim_keys_free(&ingress.dkim_keys);
    worker_pool_free(&ingress.commands);
    worker_pool_free(&ingress.logins);
    cidr_list_free(&proxies);
    limit_free(&chunks);
    door_free(&door);
    loop_stop(loop);
    loop_free(&loop);
    dns_free(&ingress.dns);
    accept_free(&ingress.accept);
    rate_free(&ingress.rate);
    login_free(&ingress.login);
    tls_context_free(&server_tls);
    tls_context_free(&client_tls);
    db_free(&observer);
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

static TEST_UNUSED void say_bytes(struct client *c, str_t bytes)
{
    assert_int_equal(stream_write(c->stream, bytes, c->until), RC_OK);
}

static TEST_UNUSED void say(struct client *c, const char *line)
{
    say_bytes(c, str_of(arena_printf(arena, "%s\r\n", line)));
}

/* The reply's last line must begin so.  The connection may end instead if text is "". */
static TEST_UNUSED void expect(struct client *c, const char *text)
{
    str_t line;

    do {
        enum rc rc = stream_read_line(c->stream, 2048, c->until, &line);

        if (rc != RC_OK)
            fail_msg("no reply (%s), expected %s", rc_name(rc), text);
    } while (line.n > 3 && line.p[3] == '-');
    if (!str_starts(line, str_of(text)))
        fail_msg("\"%.*s\", expected %s", STR_ARG(line), text);
}

static TEST_UNUSED void expect_end(struct client *c)
{
    str_t line;

    assert_int_equal(stream_read_line(c->stream, 2048, c->until, &line), RC_CLOSED);
}

/* from: for the port behind the proxy, the last byte of 198.51.100.x. */
static TEST_UNUSED struct client dial_from(size_t port, char from)
{
    char header[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64x\xc0\0\2\1\x30\x39\1\xd1";
    struct client c = { .until = deadline_in_ms(WAIT_MS) };
    struct addr to;

    assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
    to.port = listener_port(listeners[port]);
    assert_int_equal(stream_connect(&to, c.until, &c.stream), RC_OK);
    header[19] = from;
    if (port == 3)
        say_bytes(&c, str_n(header, sizeof(header) - 1));
    if (ports[port].listener.tls != NULL)
        assert_int_equal(stream_start_tls(c.stream, client_tls, "mail.example",
                                          TLS_VERIFY_NAME, c.until),
                         RC_OK);
    expect(&c, port == 7 ? "220 mail." DOMAIN " LMTP" : "220 mail." DOMAIN " ESMTP");
    return c;
}

static TEST_UNUSED struct client dial(size_t port)
{
    return dial_from(port, 0);
}

static TEST_UNUSED void start_tls(struct client *c)
{
    say(c, "EHLO [127.0.0.1]");
    expect(c, "250 ");
    say(c, "STARTTLS");
    expect(c, "220 2.0.0 ");
    assert_int_equal(stream_start_tls(c->stream, client_tls, "mail.example",
                                      TLS_VERIFY_NAME, c->until),
                     RC_OK);
}

static TEST_UNUSED const char *plain_as(const char *authzid, const char *user,
                                        const char *password)
{
    struct buf *raw = arena_buf(arena, 1000), *text = arena_buf(arena, 2000);

    assert_int_equal(buf_printf(raw, "%s%c%s%c%s", authzid, 0, user, 0, password), RC_OK);
    crypto_base64_encode(text, buf_str(raw));
    return arena_printf(arena, "AUTH PLAIN %.*s", STR_ARG(buf_str(text)));
}

static TEST_UNUSED const char *plain(const char *user, const char *password)
{
    return plain_as("", user, password);
}

static TEST_UNUSED struct client log_in(const char *name)
{
    struct client c = dial(2);

    say(&c, "EHLO [127.0.0.1]");
    expect(&c, "250 ENHANCEDSTATUSCODES");
    say(&c, plain(arena_printf(arena, "%s@" DOMAIN, name), "correct horse"));
    expect(&c, "235 2.7.0 ");
    return c;
}

static TEST_UNUSED void hang_up(struct client *c)
{
    stream_close(&c->stream);
}

#define ENCRYPTED_HEAD                                                                   \
    "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=\"b\"\r\n\r\n"     \
    "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"               \
    "--b\r\nContent-Type: application/octet-stream\r\n\r\n"

/* An encrypted message of about n bytes with a lead of extra header fields. */
static TEST_UNUSED str_t message(const char *from, const char *extra, size_t n)
{
    struct buf *packets = arena_buf(arena, 2 * n + 1000);
    struct buf *armor = arena_buf(arena, 4 * n + 1000);
    struct buf *text = arena_buf(arena, 8 * n + 4000);
    /* one PKESK packet of three bytes, one SEIPD packet */
    unsigned char head[] = { 0xc1, 3, 1, 2, 3, 0xd2, 0xff, 0, 0, 0, 0 };
    char *body = arena_alloc(arena, n + 1);
    str_t rest;

    crypto_random(body, n);
    for (int i = 0; i < 4; i++)
        head[7 + i] = (unsigned char)(n >> (24 - 8 * i));
    assert_int_equal(buf_append(packets, head, sizeof(head)), RC_OK);
    assert_int_equal(buf_append(packets, body, n), RC_OK);
    crypto_base64_encode(armor, buf_str(packets));
    assert_int_equal(buf_printf(text,
                                "From: <%s>\r\n%s" ENCRYPTED_HEAD
                                "-----BEGIN PGP MESSAGE-----\r\n\r\n",
                                from, extra),
                     RC_OK);
    for (rest = buf_str(armor); rest.n > 0; rest = str_skip(rest, 64))
        assert_int_equal(buf_printf(text, "%.*s\r\n", STR_ARG(str_head(rest, 64))),
                         RC_OK);
    assert_int_equal(buf_puts(text, "=twTO\r\n-----END PGP MESSAGE-----\r\n--b--\r\n"),
                     RC_OK);
    return buf_str(text);
}

static TEST_UNUSED void send_message(struct client *c, str_t m)
{
    say_bytes(c, m);
    say(c, ".");
}

static TEST_UNUSED void begin_data(struct client *c, const char *from, const char *to)
{
    say(c, arena_printf(arena, "MAIL FROM:<%s> BODY=8BITMIME SMTPUTF8", from));
    expect(c, "250 2.1.0 ");
    say(c, arena_printf(arena, "RCPT TO:<%s>", to));
    expect(c, "250 2.1.5 ");
    say(c, "DATA");
    expect(c, "354 ");
}

/* ---- the store ---- */

static TEST_UNUSED int64_t queued(void)
{
    assert_int_equal(db_run(observer, &stmt_counts, DB_NO_PARAMS), RC_OK);
    return db_get_int(observer, 0, 0, 0);
}

/* Its columns are then the observer's, in the order of stmt_last. */
static TEST_UNUSED void look_at_last(void)
{
    assert_int_equal(db_run(observer, &stmt_last, DB_NO_PARAMS), RC_OK);
}

static TEST_UNUSED str_t stored_body(int64_t id)
{
    struct db *db = test_database_connect("postgres", database);
    char name[32];
    struct db_statement stmt = { .name = name };
    struct buf *text = arena_buf(arena, 10000000);
    static int serial;

    snprintf(name, sizeof(name), "test_body_%d", serial++);
    stmt.sql =
        arena_printf(arena, "SELECT data FROM body_%02d WHERE id = $1 ORDER BY seq",
                     store_ids_body_slot(id));
    assert_int_equal(db_run(db, &stmt, DB_PARAMS(db_int8(id))), RC_OK);
    for (size_t i = 0; i < db_rows(db, 0); i++)
        assert_int_equal(buf_put(text, db_get_str(db, 0, i, 0)), RC_OK);
    db_free(&db);
    return buf_str(text);
}

static TEST_UNUSED void set_quota(const char *name, int64_t bytes)
{
    struct db *db = test_database_connect("postgres", database);
    struct store_account account;

    assert_int_equal(store_account_find(arena, db, str_of(name), &account), RC_OK);
    assert_int_equal(store_account_set_quota(db, account.id, bytes), RC_OK);
    db_free(&db);
}

static TEST_UNUSED struct client foreign_at(size_t port)
{
    struct client c = dial(port);

    start_tls(&c);
    say(&c, "VRFY alice0001"); /* without a fresh EHLO */
    expect(&c, "252 2.0.0 ");
    say(&c, "EHLO mx.elsewhere.example");
    expect(&c, "250 ");
    return c;
}

static TEST_UNUSED struct client foreign(void)
{
    return foreign_at(0);
}

static TEST_UNUSED int64_t waiting_for_locks(void)
{
    assert_int_equal(db_run(observer, &stmt_waiting, DB_NO_PARAMS), RC_OK);
    return db_get_int(observer, 0, 0, 0);
}

/* The group's setup where other servers write to alice0001. */
static TEST_UNUSED int start_with_alice(void **state)
{
    struct client c;

    start(state);
    c = log_in("alice0001");
    hang_up(&c);
    return 0;
}

/* First in each test program's main. */
static TEST_UNUSED void enter(char **argv)
{
    test_database_enter(argv);
    database = test_database_new();
}
