/* router_test.c - what holds for every path: the way to HTTPS, methods, refusals. */
#include "router.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/rate.h"
#include "net/cidr.h"
#include "net/http_server.h"
#include "net/stream.h"
#include "site.h"
#include "svc/options.h"
#include "web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 10 * 1000, ANSWER_MAX = 256 * 1024 };

/* Who asks, as the trusted proxy in front says. */
#define OUTSIDE_CLEAR "X-Forwarded-For: 203.0.113.5\r\n"
#define OUTSIDE_TLS   OUTSIDE_CLEAR "X-Forwarded-Proto: https\r\n"
#define THIS_MACHINE  ""

static const struct options options = {
    .mail_domain = "chat.example",
    .public_host = "",
    .public_imaps_port = 993,
    .public_imap_port = 143,
    .public_submissions_port = 465,
    .public_submission_port = 587,
    .public_https_port = 443,
    .registration_open = true,
    .nocreate_file = "",
    .disk_path = "/",
    .username_min_length = 9,
    .username_max_length = 9,
    .password_min_length = 9,
    .privacy_postal = "",
    .privacy_mail = "",
    .privacy_pdo = "",
    .privacy_supervisor = "",
    .log_level = "info",
};

static struct {
    struct arena *arena;
    struct site site;
    struct web web;
    struct cidr_list *proxies;
    struct http_server *server;
} f;

static void handle(struct http_exchange *x)
{
    router_handle(&f.web, x);
}

static void refuse(struct http_exchange *x)
{
    router_refuse(&f.web, x);
}

