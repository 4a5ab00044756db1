/* session_login_test.c - what a login is told that fails, and how often it may, by the
 * network that it comes from.
 */
#include "session_test.h"

#include <fcntl.h>
#include <unistd.h>

enum { FAILURES = 5 };

static char nocreate_file[64];
static struct cidr_list *proxies;

/* The port with TLS stands behind a proxy, which names the clients. */
static int start(void **state)
{
    struct login_options login = { .rules = { &test_domains, false, 9, 9, 9 },
                                   .failed_per_minute = FAILURES,
                                   .registration_open = true,
                                   .nocreate_file = nocreate_file,
                                   .password_hash_cost = 1,
                                   .cache_entries = 100 };
    struct io *io;

    test_start(state);
    snprintf(nocreate_file, sizeof(nocreate_file), "/tmp/session_login_test.%d",
             (int)getpid());
    login_free(&test_gateway.login);
    test_gateway.login = login_new(&login);
    io = test_gateway.ios[0];
    assert_int_equal(cidr_list_new(S("127.0.0.1"), &proxies), RC_OK);
    listener_free(&io->listeners[1]);
    test_ports[1].proxy_protocol = true;
    test_ports[1].trusted_proxies = proxies;
    assert_int_equal(listener_new(io->loop, &test_ports[1], &io->listeners[1]), RC_OK);
    return 0;
}

static int stop(void **state)
{
    test_stop(state);
    cidr_list_free(&proxies);
    return 0;
}

/* From 203.0.113.network. */
static struct client dial_from(char network)
{
    char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                    "\xcb\x00\x71\x00\x7f\0\0\x01\x12\x34\x03\xe1";
    struct client c = { .until = deadline_in_ms(TEST_WAIT_MS) };
    struct addr to;

    header[19] = network;
    assert_int_equal(addr_parse(S("127.0.0.1"), &to), RC_OK);
    to.port = listener_port(test_gateway.ios[0]->listeners[1]);
    assert_int_equal(stream_connect(&to, c.until, &c.stream), RC_OK);
    say_bytes(&c, str_n(header, sizeof(header) - 1));
    assert_int_equal(stream_start_tls(c.stream, test_client_tls, "mail.example",
                                      TLS_VERIFY_NAME, c.until),
                     RC_OK);
    expect(&c, "* OK [CAPABILITY IMAP4rev1 ");
    return c;
}

static void try_login(char network, const char *name, const char *password,
                      const char *answer)
{
    struct client c = dial_from(network);

    say(&c, "a LOGIN %s@" TEST_DOMAIN " \"%s\"", name, password);
    expect(&c, answer);
    hang_up(&c);
}

static void guessing_ends_for_a_network(void **state)
{
    (void)state;
    try_login(1, "alice0001", TEST_PASSWORD, "a OK ");
    for (int i = 0; i < FAILURES + 3; i++)
        try_login(1, "alice0001", "wrong password",
                  i < FAILURES ? "a NO [AUTHENTICATIONFAILED] " : "a NO [UNAVAILABLE] ");
    try_login(1, "alice0001", TEST_PASSWORD, "a OK "); /* is remembered */
    try_login(2, "alice0001", "wrong password", "a NO [AUTHENTICATIONFAILED] ");
}

/* Who comes with a code must not look for a wrong password. */
static void closed_registration_says_so(void **state)
{
    int fd;

    (void)state;
    try_login(3, "bob000001", TEST_PASSWORD, "a OK ");
    fd = open(nocreate_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    try_login(3, "nobody001", TEST_PASSWORD,
              "a NO [NOPERM] This server takes no new profiles.");
    try_login(3, "bob000001", "wrong password", "a NO [AUTHENTICATIONFAILED] ");
    try_login(3, "bob000001", TEST_PASSWORD, "a OK ");
    for (int i = 0; i < FAILURES; i++)
        try_login(3, "nobody002", TEST_PASSWORD,
                  i < FAILURES - 2 ? "a NO [NOPERM] " : "a NO [UNAVAILABLE] ");
    unlink(nocreate_file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guessing_ends_for_a_network),
        cmocka_unit_test(closed_registration_says_so),
    };

    (void)argc;
    test_database_enter(argv);
    test_name = test_database_new();
    return cmocka_run_group_tests(tests, start, stop);
}
