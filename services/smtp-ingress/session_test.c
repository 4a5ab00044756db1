/* session_test.c - whole conversations over real sockets, TLS and PostgreSQL.
 *
 * The transcripts in tests/integration do the same with the program; here the store is
 * looked into after each conversation.
 */
#include "session.h"

#include "accept.h"
#include "account/login.h"
#include "account/test_database.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/rate.h"
#include "ingress.h"
#include "net/cidr.h"
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
static struct ingress ingress;
/* smtp, submission, submissions, submissions behind a proxy, an impatient smtp, and both
 * kinds under TLS behind a door with ten places */
static struct port ports[7];
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

static void *context_new(void *user)
{
    (void)user;
    return test_database_connect("postbus_smtp_ingress", database);
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

static void start_port(size_t i, enum port_kind kind, bool implicit)
{
    struct port *p = &ports[i];

    p->ingress = &ingress;
    p->kind = kind;
    p->tls = server_tls;
    p->pace = pace_standard;
    if (i == 4)
        p->pace = impatient;
    if (i > 4)
        p->door = door;
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

static int start(void **state)
{
    struct login_options login = { .rules = { STR(DOMAIN), 9, 9, 9 },
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
    options.session_timeout_seconds = 300;
    options.login_failure_delay_ms = 20;
    ingress.options = &options;
    ingress.domain = S(DOMAIN);
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
    observer = test_database_connect("postgres", database);
    arena = arena_new();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
        listener_free(&listeners[i]);
    worker_pool_free(&ingress.commands);
    worker_pool_free(&ingress.logins);
    cidr_list_free(&proxies);
    limit_free(&chunks);
    door_free(&door);
    loop_stop(loop);
    loop_free(&loop);
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

static void say_bytes(struct client *c, str_t bytes)
{
    assert_int_equal(stream_write(c->stream, bytes, c->until), RC_OK);
}

static void say(struct client *c, const char *line)
{
    say_bytes(c, str_of(arena_printf(arena, "%s\r\n", line)));
}

/* The reply's last line must begin so.  The connection may end instead if text is "". */
static void expect(struct client *c, const char *text)
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

static void expect_end(struct client *c)
{
    str_t line;

    assert_int_equal(stream_read_line(c->stream, 2048, c->until, &line), RC_CLOSED);
}

/* from: for the port behind the proxy, the last byte of 198.51.100.x. */
static struct client dial_from(size_t port, char from)
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
    expect(&c, "220 mail." DOMAIN " ESMTP");
    return c;
}

static struct client dial(size_t port)
{
    return dial_from(port, 0);
}

static void start_tls(struct client *c)
{
    say(c, "EHLO [127.0.0.1]");
    expect(c, "250 ");
    say(c, "STARTTLS");
    expect(c, "220 2.0.0 ");
    assert_int_equal(stream_start_tls(c->stream, client_tls, "mail.example",
                                      TLS_VERIFY_NAME, c->until),
                     RC_OK);
}

static const char *plain_as(const char *authzid, const char *user, const char *password)
{
    struct buf *raw = arena_buf(arena, 1000), *text = arena_buf(arena, 2000);

    assert_int_equal(buf_printf(raw, "%s%c%s%c%s", authzid, 0, user, 0, password), RC_OK);
    crypto_base64_encode(text, buf_str(raw));
    return arena_printf(arena, "AUTH PLAIN %.*s", STR_ARG(buf_str(text)));
}

static const char *plain(const char *user, const char *password)
{
    return plain_as("", user, password);
}

static struct client log_in(const char *name)
{
    struct client c = dial(2);

    say(&c, "EHLO [127.0.0.1]");
    expect(&c, "250 ENHANCEDSTATUSCODES");
    say(&c, plain(arena_printf(arena, "%s@" DOMAIN, name), "correct horse"));
    expect(&c, "235 2.7.0 ");
    return c;
}

static void hang_up(struct client *c)
{
    stream_close(&c->stream);
}

#define ENCRYPTED_HEAD                                                                   \
    "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=\"b\"\r\n\r\n"     \
    "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"               \
    "--b\r\nContent-Type: application/octet-stream\r\n\r\n"

/* An encrypted message of about n bytes with a lead of extra header fields. */
static str_t message(const char *from, const char *extra, size_t n)
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
    assert_int_equal(buf_puts(text, "-----END PGP MESSAGE-----\r\n--b--\r\n"), RC_OK);
    return buf_str(text);
}

static void send_message(struct client *c, str_t m)
{
    say_bytes(c, m);
    say(c, ".");
}

static void begin_data(struct client *c, const char *from, const char *to)
{
    say(c, arena_printf(arena, "MAIL FROM:<%s> BODY=8BITMIME SMTPUTF8", from));
    expect(c, "250 2.1.0 ");
    say(c, arena_printf(arena, "RCPT TO:<%s>", to));
    expect(c, "250 2.1.5 ");
    say(c, "DATA");
    expect(c, "354 ");
}

/* ---- the store ---- */

static int64_t queued(void)
{
    assert_int_equal(db_run(observer, &stmt_counts, DB_NO_PARAMS), RC_OK);
    return db_get_int(observer, 0, 0, 0);
}

static str_t stored_body(int64_t id)
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

/* ---- tests ---- */

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
    assert_int_equal(db_run(observer, &stmt_last, DB_NO_PARAMS), RC_OK);
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

static void set_quota(const char *name, int64_t bytes)
{
    struct db *db = test_database_connect("postgres", database);
    struct store_account account;

    assert_int_equal(store_account_find(arena, db, str_of(name), &account), RC_OK);
    assert_int_equal(store_account_set_quota(db, account.id, bytes), RC_OK);
    db_free(&db);
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
    assert_int_equal(db_run(observer, &stmt_last, DB_NO_PARAMS), RC_OK);
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
    say(&c, "RCPT TO:<b@elsewhere.example> NOTIFY=NEVER");
    expect(&c, "555 5.5.4 ");
    for (int i = 0; i < 5; i++) {
        say(&c, "RCPT TO:<b@elsewhere.example>");
        expect(&c, "250 2.1.5 ");
    }
    say(&c, "RCPT TO:<b@elsewhere.example>");
    expect(&c, "452 4.5.3 ");
    hang_up(&c);
}

static struct client foreign_at(size_t port)
{
    struct client c = dial(port);

    start_tls(&c);
    say(&c, "VRFY alice0001"); /* without a fresh EHLO */
    expect(&c, "252 2.0.0 ");
    say(&c, "EHLO mx.elsewhere.example");
    expect(&c, "250 ");
    return c;
}

static struct client foreign(void)
{
    return foreign_at(0);
}

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

static int64_t waiting_for_locks(void)
{
    assert_int_equal(db_run(observer, &stmt_waiting, DB_NO_PARAMS), RC_OK);
    return db_get_int(observer, 0, 0, 0);
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
    assert_int_equal(address_parse(S("operator1@" DOMAIN), 0, &ingress.postmaster),
                     RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        begin_data(&c, "carol@elsewhere.example", roles[i]);
        send_message(&c, complaint);
        expect(&c, "250 2.0.0 ");
        assert_int_equal(db_run(observer, &stmt_last, DB_NO_PARAMS), RC_OK);
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
    ingress.postmaster = (struct address){ 0 };
    hang_up(&c);
}

static void a_forged_bounce_address_is_dropped(void **state)
{
    struct client c = foreign();

    (void)state;
    begin_data(&c, "victim@third.example", "alice0001@" DOMAIN);
    send_message(&c, message("carol@elsewhere.example", "", 500));
    expect(&c, "250 2.0.0 ");
    assert_int_equal(db_run(observer, &stmt_last, DB_NO_PARAMS), RC_OK);
    assert_int_equal(db_get_str(observer, 0, 0, 1).n, 0);
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
        cmocka_unit_test(a_message_is_scrubbed_and_stored),
        cmocka_unit_test(the_client_of_delta_chat_pipelines),
        cmocka_unit_test(who_reaches_nobody_is_told_at_once),
        cmocka_unit_test(a_large_message),
        cmocka_unit_test(an_account_has_a_part_of_the_memory),
        cmocka_unit_test(far_too_large_a_message),
        cmocka_unit_test(refused_messages_leave_nothing),
        cmocka_unit_test(smuggling),
        cmocka_unit_test(odd_command_lines_end_the_session),
        cmocka_unit_test(an_early_disconnect_leaves_nothing),
        cmocka_unit_test(starttls_comes_first),
        cmocka_unit_test(starttls_forgets_what_was_injected),
        cmocka_unit_test(submission_over_starttls),
        cmocka_unit_test(failed_logins),
        cmocka_unit_test(an_authorization_identity_is_the_users_own),
        cmocka_unit_test(guessing_ends_for_a_network),
        cmocka_unit_test(closed_registration_says_so),
        cmocka_unit_test(senders_are_refused_at_rcpt),
        cmocka_unit_test(mail_from_other_servers),
        cmocka_unit_test(a_stranger_who_does_not_wait_is_cut_off),
        cmocka_unit_test(nor_is_what_stands_behind_a_refused_command_run),
        cmocka_unit_test(a_stranger_without_a_message_is_cut_off),
        cmocka_unit_test(a_message_that_stands_still_is_cut_off),
        cmocka_unit_test(who_gets_on_keeps_the_place_of_who_does_not),
        cmocka_unit_test(who_sends_a_message_keeps_the_place),
        cmocka_unit_test(who_waits_for_us_keeps_the_place),
        cmocka_unit_test(who_has_logged_in_is_preferred),
        cmocka_unit_test(postmaster_is_an_account_of_the_operator),
        cmocka_unit_test(a_forged_bounce_address_is_dropped),
        cmocka_unit_test(a_web_browser_is_turned_away),
        cmocka_unit_test(too_many_errors),
        cmocka_unit_test(who_is_blocked_or_removed_sends_no_more),
        cmocka_unit_test(a_crowd),
        cmocka_unit_test(the_database_goes_away_and_comes_back),
        cmocka_unit_test(drain_says_goodbye),
        cmocka_unit_test(pools_that_are_drained_still_answer),
    };

    (void)argc;
    test_database_enter(argv);
    database = test_database_new();
    return cmocka_run_group_tests(tests, start, stop);
}