static int setup(void **state)
{
    static const struct rate_options rate = { .per_minute = 1000, .burst = 1000 };
    static const uint16_t any_port = 0;
    struct http_server_options o = { .address = "127.0.0.1",
                                     .port = &any_port,
                                     .body_max_bytes = 100,
                                     .handler = handle,
                                     .refuse = refuse };

    (void)state;
    f.arena = arena_new();
    site_init(&f.site, f.arena, &options, false);
    f.web = (struct web){
        .site = &f.site, .rate = rate_new(&rate), .www = -1, .has_pages = true
    };
    assert_int_equal(cidr_list_new(S("127.0.0.1"), &f.proxies), RC_OK);
    o.trusted_proxies = f.proxies;
    assert_int_equal(http_server_new(&o, &f.server), RC_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_free(&f.server);
    cidr_list_free(&f.proxies);
    rate_free(&f.web.rate);
    arena_free(&f.arena);
    return 0;
}

static str_t ask(const char *line, const char *headers)
{
    struct addr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct deadline until = deadline_in_ms(WAIT_MS);
    struct buf *all = arena_buf(f.arena, ANSWER_MAX);
    char chunk[4096];
    struct stream *s;
    size_t got;

    to.port = http_server_port(f.server);
    assert_int_equal(stream_connect(&to, until, &s), RC_OK);
    assert_int_equal(
        stream_write(s,
                     str_of(arena_printf(f.arena,
                                         "%s HTTP/1.1\r\nHost: chat.example\r\n"
                                         "Connection: close\r\n%s\r\n",
                                         line, headers)),
                     until),
        RC_OK);
    while (stream_read_some(s, chunk, sizeof(chunk), until, &got) == RC_OK)
        assert_int_equal(buf_append(all, chunk, got), RC_OK);
    stream_close(&s);
    return buf_str(all);
}

static void expect(const char *line, const char *headers, int status, const char *piece)
{
    str_t answer = ask(line, headers);

    if (!str_starts(answer, str_of(arena_printf(f.arena, "HTTP/1.1 %d ", status))) ||
        str_find(answer, str_of(piece)) == SIZE_MAX)
        fail_msg("%s from \"%s\": not %d with \"%s\" but \"%.*s\"", line, headers, status,
                 piece, STR_ARG(str_head(answer, 1000)));
}

/* A password, or a page that shows one, goes over an encrypted connection or stays on
 * this machine. */
static void nothing_secret_goes_out_in_the_clear(void **state)
{
    static const char *const secret[] = { "/new", "/cgi-bin/newemail.py" };
    static const char *const pages[] = { "/",    "/qr.png", "/qr.svg",
                                         "/new", "/info",   "/nothing" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(secret); i++) {
        const char *line = arena_printf(f.arena, "POST %s", secret[i]);

        expect(line, OUTSIDE_CLEAR, 403, "encrypted connection only");
        assert_true(str_find(ask(line, OUTSIDE_CLEAR), S("password")) == SIZE_MAX);
        expect(line, OUTSIDE_TLS, 200, "\"password\":");
        expect(line, THIS_MACHINE, 200, "\"password\":");
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        for (size_t k = 0; k < 2; k++)
            expect(
                arena_printf(f.arena, "%s %s", k == 0 ? "GET" : "HEAD", pages[i]),
                OUTSIDE_CLEAR, 301,
                arena_printf(f.arena, "Location: https://chat.example%s\r\n", pages[i]));
}

/* RFC 8555 8.3: whoever wants a certificate has none yet. */
static void challenges_are_answered_in_the_clear(void **state)
{
    (void)state;
    expect("GET /.well-known/acme-challenge/token", OUTSIDE_CLEAR, 404, "Nothing here");
}

static void what_is_not_possible_says_what_is(void **state)
{
    (void)state;
    expect("PUT /new", THIS_MACHINE, 405, "Allow: GET, HEAD, POST\r\n");
    expect("PUT /new", THIS_MACHINE, 405,
           "{\"reason\":\"Possible here: GET, HEAD, POST.\"}");
    expect("POST /", THIS_MACHINE, 405, "Allow: GET, HEAD\r\n");
    expect("POST /info", THIS_MACHINE, 405, "Possible here: GET, HEAD.");
    expect("DELETE /nothing", THIS_MACHINE, 405, "Possible here: GET, HEAD.");
}

/* The status is that of whoever refused: JSON for programs, a page for people. */
static void refusals_come_in_the_callers_language(void **state)
{
    (void)state;
    expect("GET *400/new", THIS_MACHINE, 400,
           "{\"reason\":\"This request does not follow");
    expect("GET *431/", THIS_MACHINE, 431, "<h1>Too large</h1>");
    expect("GET *414/x", THIS_MACHINE, 414, "<h1>Too long</h1>");
    expect("GET *505/x", THIS_MACHINE, 505, "<h1>Not possible</h1>");
    expect("POST /new", "Content-Length: 101\r\n", 413,
           "{\"reason\":\"The request is larger");
}

/* Long enough to be a token. */
#define GUESS   "0123456789abcdef0123456789abcdef"
#define ACCOUNT "/api/v1/accounts/a@chat.example"

static void expect_no_api(const char *headers)
{
    expect("GET " ACCOUNT, headers, 404, "<h1>Nothing here</h1>");
    expect("GET /api/v1/nothing", headers, 404, "<h1>Nothing here</h1>");
}

/* Who found a token must come by way of the operator's own network, unless he wants it.
 */
static void the_api_is_public_by_option_only(void **state)
{
    (void)state;
    expect_no_api(THIS_MACHINE);
    expect_no_api(OUTSIDE_TLS);
    expect_no_api(OUTSIDE_TLS "Authorization: Bearer " GUESS "\r\n");
    f.web.api_on_https = true;
    expect("GET " ACCOUNT, OUTSIDE_TLS, 401, "\"code\":\"unauthorized\"");
    expect("GET " ACCOUNT, THIS_MACHINE, 401, "\"code\":\"unauthorized\"");
    expect("GET " ACCOUNT, OUTSIDE_CLEAR, 403, "\"code\":\"forbidden\"");
    expect("POST " ACCOUNT, OUTSIDE_CLEAR, 403, "\"code\":\"forbidden\"");
    expect("GET /api/v1/nothing", OUTSIDE_TLS, 404, "\"code\":\"not_found\"");
    expect("GET /nothing", OUTSIDE_TLS, 404, "<h1>Nothing here</h1>");
    expect("GET /", OUTSIDE_TLS, 200, "<html");
}

static void the_admin_port_has_nothing_else(void **state)
{
    (void)state;
    f.web.is_admin_port = true;
    expect("GET " ACCOUNT, OUTSIDE_CLEAR, 401, "\"code\":\"unauthorized\"");
    expect("GET /", THIS_MACHINE, 404, "\"code\":\"not_found\"");
    expect("POST /new", THIS_MACHINE, 404, "\"code\":\"not_found\"");
    expect("BREW /api/v1/nothing", THIS_MACHINE, 404, "\"code\":\"not_found\"");
    expect("BREW " ACCOUNT, THIS_MACHINE, 405, "\"code\":\"method_not_allowed\"");
}

#define BEARER "Authorization: Bearer " GUESS "\r\n"

/* What can be said without the database is said before it is asked. */
static void the_api_refuses_in_one_shape(void **state)
{
    static const struct {
        const char *line, *headers;
        int status;
        const char *piece;
    } cases[] = {
        { "GET " ACCOUNT, "", 401, "WWW-Authenticate: Bearer realm=\"postbus\"\r\n" },
        { "GET " ACCOUNT, "Authorization: Basic YTpi\r\n", 401,
          "\"code\":\"unauthorized\",\"message\":\"Send `Authorization: Bearer" },
        { "GET " ACCOUNT, "Authorization: Bearer\r\n", 401, "WWW-Authenticate: Bearer" },
        { "GET " ACCOUNT, "Authorization: Bearer short\r\n", 401,
          "error=\"invalid_token\"" },
        { "GET " ACCOUNT, "Authorization: Bearer " GUESS "\\\r\n", 401,
          "error=\"invalid_token\"" },
        { "DELETE " ACCOUNT, BEARER, 405, "Allow: GET, HEAD, PATCH\r\n" },
        { "PUT " ACCOUNT, BEARER, 405,
          "{\"code\":\"method_not_allowed\",\"message\":\"Possible here: GET, HEAD, "
          "PATCH.\"}" },
        { "GET /api/v1/accounts/%zz", BEARER, 400, "\"code\":\"bad_request\"" },
        { "GET /api/v1/accounts/", BEARER, 404, "\"code\":\"not_found\"" },
        { "GET /api/v1/accounts/a/b", BEARER, 404, "\"code\":\"not_found\"" },
        { "GET " ACCOUNT, BEARER "Content-Length: 101\r\n", 413,
          "\"code\":\"too_large\"" },
    };

    (void)state;
    f.web.is_admin_port = true;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(cases[i].line, cases[i].headers, cases[i].status, cases[i].piece);
}

static void bodies_are_json_objects(void **state)
{
    static const struct {
        const char *type, *body;
        int status;
    } cases[] = {
        { "text/plain", "{}", 415 },
        { "application/x-www-form-urlencoded", "a=b", 415 },
        { "application/jsonx", "{}", 415 },
        { "application/json", "{", 400 },
        { "application/json", "[]", 400 },
        /* It gets as far as the workers, of which there are none here. */
        { "Application/JSON; charset=utf-8", "{}", 503 },
    };

    (void)state;
    f.web.is_admin_port = true;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect("GET " ACCOUNT,
               arena_printf(f.arena,
                            BEARER "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                            cases[i].type, strlen(cases[i].body), cases[i].body),
               cases[i].status, "{\"code\":\"");
}

static void without_a_worker_one_is_to_come_again(void **state)
{
    (void)state;
    f.web.is_admin_port = true;
    expect("GET " ACCOUNT, BEARER, 503, "Retry-After: 1\r\n");
    expect("HEAD " ACCOUNT, "Authorization: bearer " GUESS "\r\n", 503,
           "Retry-After: 1\r\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_secret_goes_out_in_the_clear),
        TEST(challenges_are_answered_in_the_clear),
        TEST(what_is_not_possible_says_what_is),
        TEST(refusals_come_in_the_callers_language),
        TEST(the_api_is_public_by_option_only),
        TEST(the_admin_port_has_nothing_else),
        TEST(the_api_refuses_in_one_shape),
        TEST(bodies_are_json_objects),
        TEST(without_a_worker_one_is_to_come_again),
    };

    router_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
