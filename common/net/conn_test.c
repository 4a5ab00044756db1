/* conn_test.c - sessions on connections: lines, deadlines, slow readers, the end. */
#include "net/conn_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

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

static void test_large_output_to_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    static char chunk[64 * 1024];
    size_t total = 0, got;
    struct stream *s;

    f->options.tls = f->server;
    listen_now(f);
    s = dial_tls(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_session),
        TEST(test_socket_options),
        TEST(test_last_words_to_a_peer_that_goes_on_writing),
        TEST(test_large_output_to_a_slow_reader),
        TEST(test_peer_that_does_not_read_is_cut),
        TEST(test_session_timeout),
        TEST(test_out_of_descriptors),
        TEST(test_drain),
        TEST(test_half_closed_peer_gets_its_answers),
        TEST(test_many_connections_on_two_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
