/* conn_memory_test.c - what an idle TLS connection costs.
 *
 * The clients live in a process of their own, so that the heap that is measured is the
 * server's alone.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/conn.h"
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

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CONNECTIONS = 1000,
    WAIT_MS = 60 * 1000,
    /* 13.4 kB of it are the structures of OpenSSL 3.0, 7.6 kB its SSL alone. */
    IDLE_MAX_BYTES = 15 * 1024,
};

static char cert[64], key[64];

static void on_open(struct conn *c)
{
    buf_puts(conn_out(c), "hello\r\n");
    conn_flush(c);
}

static void on_input(struct conn *c)
{
    buf_put(conn_out(c), buf_str(conn_in(c)));
    buf_clear(conn_in(c));
    conn_flush(c);
}

static void on_close(struct conn *c)
{
    (void)c;
}

static const struct conn_handler handler = { .on_open = on_open,
                                             .on_input = on_input,
                                             .on_close = on_close };

/* The child: open all, say a word on each, tell, and hold them until told. */
static _Noreturn void be_clients(int commands, int answers)
{
    static struct stream *s[CONNECTIONS];
    struct tls_client_options o = { .min_version = TLS_VERSION_1_3 };
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct deadline d = deadline_in_ms(WAIT_MS);
    struct tls_context *tls;
    char byte = 'k';
    str_t line;

    CHECK(read(commands, &to.port, sizeof(to.port)) == sizeof(to.port));
    CHECK(tls_client_new(&o, NULL, &tls) == RC_OK);
    for (int i = 0; i < CONNECTIONS; i++) {
        CHECK(stream_connect(&to, d, &s[i]) == RC_OK);
        CHECK(stream_start_tls(s[i], tls, "mail.example", TLS_VERIFY_NONE, d) == RC_OK);
        CHECK(stream_read_line(s[i], 100, d, &line) == RC_OK);
        CHECK(stream_write(s[i], S("a1 IDLE\r\n"), d) == RC_OK);
        CHECK(stream_read_line(s[i], 100, d, &line) == RC_OK);
    }
    CHECK(write(answers, &byte, 1) == 1);
    CHECK(read(commands, &byte, 1) >= 0); /* the parent closes its end */
    _exit(0);
}

static size_t heap_in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static void test_idle_tls_connection_is_small(void **state)
{
    struct tls_server_options o = { .cert_file = cert,
                                    .key_file = key,
                                    .min_version = TLS_VERSION_1_3 };
    struct listener_options at = { .address = "127.0.0.1", .handler = &handler };
    int commands[2], answers[2];
    struct listener *listener;
    struct loop *loop;
    size_t before, each;
    uint16_t port;
    char byte;

    (void)state;
    assert_int_equal(pipe(commands), 0);
    assert_int_equal(pipe(answers), 0);
    if (fork() == 0) {
        close(commands[1]);
        be_clients(commands[0], answers[1]);
    }
    test_certificate_write(cert, key, "mail.example");
    assert_int_equal(tls_server_new(&o, NULL, &at.tls), RC_OK);
    loop = loop_new("test");
    assert_int_equal(listener_new(loop, &at, &listener), RC_OK);
    before = heap_in_use();
    loop_start(loop);
    port = listener_port(listener);
    assert_int_equal(write(commands[1], &port, sizeof(port)), sizeof(port));
    assert_int_equal(read(answers[0], &byte, 1), 1);
    assert_int_equal(listener_open_count(listener), CONNECTIONS);
    each = (heap_in_use() - before) / CONNECTIONS;
    print_message("heap for one idle TLS connection: %zu bytes\n", each);
    assert_in_range(each, 0, IDLE_MAX_BYTES); /* a sanitizer's heap says 0 */
    close(commands[1]);
    listener_free(&listener);
    loop_stop(loop);
    loop_free(&loop);
    tls_context_free(&at.tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_tls_connection_is_small),
    };
    struct rlimit files = { 2 * CONNECTIONS, 2 * CONNECTIONS };
    int failures;

    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(cert, sizeof(cert), "/tmp/conn_memory_test.%d.crt", (int)getpid());
    snprintf(key, sizeof(key), "/tmp/conn_memory_test.%d.key", (int)getpid());
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(cert);
    unlink(key);
    return failures;
}
