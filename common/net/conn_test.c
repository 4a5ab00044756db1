/* conn_test.c - listeners and connections on real loopback sockets. */
#include "net/conn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/cidr.h"
#include "net/door.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/test_certificate.h"
#include "net/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 3 * 1000, BIG_BYTES = 8 * 1024 * 1024 };

/* An echo by lines with a few words of its own: STARTTLS, QUIT, WHO, BIG, KEEP,
 * SILENT. */
struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct listener_options options;
    struct tls_context *server, *client;
    char cert[64], key[64];
    _Atomic int closed, drained, timeouts, start_tls_refused;
};

static void echo_open(struct conn *c)
{
    buf_puts(conn_out(c), "hello\r\n");
    conn_flush(c);
}

static void echo_line(struct conn *c, struct fixture *f, str_t line)
{
    char text[ADDR_TEXT_BYTES];

    if (str_eq(line, S("STARTTLS"))) {
        buf_consume(conn_in(c), line.n + 2);
        buf_puts(conn_out(c), "go\r\n");
        if (conn_start_tls(c, f->server) != RC_OK)
            atomic_fetch_add(&f->start_tls_refused, 1);
        return;
    }
    if (str_eq(line, S("WHO")))
        buf_puts(conn_out(c), addr_text(conn_peer(c), text));
    else if (str_eq(line, S("BIG")))
        memset(buf_reserve(conn_out(c), BIG_BYTES), 'x', BIG_BYTES),
            buf_commit(conn_out(c), BIG_BYTES);
    else if (str_eq(line, S("KEEP")))
        door_prove(conn_guest(c), DOOR_KEPT, clock_monotonic_ms());
    else if (str_eq(line, S("SILENT")))
        conn_set_timeout_ms(c, 30);
    else
        buf_put(conn_out(c), line);
    buf_puts(conn_out(c), "\r\n");
    if (str_eq(line, S("QUIT")))
        conn_close(c);
    buf_consume(conn_in(c), line.n + 2);
}

static void echo_input(struct conn *c)
{
    struct fixture *f = conn_listener_user(c);
    size_t end;

    while (!conn_is_closing(c) &&
           (end = str_find(buf_str(conn_in(c)), S("\r\n"))) != SIZE_MAX)
        echo_line(c, f, str_n(conn_in(c)->p, end));
    conn_flush(c);
}

static void echo_drain(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->drained, 1);
}

static void echo_timeout(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->timeouts, 1);
    buf_puts(conn_out(c), "too slow\r\n");
    conn_close(c);
}

static void echo_close(struct conn *c)
{
    atomic_fetch_add(&((struct fixture *)conn_listener_user(c))->closed, 1);
}

static const struct conn_handler echo = {
    .on_open = echo_open,
    .on_input = echo_input,
    .on_drain = echo_drain,
    .on_timeout = echo_timeout,
    .on_close = echo_close,
};

static struct deadline soon(void)
{
    return deadline_in_ms(WAIT_MS);
}

static void wait_for_count(_Atomic int *n, int at_least)
{
    struct deadline d = soon();

    while (atomic_load(n) < at_least && !deadline_passed(d))
        poll(NULL, 0, 1);
    assert_true(atomic_load(n) >= at_least);
}

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    struct tls_client_options client = { .min_version = TLS_VERSION_1_2 };
    struct tls_server_options server = { .cert_file = f->cert,
                                         .key_file = f->key,
                                         .min_version = TLS_VERSION_1_3,
                                         .alpn = "imap,smtp" };

    snprintf(f->cert, sizeof(f->cert), "/tmp/conn_test.%d.crt", (int)getpid());
    snprintf(f->key, sizeof(f->key), "/tmp/conn_test.%d.key", (int)getpid());
    test_certificate_write(f->cert, f->key, "mail.example");
    assert_int_equal(tls_server_new(&server, NULL, &f->server), RC_OK);
    client.ca_file = f->cert;
    assert_int_equal(tls_client_new(&client, NULL, &f->client), RC_OK);
    f->options =
        (struct listener_options){ .address = "127.0.0.1", .handler = &echo, .user = f };
    f->loop = loop_new("test");
    loop_start(f->loop);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    listener_free(&f->listener);
    loop_stop(f->loop);
    loop_free(&f->loop);
    tls_context_free(&f->server);
    tls_context_free(&f->client);
    unlink(f->cert);
    unlink(f->key);
    mem_free(f);
    return 0;
}

