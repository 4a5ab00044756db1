/* http_framer_test.c - what a server sees of what was sent, however it arrives. */
#include "net/http_framer.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { OUT_MAX = 64 * 1024 };

#define HEAD "Host: h\r\n"

/* All at once, and byte by byte with what was not used up coming again. */
static void feed(str_t in, struct buf *whole, struct buf *pieces)
{
    struct http_framer f = { 0 };
    size_t used = 0;

    buf_init(whole, OUT_MAX);
    buf_init(pieces, OUT_MAX);
    http_framer_feed(&f, in, whole);
    f = (struct http_framer){ 0 };
    for (size_t n = 1; n <= in.n; n++)
        used += http_framer_feed(&f, str_n(in.p + used, n - used), pieces);
    assert_false(whole->full || pieces->full);
}

static void expect(str_t in, str_t out)
{
    struct buf whole, pieces;

    feed(in, &whole, &pieces);
    if (!str_eq(buf_str(&whole), out) || !str_eq(buf_str(&pieces), out))
        fail_msg("\"%.*s\"\nbecomes \"%.*s\"\nin pieces \"%.*s\"\nnot \"%.*s\"",
                 STR_ARG(in), STR_ARG(buf_str(&whole)), STR_ARG(buf_str(&pieces)),
                 STR_ARG(out));
    buf_fini(&whole);
    buf_fini(&pieces);
}

struct row {
    str_t in, out;
};

static void expect_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect(rows[i].in, rows[i].out);
}

