/* conn_tls_test.c - TLS on connections: from the first byte, by STARTTLS, and with which
 * certificate. */
#include "net/conn_test.h"

static void test_implicit_tls(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.tls = f->server;
    listen_now(f);
    s = dial_tls(f);
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
    s = dial_tls(f);
    stream_close(&s);
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
    s = dial_tls(f);
    assert_int_equal(stream_write(s, str_n(bytes, TOTAL), soon()), RC_OK);
    loop_call(f->loop, release, NULL);
    wait_for_count(&late_bytes, TOTAL);
    stream_close(&s);
    wait_for_count(&f->closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_implicit_tls),
        TEST(test_client_refuses_wrong_name),
        TEST(test_start_tls),
        TEST(test_injected_plaintext_is_refused),
        TEST(test_handshake_deadline),
        TEST(test_certificate_swap),
        TEST(test_self_signed_is_told),
        TEST(test_bad_certificate_keeps_the_good_one),
        TEST(test_input_that_waits_inside_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