static void listen_now(struct fixture *f)
{
    assert_int_equal(listener_new(f->loop, &f->options, &f->listener), RC_OK);
}

static struct stream *dial(struct fixture *f)
{
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct stream *s = NULL;

    to.port = listener_port(f->listener);
    assert_int_equal(stream_connect(&to, soon(), &s), RC_OK);
    return s;
}

static void expect_line(struct stream *s, const char *text)
{
    str_t line;

    assert_int_equal(stream_read_line(s, 1000, soon(), &line), RC_OK);
    assert_int_equal(line.n, strlen(text));
    assert_memory_equal(line.p, text, line.n);
}

static void expect_closed(struct stream *s)
{
    char byte;
    size_t got;

    assert_int_equal(stream_read_some(s, &byte, 1, soon(), &got), RC_CLOSED);
}

static void say(struct stream *s, const char *text)
{
    assert_int_equal(stream_write(s, str_of(text), soon()), RC_OK);
}

static void test_plain_session(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    say(s, "one\r\ntwo\r\n");
    expect_line(s, "one");
    expect_line(s, "two");
    assert_int_equal(listener_open_count(f->listener), 1);
    say(s, "QUIT\r\nlate\r\n");
    expect_line(s, "QUIT");
    expect_closed(s);
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

static int tcp_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
    return value;
}

/* The socket of this process whose peer is s: the server's end. */
static int other_end(struct stream *s)
{
    struct sockaddr_in mine, peer;
    socklen_t n = sizeof(mine);

    assert_int_equal(getsockname(stream_fd(s), (struct sockaddr *)&mine, &n), 0);
    for (int fd = 0; fd < 1024; fd++) {
        n = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0 &&
            peer.sin_family == AF_INET && peer.sin_port == mine.sin_port)
            return fd;
    }
    fail_msg("no socket of this process has that peer");
    return -1;
}

/* A reply in several writes is not held back until the client has acknowledged the first,
 * and a client that vanished is noticed. */
static void test_socket_options(void **state)
{
    struct fixture *f = *state;
    struct stream *s;
    int fd;

    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    fd = other_end(s);
    assert_true(tcp_option(fd, IPPROTO_TCP, TCP_NODELAY) > 0);
    assert_true(tcp_option(fd, SOL_SOCKET, SO_KEEPALIVE) > 0);
    assert_in_range(tcp_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60, 900);
    assert_true(tcp_option(stream_fd(s), IPPROTO_TCP, TCP_NODELAY) > 0);
    stream_close(&s);
}

/* A peer in the middle of a long message reads our last words behind it, not a reset. */
static void test_last_words_to_a_peer_that_goes_on_writing(void **state)
{
    struct fixture *f = *state;
    char piece[64 * 1024];
    struct stream *s;

    memset(piece, 'x', sizeof(piece));
    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    say(s, "QUIT\r\n");
    for (int i = 0; i < 256; i++)
        assert_int_equal(stream_write(s, str_n(piece, sizeof(piece)), soon()), RC_OK);
    expect_line(s, "QUIT");
    expect_closed(s);
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

static void test_implicit_tls(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.tls = f->server;
    listen_now(f);
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    assert_string_equal(stream_tls_version(s), "TLSv1.3");
    expect_line(s, "hello");
    say(s, "one\r\n");
    expect_line(s, "one");
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

static void test_client_refuses_wrong_name(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.tls = f->server;
    listen_now(f);
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "other.example", TLS_VERIFY_NAME, soon()),
        RC_DENIED);
    assert_true(strlen(stream_failure(s)) > 0);
    stream_close(&s);
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "other.example", TLS_VERIFY_NONE, soon()), RC_OK);
    stream_close(&s);
}

static void test_start_tls(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    say(s, "STARTTLS\r\n");
    expect_line(s, "go");
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    say(s, "secret\r\n");
    expect_line(s, "secret");
    stream_close(&s);
}

