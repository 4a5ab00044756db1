/* conn_door_test.c - who is let in: a full port, a network's part, and the PROXY header.
 */
#include "net/conn_test.h"

#include "net/cidr.h"

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
    s = dial_tls(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_network_has_its_part),
        TEST(test_a_full_port),
        TEST(test_handshakes_that_hang),
        TEST(test_a_full_port_of_two_loops),
        TEST(test_proxy_header),
        TEST(test_proxy_header_is_demanded),
        TEST(test_untrusted_proxy_is_refused),
        TEST(test_a_trusted_proxy_is_no_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