static void proper_requests_are_written_anew(void **state)
{
    static const struct row rows[] = {
        { STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
          STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n") },
        { STR("GET /a?b=%20 HTTP/1.1\r\nX-A:b \r\nhOST:\th:80\r\nX-B: \t c d\r\n\r\n"),
          STR("GET /a?b=%20 HTTP/1.1\r\nHost: h:80\r\nX-A: b\r\nX-B: c d\r\n\r\n") },
        { STR("GET / HTTP/1.0\r\n\r\n"), STR("GET / HTTP/1.0\r\nHost: \r\n\r\n") },
        { STR("GET / HTTP/1.7\r\nHost:\r\n\r\n"),
          STR("GET / HTTP/1.1\r\nHost: \r\n\r\n") },
        { STR("GET https://a.example/b?c HTTP/1.1\r\nHost: other\r\n\r\n"),
          STR("GET /b?c HTTP/1.1\r\nHost: a.example\r\n\r\n") },
        { STR("GET HTTP://a.example:80?c HTTP/1.1\r\nHost: a.example\r\n\r\n"),
          STR("GET /?c HTTP/1.1\r\nHost: a.example:80\r\n\r\n") },
        { STR("GET http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n"),
          STR("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") },
        { STR("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
          STR("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n") },
        { STR("CONNECT h:25 HTTP/1.1\r\nHost: h\r\n\r\n"),
          STR("CONNECT h:25 HTTP/1.1\r\nHost: h\r\n\r\n") },
        { STR("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nX: \xc3\xa9\r\n\r\n"),
          STR("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nX: \xc3\xa9\r\n\r\n") },
        { STR("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
          STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n") },
        { STR("GET / HTTP/1.1\r\nHost: h\r\n"), STR("") },
    };

    (void)state;
    expect_rows(rows, ARRAY_LEN(rows));
}

/* The next request begins where the body ends, and nowhere else. */
static void bodies_end_where_they_say(void **state)
{
    static const struct row rows[] = {
        { STR("POST / HTTP/1.1\r\n" HEAD
              "content-length:  002\r\n\r\nhiGET /x HTTP/1.1\r\n"
              "Host: h\r\n\r\nPO"),
          STR("POST / HTTP/1.1\r\n" HEAD "Content-Length: 2\r\n\r\nhiGET /x HTTP/1.1\r\n"
              "Host: h\r\n\r\n") },
        { STR("POST / HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n\r\n"
              "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
          STR("POST / HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n"
              "GET /x HTTP/1.1\r\nHost: h\r\n\r\n") },
        { STR("POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: Chunked\r\n\r\n"
              "02\r\nhi\r\nA; a=\"b\"\r\n0123456789\r\n1\t;c\r\n\n\r\n000;d\r\n"
              "X-Trailer: a\r\nContent-Length: 7\r\n\r\nGET /x HTTP/1.0\r\n\r\n"),
          STR("POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n"
              "2\r\nhi\r\na\r\n0123456789\r\n1\r\n\n\r\n0\r\n\r\n"
              "GET /x HTTP/1.0\r\nHost: \r\n\r\n") },
        { STR("POST / HTTP/1.1\r\n" HEAD "Content-Length: 4\r\n\r\nhi"),
          STR("POST / HTTP/1.1\r\n" HEAD "Content-Length: 4\r\n\r\nhi") },
    };

    (void)state;
    expect_rows(rows, ARRAY_LEN(rows));
}

/* Each is followed by a request that must not be seen. */
static void improper_heads_are_refused(void **state)
{
    static const struct {
        const char *head, *status;
        const char *path;
    } rows[] = {
        { "GET /p HTTP/1.1\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400", "/p" },
        { "GET http://a/p HTTP/1.1\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\nHost: a b\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\nHost: user@h\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\nHost: h/x\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A: b\r\n c\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A: b\r\n\tc\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n Host: h\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\nHost : h\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A\t: b\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD ": a\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X(A): b\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-\xc3\xa9: b\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A: b\rContent-Length: 1\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A: b\r\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\r\n" HEAD "X-A: \x01\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/1.1\n" HEAD "\r\n", "400", "/" },
        { "GET /p HTTP/1.1\r\n" HEAD "\n", "400", "/" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
          "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
          "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: 2, 2\r\n\r\n", "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: abc\r\n\r\n", "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: +1\r\n\r\n", "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: -1\r\n\r\n", "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: 0x1\r\n\r\n", "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length:\r\n\r\n", "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Content-Length: 18446744073709551617\r\n\r\n",
          "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD
          "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
          "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: chunked\r\n\r\n",
          "400", "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", "501",
          "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Transfer-Encoding: identity\r\n\r\n", "501",
          "/p" },
        { "POST /p HTTP/1.1\r\n" HEAD "Transfer-Encoding: xchunked\r\n\r\n", "501",
          "/p" },
        { "POST /p HTTP/1.0\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n", "400", "/p" },
        { "GET /p HTTP/2.0\r\n" HEAD "\r\n", "505", "/p" },
        { "PRI * HTTP/2.0\r\n\r\n", "400", "/" },
        { "GET /p\r\n" HEAD "\r\n", "400", "/p" },
        { "GET /p http/1.1\r\n" HEAD "\r\n", "400", "/p" },
        { "GET /p HTTP/1.1 \r\n" HEAD "\r\n", "400", "/p" },
        { "GET  /p HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET /p q HTTP/1.1\r\n" HEAD "\r\n", "400", "/p" },
        { "GET /p#q HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET /\x80 HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "G(T /p HTTP/1.1\r\n" HEAD "\r\n", "400", "/p" },
        { " GET /p HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET * HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET *200/new HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET p HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET ftp://a/p HTTP/1.1\r\n" HEAD "\r\n", "400", "/" },
        { "GET http:///p HTTP/1.1\r\n" HEAD "\r\n", "400", "/p" },
        { "GET http://u@a/p HTTP/1.1\r\n" HEAD "\r\n", "400", "/p" },
        { "CONNECT /p HTTP/1.1\r\n" HEAD "\r\n", "400", "/p" },
    };
    char in[1000], out[1000];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(in, sizeof(in), "%sGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
                 rows[i].head);
        snprintf(out, sizeof(out),
                 "GET *%s%s HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n",
                 rows[i].status, rows[i].path);
        expect(str_of(in), str_of(out));
    }
}

static void a_nul_is_refused_wherever_it_is(void **state)
{
    /* The lines at the end are for those whose own end the NUL takes away. */
    static const char good[] = "GET /p HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n\r\n\r\n";
    char in[sizeof(good) - 1];
    struct buf whole, pieces;

    (void)state;
    for (size_t i = 0; i + 4 < sizeof(in); i++) {
        memcpy(in, good, sizeof(in));
        in[i] = '\0';
        feed(str_n(in, sizeof(in)), &whole, &pieces);
        assert_true(str_starts(buf_str(&whole), S("GET *400/")));
        assert_true(str_eq(buf_str(&whole), buf_str(&pieces)));
        buf_fini(&whole);
        buf_fini(&pieces);
    }
}

/* The server is told by something that is no chunk for it either. */
static void chunks_that_are_none_end_it(void **state)
{
    static const char *const bodies[] = {
        "zz\r\n",    "0x2\r\nhi\r\n",        "-1\r\n",
        "\r\n",      " 2\r\nhi\r\n",         "2 \r\nhi\r\n",
        "2\nhi\r\n", "2;\x01\r\n",           "2\r;a\r\n",
        "2,\r\n",    "1000000000000000\r\n",
    };
    static const char head[] =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    char in[1000], out[1000];

    (void)state;
    snprintf(out, sizeof(out), "%sx\r\n", head);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        snprintf(in, sizeof(in), "%s%s0\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n", head,
                 bodies[i]);
        expect(str_of(in), str_of(out));
    }
    snprintf(in, sizeof(in), "%s2\r\nhi!\r\n0\r\n\r\n", head);
    snprintf(out, sizeof(out), "%s2\r\nhix\r\n", head);
    expect(str_of(in), str_of(out));
    snprintf(in, sizeof(in), "%s2\r\nhi\n0\r\n\r\n", head);
    expect(str_of(in), str_of(out));
    snprintf(in, sizeof(in), "%s0\r\nX: a\n\r\nGET /smuggled HTTP/1.0\r\n\r\n", head);
    snprintf(out, sizeof(out), "%s0\r\nx\r\n", head);
    expect(str_of(in), str_of(out));
}

static void put_many(struct buf *b, size_t n, const char *piece)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(b, piece);
}

static bool is_taken(struct buf *in, const char *answer)
{
    struct buf whole, pieces;
    bool yes;

    feed(buf_str(in), &whole, &pieces);
    assert_true(str_eq(buf_str(&whole), buf_str(&pieces)));
    yes = str_starts(buf_str(&whole), str_of(answer));
    buf_fini(&whole);
    buf_fini(&pieces);
    buf_clear(in);
    return yes;
}

static void everything_has_a_limit(void **state)
{
    enum { TARGET_MAX = HTTP_FRAMER_LINE_BYTES - 14 };
    static const char chunked[] =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct buf in;

    (void)state;
    buf_init(&in, OUT_MAX);
    for (size_t more = 0; more < 2; more++) { /* at the limit, and beyond */
        buf_puts(&in, "GET /");
        put_many(&in, TARGET_MAX + more, "a");
        buf_puts(&in, " HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(is_taken(&in, more == 0 ? "GET /aaa" : "GET *414/ "));

        buf_puts(&in, "GET / HTTP/1.1\r\nHost: h\r\n");
        put_many(&in, HTTP_FRAMER_FIELDS_MAX - 1 + more, "a: b\r\n");
        buf_puts(&in, "\r\n");
        assert_true(is_taken(&in, more == 0 ? "GET / " : "GET *431/ "));

        buf_puts(&in, "GET / HTTP/1.1\r\nHost: h\r\nX-A: ");
        put_many(&in, HTTP_FRAMER_HEAD_BYTES - in.n - 4 + more, "b");
        buf_puts(&in, "\r\n\r\n");
        assert_true(is_taken(&in, more == 0 ? "GET / " : "GET *431/ "));

        buf_puts(&in, chunked);
        buf_puts(&in, "2;");
        put_many(&in, HTTP_FRAMER_CHUNK_LINE_BYTES - 4 + more, "e");
        buf_puts(&in, "\r\nhi\r\n");
        assert_true(is_taken(&in, more == 0 ? "POST / HTTP/1.1\r\nHost: h\r\n"
                                              "Transfer-Encoding: chunked\r\n\r\n2\r\nhi"
                                            : "POST / HTTP/1.1\r\nHost: h\r\n"
                                              "Transfer-Encoding: chunked\r\n\r\nx\r\n"));

        buf_puts(&in, chunked);
        buf_puts(&in, "0\r\n");
        put_many(&in, (HTTP_FRAMER_HEAD_BYTES - 2) / 6, "a: b\r\n");
        put_many(&in, more, "a: b\r\n");
        buf_puts(&in, "\r\n");
        assert_true(is_taken(&in, more == 0
                                      ? "POST / HTTP/1.1\r\nHost: h\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                                      : "POST / HTTP/1.1\r\nHost: h\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n0\r\nx"));
    }
    put_many(&in, OUT_MAX, "a"); /* no line at all */
    assert_true(is_taken(&in, "GET *414/ "));
    buf_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proper_requests_are_written_anew),
        cmocka_unit_test(bodies_end_where_they_say),
        cmocka_unit_test(improper_heads_are_refused),
        cmocka_unit_test(a_nul_is_refused_wherever_it_is),
        cmocka_unit_test(chunks_that_are_none_end_it),
        cmocka_unit_test(everything_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