static void test_injected_plaintext_is_refused(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    say(s, "STARTTLS\r\nevil\r\n");
    expect_closed(s);
    wait_for_count(&f->start_tls_refused, 1);
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

static void test_certificate_swap(void **state)
{
    struct fixture *f = *state;
    struct tls_client_options o = { .ca_file = f->cert };
    struct tls_context *new_client = NULL;
    struct stream *old, *fresh;

    f->options.tls = f->server;
    listen_now(f);
    old = dial(f);
    assert_int_equal(
        stream_start_tls(old, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    expect_line(old, "hello");
    assert_int_equal(tls_context_poll(f->server, NULL), RC_NOT_FOUND);
    test_certificate_write(f->cert, f->key, "mail.example");
    assert_int_equal(tls_context_poll(f->server, NULL), RC_OK);

    fresh = dial(f);
    assert_int_equal(
        stream_start_tls(fresh, f->client, "mail.example", TLS_VERIFY_NAME, soon()),
        RC_DENIED);
    stream_close(&fresh);
    assert_int_equal(tls_client_new(&o, NULL, &new_client), RC_OK);
    fresh = dial(f);
    assert_int_equal(
        stream_start_tls(fresh, new_client, "mail.example", TLS_VERIFY_NAME, soon()),
        RC_OK);
    stream_close(&fresh);
    tls_context_free(&new_client);

    say(old, "still here\r\n");
    expect_line(old, "still here");
    stream_close(&old);
}

/* The certificate that is served says whether an authority stands behind it. */
static void test_self_signed_is_told(void **state)
{
    struct fixture *f = *state;
    char ca[80], ca_key[80];

    assert_true(tls_context_is_self_signed(f->server));
    snprintf(ca, sizeof(ca), "%s.ca", f->cert);
    snprintf(ca_key, sizeof(ca_key), "%s.ca", f->key);
    test_certificate_write(ca, ca_key, "authority.example");
    test_certificate_issue(f->cert, f->key, "mail.example", ca, ca_key);
    unlink(ca);
    unlink(ca_key);
    assert_true(tls_context_is_self_signed(f->server));
    assert_int_equal(tls_context_poll(f->server, NULL), RC_OK);
    assert_false(tls_context_is_self_signed(f->server));
    test_certificate_write(f->cert, f->key, "mail.example");
    assert_int_equal(tls_context_poll(f->server, NULL), RC_OK);
    assert_true(tls_context_is_self_signed(f->server));
}

static void test_bad_certificate_keeps_the_good_one(void **state)
{
    struct fixture *f = *state;
    struct buf why;
    FILE *bad;
    struct stream *s;

    f->options.tls = f->server;
    listen_now(f);
    bad = fopen(f->cert, "w");
    fputs("no certificate\n", bad);
    fclose(bad);
    buf_init(&why, 1000);
    assert_int_equal(tls_context_poll(f->server, &why), RC_INVALID);
    assert_true(why.n > 0);
    assert_int_equal(tls_context_poll(f->server, &why), RC_NOT_FOUND);
    buf_fini(&why);
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    stream_close(&s);
}

static void test_large_output_to_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    static char chunk[64 * 1024];
    size_t total = 0, got;
    struct stream *s;

    f->options.tls = f->server;
    listen_now(f);
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    expect_line(s, "hello");
    say(s, "BIG\r\nafter\r\n");
    while (total < BIG_BYTES) {
        size_t room =
            BIG_BYTES - total < sizeof(chunk) ? BIG_BYTES - total : sizeof(chunk);

        assert_int_equal(stream_read_some(s, chunk, room, soon(), &got), RC_OK);
        total += got;
    }
    expect_line(s, "");
    expect_line(s, "after");
    wait_for_count(&f->drained, 1);
    stream_close(&s);
}

static void test_peer_that_does_not_read_is_cut(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.conn.write_stall_ms = 50;
    listen_now(f);
    s = dial(f);
    say(s, "BIG\r\n");
    wait_for_count(&f->closed, 1);
    stream_close(&s);
}

static void test_session_timeout(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    say(s, "SILENT\r\n");
    expect_line(s, "");
    expect_line(s, "too slow");
    expect_closed(s);
    assert_int_equal(atomic_load(&f->timeouts), 1);
    stream_close(&s);
}

static void test_handshake_deadline(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.tls = f->server;
    f->options.conn.handshake_ms = 30;
    listen_now(f);
    s = dial(f);
    expect_closed(s);
    stream_close(&s);
    assert_int_equal(listener_open_count(f->listener), 0);
}

static void test_a_network_has_its_part(void **state)
{
    struct fixture *f = *state;
    struct door *door = door_new(&(struct door_options){ .max_per_network = 2 });
    struct stream *s[3];

    f->options.door = door;
    f->options.busy_text = "421 too many\r\n";
    listen_now(f);
    for (int i = 0; i < 2; i++) {
        s[i] = dial(f);
        expect_line(s[i], "hello");
        say(s[i], "KEEP\r\n");
        expect_line(s[i], "");
    }
    s[2] = dial(f);
    expect_line(s[2], "421 too many");
    expect_closed(s[2]);
    stream_close(&s[2]);
    stream_close(&s[0]);
    wait_for_count(&f->closed, 1);
    s[2] = dial(f);
    expect_line(s[2], "hello");
    stream_close(&s[1]);
    stream_close(&s[2]);
    listener_free(&f->listener);
    assert_int_equal(door_count(door), 0);
    door_free(&door);
}

/* The first makes room for the third, which makes room for nobody once it is kept. */
static void test_a_full_port(void **state)
{
    struct fixture *f = *state;
    struct door *door = door_new(&(struct door_options){ .max = 2 });
    struct stream *s[4];

    f->options.door = door;
    f->options.busy_text = "421 too many\r\n";
    listen_now(f);
    for (int i = 0; i < 3; i++) {
        s[i] = dial(f);
        expect_line(s[i], "hello");
    }
    expect_line(s[0], "421 too many");
    expect_closed(s[0]);
    for (int i = 1; i < 3; i++) {
        say(s[i], "KEEP\r\n");
        expect_line(s[i], "");
    }
    s[3] = dial(f);
    expect_line(s[3], "421 too many");
    expect_closed(s[3]);
    for (int i = 1; i < 3; i++) {
        say(s[i], "still here\r\n");
        expect_line(s[i], "still here");
    }
    for (int i = 0; i < 4; i++)
        stream_close(&s[i]);
    listener_free(&f->listener);
    assert_int_equal(door_count(door), 0);
    door_free(&door);
}

/* A handshake that was begun, or not even that, holds no place. */
static void test_handshakes_that_hang(void **state)
{
    enum { PLACES = 4, HANGING = 20, HELLO_BYTES = 3 };
    struct fixture *f = *state;
    struct door *door = door_new(&(struct door_options){ .max = PLACES });
    struct stream *hanging[HANGING], *s;

    f->options.door = door;
    f->options.tls = f->server;
    listen_now(f);
    for (int i = 0; i < HANGING; i++) {
        hanging[i] = dial(f);
        if (i % 2 == 0)
            assert_int_equal(
                stream_write(hanging[i], str_n("\x16\x03\x01", HELLO_BYTES), soon()),
                RC_OK);
    }
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    expect_line(s, "hello");
    for (int i = 0; i <= HANGING - PLACES; i++)
        expect_closed(hanging[i]);
    for (int i = 0; i < HANGING; i++)
        stream_close(&hanging[i]);
    stream_close(&s);
    listener_free(&f->listener);
    door_free(&door);
}

/* On a loop that is not the newcomer's. */
static void test_a_full_port_of_two_loops(void **state)
{
    enum { PLACES = 8, ALL = 100 };
    struct fixture *f = *state;
    struct door *door = door_new(&(struct door_options){ .max = PLACES });
    struct loop *second = loop_new("second");
    struct listener *also = NULL;
    struct stream *s[ALL];

    loop_start(second);
    f->options.door = door;
    listen_now(f);
    f->options.port = listener_port(f->listener);
    f->options.join = true;
    assert_int_equal(listener_new(second, &f->options, &also), RC_OK);
    for (int i = 0; i < ALL; i++) {
        s[i] = dial(f);
        expect_line(s[i], "hello");
        if (i >= PLACES)
            expect_closed(s[i - PLACES]);
    }
    assert_int_equal(door_count(door), PLACES);
    for (int i = ALL - PLACES; i < ALL; i++) {
        say(s[i], "ping\r\n");
        expect_line(s[i], "ping");
    }
    for (int i = 0; i < ALL; i++)
        stream_close(&s[i]);
    listener_free(&also);
    listener_free(&f->listener);
    assert_int_equal(door_count(door), 0);
    door_free(&door);
    loop_stop(second);
    loop_free(&second);
}

static void test_out_of_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit normal, tight;
    struct stream *s;
    int next;

    listen_now(f);
    next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &normal), 0);
    tight = normal;
    tight.rlim_cur = (rlim_t)next + 1; /* the client's socket and no more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    s = dial(f);
    poll(NULL, 0, 20); /* let the listener meet the limit; without effect on the result */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &normal), 0);
    expect_line(s, "hello");
    stream_close(&s);
}

