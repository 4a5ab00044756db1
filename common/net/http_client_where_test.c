/* http_client_where_test.c - whom the client asks: hosts within its reach, by way of
 * redirects as far as they may lead, and whom somebody vouches for.
 */
#include "net/http_client_test.h"

#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

static char keys[64];

/* Of mixed.example one address is TEST-NET-1 (RFC 5737), which is nobody's private
 * network, and one this machine. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*of_system)(const char *, const char *, const struct addrinfo *,
                     struct addrinfo **);
    struct addrinfo *last;
    int code;

    *(void **)&of_system = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name == NULL || strcmp(name, "mixed.example") != 0)
        return of_system(name, service, hints, out);
    code = of_system("192.0.2.1", service, hints, out);
    if (code != 0)
        return code;
    for (last = *out; last->ai_next != NULL; last = last->ai_next)
        continue;
    return of_system("127.0.0.1", service, hints, &last->ai_next);
}

static void redirects_are_followed_as_often_as_is_asked_for(void **state)
{
    struct fixture *f = *state;
    struct http_client_answer a;

    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    a = ASK(f, .url = plain(f, "/here"));
    expect_fault(a, HTTP_CLIENT_FINE);
    assert_int_equal(a.status, 302);
    assert_true(str_eq(http_client_header(&a, "Location"), S("/there")));
    expect_body(ASK(f, .url = plain(f, "/here"), .redirects_max = 1),
                "GET /there [] [] ");
    expect_fault(ASK(f, .url = plain(f, "/again"), .redirects_max = 3),
                 HTTP_CLIENT_REDIRECTS);
    expect_fault(ASK(f, .url = plain(f, "/file"), .redirects_max = 3),
                 HTTP_CLIENT_REDIRECTS);
    a = ASK(f, .method = "POST", .url = plain(f, "/here"), .redirects_max = 3);
    assert_int_equal(a.status, 302);
}

static void inner_addresses_are_out_of_reach(void **state)
{
    struct fixture *f = *state;
    unsigned port = http_server_port(f->server);
    static const char *const hosts[] = { "127.0.0.1",          "0.0.0.0",   "[::1]",
                                         "[::ffff:127.0.0.1]", "localhost", "0177.1",
                                         "2130706433" };

    open_client(f, HTTP_CLIENT_PUBLIC, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        expect_fault(
            ASK(f, .url = arena_printf(f->arena, "http://%s:%u/a", hosts[i], port)),
            HTTP_CLIENT_FORBIDDEN);
    open_client(f, HTTP_CLIENT_PRIVATE, NULL, 0);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    /* TEST-NET-1 (RFC 5737), which is nobody's private network. */
    expect_fault(ASK(f, .url = "http://192.0.2.1/a"), HTTP_CLIENT_FORBIDDEN);
}

/* What a shell has set for browsers must not lead a token to a proxy. */
static void the_environment_names_no_proxy(void **state)
{
    struct fixture *f = *state;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    expect_body(ASK(f, .url = plain(f, "/a")), "GET /a [] [] ");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static void a_certificate_must_be_of_an_authority_we_know(void **state)
{
    struct fixture *f = *state;
    const char *none = arena_printf(f->arena, "%s/none", f->folder);

    serve_https(f);
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_body(ASK(f, .url = secure(f, "/a")), "GET /a [] [] ");
    /* That of another host: the certificate names 127.0.0.1 and not this. */
    expect_fault(ASK(f, .url = arena_printf(f->arena, "https://localhost:%u/a",
                                            (unsigned)listener_port(f->listener))),
                 HTTP_CLIENT_CERTIFICATE);
    open_client(f, HTTP_CLIENT_ANY, NULL, 0);
    expect_fault(ASK(f, .url = secure(f, "/a")), HTTP_CLIENT_CERTIFICATE);
    test_certificate_write(f->other, arena_printf(f->arena, "%s/a.key", f->folder),
                           "host.example");
    open_client(f, HTTP_CLIENT_ANY, f->other, 0);
    expect_fault(ASK(f, .url = secure(f, "/a")), HTTP_CLIENT_CERTIFICATE);
    open_client(f, HTTP_CLIENT_ANY, none, 0);
    expect_fault(ASK(f, .url = secure(f, "/a")), HTTP_CLIENT_CA_FILE);
    /* No TLS where it is expected. */
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_fault(ASK(f, .url = arena_printf(f->arena, "https://127.0.0.1:%u/",
                                            (unsigned)http_server_port(f->server))),
                 HTTP_CLIENT_BROKEN);
}

static void no_redirect_leads_out_of_https(void **state)
{
    struct fixture *f = *state;

    serve_https(f);
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_body(ASK(f, .url = secure(f, "/here"), .redirects_max = 1),
                "GET /there [] [] ");
    expect_body(ASK(f, .url = plain(f, "/clear"), .redirects_max = 1),
                "GET /there [] [] ");
    expect_fault(ASK(f, .url = secure(f, "/clear"), .redirects_max = 1),
                 HTTP_CLIENT_REDIRECTS);
    expect_fault(ASK(f, .url = plain(f, "/secure"), .redirects_max = 3),
                 HTTP_CLIENT_REDIRECTS);
}

static const char *mixed(struct fixture *f, unsigned port, const char *path)
{
    return arena_printf(f->arena, "http://mixed.example:%u%s", port, path);
}

/* FORBIDDEN is for ever; that somebody does not listen now is not. */
static void one_address_in_reach_is_enough(void **state)
{
    struct fixture *f = *state;
    unsigned port = http_server_port(f->server);

    open_client(f, HTTP_CLIENT_PRIVATE, NULL, 0);
    expect_body(ASK(f, .url = mixed(f, port, "/a")), "GET /a [] [] ");
    expect_fault(ASK(f, .url = mixed(f, 1, "/a")), HTTP_CLIENT_CONNECT);
    /* And it is the last hop that counts; new clients have no connection yet. */
    open_client(f, HTTP_CLIENT_PRIVATE, NULL, 0);
    expect_fault(ASK(f, .url = mixed(f, port, "/nobody"), .redirects_max = 1),
                 HTTP_CLIENT_CONNECT);
    open_client(f, HTTP_CLIENT_PRIVATE, NULL, 0);
    expect_fault(ASK(f, .url = mixed(f, port, "/outside"), .redirects_max = 1),
                 HTTP_CLIENT_FORBIDDEN);
}

/* main has named a file for them before there was a client. */
static void the_keys_of_a_session_are_not_written(void **state)
{
    struct fixture *f = *state;

    serve_https(f);
    open_client(f, HTTP_CLIENT_ANY, f->cert, 0);
    expect_body(ASK(f, .url = secure(f, "/a")), "GET /a [] [] ");
    assert_int_equal(access(keys, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(redirects_are_followed_as_often_as_is_asked_for),
        TEST(inner_addresses_are_out_of_reach),
        TEST(the_environment_names_no_proxy),
        TEST(a_certificate_must_be_of_an_authority_we_know),
        TEST(no_redirect_leads_out_of_https),
        TEST(one_address_in_reach_is_enough),
        TEST(the_keys_of_a_session_are_not_written),
    };
    int failed;

    snprintf(keys, sizeof(keys), "/tmp/http-client-keys-%d", (int)getpid());
    setenv("SSLKEYLOGFILE", keys, 1);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(keys);
    return failed;
}