static const char header_v4[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                                "\xcb\x00\x71\x09\x7f\0\0\x01\x12\x34\0\x19";

static struct cidr_list *nets(const char *text)
{
    struct cidr_list *l = NULL;

    assert_int_equal(cidr_list_new(str_of(text), &l), RC_OK);
    return l;
}

static void test_proxy_header(void **state)
{
    struct fixture *f = *state;
    struct cidr_list *trusted = nets("127.0.0.0/8");
    struct stream *s;

    f->options.proxy_protocol = true;
    f->options.trusted_proxies = trusted;
    f->options.tls = f->server;
    listen_now(f);
    s = dial(f);
    assert_int_equal(stream_write(s, str_n(header_v4, sizeof(header_v4) - 1), soon()),
                     RC_OK);
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    expect_line(s, "hello");
    say(s, "WHO\r\n");
    expect_line(s, "203.0.113.9");
    stream_close(&s);
    listener_free(&f->listener);
    cidr_list_free(&trusted);
}

static void test_proxy_header_is_demanded(void **state)
{
    struct fixture *f = *state;
    struct cidr_list *trusted = nets("127.0.0.0/8");
    struct stream *s;

    f->options.proxy_protocol = true;
    f->options.trusted_proxies = trusted;
    f->options.conn.handshake_ms = 50;
    listen_now(f);
    s = dial(f);
    say(s, "EHLO without a header, long enough\r\n");
    expect_closed(s);
    stream_close(&s);
    s = dial(f);
    say(s, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    expect_closed(s);
    stream_close(&s);
    s = dial(f); /* half a header, then silence */
    assert_int_equal(stream_write(s, str_n(header_v4, 13), soon()), RC_OK);
    expect_closed(s);
    stream_close(&s);
    assert_int_equal(atomic_load(&f->closed), 0); /* no session ever began */
    listener_free(&f->listener);
    cidr_list_free(&trusted);
}

static void test_untrusted_proxy_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cidr_list *trusted = nets("192.0.2.0/24");
    struct stream *s;

    f->options.proxy_protocol = true;
    f->options.trusted_proxies = trusted;
    listen_now(f);
    s = dial(f);
    expect_closed(s);
    stream_close(&s);
    listener_free(&f->listener);
    cidr_list_free(&trusted);
}

/* Behind a web server in front are many people; behind what it names is one. */
static void test_a_trusted_proxy_is_no_network(void **state)
{
    enum { MANY = 3, PER_NETWORK = 2 };
    struct fixture *f = *state;
    struct cidr_list *trusted = nets("127.0.0.0/8");
    struct door *door =
        door_new(&(struct door_options){ .max_per_network = PER_NETWORK });
    struct stream *s[MANY];

    f->options.trusted_proxies = trusted;
    f->options.door = door;
    listen_now(f);
    for (int i = 0; i < MANY; i++) {
        s[i] = dial(f);
        expect_line(s[i], "hello");
    }
    for (int i = 0; i < MANY; i++)
        stream_close(&s[i]);
    listener_free(&f->listener);
    assert_int_equal(door_count(door), 0);

    f->options.proxy_protocol = true;
    listen_now(f);
    for (int i = 0; i < MANY; i++) {
        s[i] = dial(f);
        assert_int_equal(
            stream_write(s[i], str_n(header_v4, sizeof(header_v4) - 1), soon()), RC_OK);
        expect_line(s[i], "hello");
        if (i >= PER_NETWORK)
            expect_closed(s[i - PER_NETWORK]);
    }
    for (int i = 0; i < MANY; i++)
        stream_close(&s[i]);
    listener_free(&f->listener);
    cidr_list_free(&trusted);
    door_free(&door);
}

static void say_bye(struct conn *c, void *arg)
{
    (void)arg;
    buf_puts(conn_out(c), "bye\r\n");
    conn_close(c);
}

static void test_drain(void **state)
{
    struct fixture *f = *state;
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct stream *s, *late = NULL;

    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    listener_stop(f->listener);
    to.port = listener_port(f->listener);
    assert_int_equal(stream_connect(&to, soon(), &late), RC_RETRY);
    say(s, "works\r\n");
    expect_line(s, "works");
    listener_each(f->listener, say_bye, NULL);
    expect_line(s, "bye");
    expect_closed(s);
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

static void test_half_closed_peer_gets_its_answers(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    listen_now(f);
    s = dial(f);
    say(s, "a\r\nb\r\n");
    shutdown(stream_fd(s), SHUT_WR);
    expect_line(s, "hello");
    expect_line(s, "a");
    expect_line(s, "b");
    expect_closed(s);
    stream_close(&s);
}

static void test_many_connections_on_two_loops(void **state)
{
    struct fixture *f = *state;
    struct loop *second = loop_new("second");
    struct listener *also = NULL;
    struct stream *s[100];

    loop_start(second);
    f->options.tls = f->server;
    listen_now(f);
    f->options.port = listener_port(f->listener);
    assert_int_equal(listener_new(second, &f->options, &also), RC_EXISTS);
    f->options.join = true;
    assert_int_equal(listener_new(second, &f->options, &also), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        s[i] = dial(f);
        assert_int_equal(
            stream_start_tls(s[i], f->client, "mail.example", TLS_VERIFY_NONE, soon()),
            RC_OK);
        expect_line(s[i], "hello");
    }
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        say(s[i], "ping\r\n");
        expect_line(s[i], "ping");
    }
    /* The kernel spreads by a hash of the ports: all 100 on one side means it does not.
     */
    assert_true(listener_open_count(also) > 0);
    assert_true(listener_open_count(f->listener) > 0);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        stream_close(&s[i]);
    listener_free(&also);
    loop_stop(second);
    loop_free(&second);
}

/* A session that consumes later, outside of on_input, as one does whose command was away
 * in a worker. */
struct late {
    struct loop_post post;
    struct conn *conn;
    bool posted;
    bool hold; /* until all is in the socket, so that the reads are as large as can be */
};

static struct late late;
static _Atomic int late_bytes;

static void consume_late(struct loop_post *post)
{
    (void)post;
    late.posted = false;
    atomic_fetch_add(&late_bytes, (int)conn_in(late.conn)->n);
    buf_clear(conn_in(late.conn));
    conn_flush(late.conn);
}

static void late_input(struct conn *c)
{
    late.conn = c;
    late.post.run = consume_late;
    if (!late.posted && !late.hold)
        loop_post(conn_loop(c), &late.post);
    late.posted = !late.hold;
}

static void release(void *arg)
{
    (void)arg;
    late.hold = false;
    late_input(late.conn);
}

static void test_input_that_waits_inside_tls(void **state)
{
    static const struct conn_handler handler = { .on_input = late_input,
                                                 .on_close = echo_close };
    enum { TOTAL = 205000 }; /* 5,000 stay behind in the last record */
    static char bytes[TOTAL];
    struct fixture *f = *state;
    struct stream *s;

    late.hold = true;
    f->options.handler = &handler;
    f->options.tls = f->server;
    f->options.conn.in_max_bytes = 20000; /* one record and a piece of the next */
    listen_now(f);
    s = dial(f);
    assert_int_equal(
        stream_start_tls(s, f->client, "mail.example", TLS_VERIFY_NAME, soon()), RC_OK);
    assert_int_equal(stream_write(s, str_n(bytes, TOTAL), soon()), RC_OK);
    loop_call(f->loop, release, NULL);
    wait_for_count(&late_bytes, TOTAL);
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_session),
        TEST(test_socket_options),
        TEST(test_last_words_to_a_peer_that_goes_on_writing),
        TEST(test_implicit_tls),
        TEST(test_client_refuses_wrong_name),
        TEST(test_start_tls),
        TEST(test_injected_plaintext_is_refused),
        TEST(test_certificate_swap),
        TEST(test_self_signed_is_told),
        TEST(test_bad_certificate_keeps_the_good_one),
        TEST(test_large_output_to_a_slow_reader),
        TEST(test_peer_that_does_not_read_is_cut),
        TEST(test_session_timeout),
        TEST(test_handshake_deadline),
        TEST(test_a_network_has_its_part),
        TEST(test_a_full_port),
        TEST(test_a_full_port_of_two_loops),
        TEST(test_handshakes_that_hang),
        TEST(test_out_of_descriptors),
        TEST(test_proxy_header),
        TEST(test_proxy_header_is_demanded),
        TEST(test_untrusted_proxy_is_refused),
        TEST(test_a_trusted_proxy_is_no_network),
        TEST(test_input_that_waits_inside_tls),
        TEST(test_drain),
        TEST(test_half_closed_peer_gets_its_answers),
        TEST(test_many_connections_on_two_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
