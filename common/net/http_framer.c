/* http_framer.c - the head in two passes: the first judges, the second writes it anew. */
#include "net/http_framer.h"

#include "base/buf.h"
#include "base/log.h"

#include <inttypes.h>

enum {
    BAD = 400,
    TOO_LONG_TARGET = 414,
    TOO_LARGE_HEAD = 431,
    UNKNOWN_CODING = 501,
    UNKNOWN_VERSION = 505,
    LENGTH_DIGITS_MAX = 18,
    CHUNK_DIGITS_MAX = 15,
    REFUSED_TARGET_MAX = 256,
};

struct head {
    str_t method, target, host;
    str_t rest; /* the fields, each line with its end */
    uint64_t length;
    bool is_http10, has_host, has_length, is_chunked;
};

/* Characters. */

/* Letters, digits and the others only. */
static bool is_made_of(str_t s, str_t others)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = str_lower_char((unsigned char)s.p[i]);

        if (!(c >= 'a' && c <= 'z') && !str_is_digit((char)c) &&
            str_find_char(others, (char)c) == SIZE_MAX)
            return false;
    }
    return true;
}

/* RFC 9110 5.6.2 */
static bool is_token(str_t s)
{
    return s.n > 0 && is_made_of(s, S("!#$%&'*+-.^_`|~"));
}

/* No blank and no control character; a fragment is never sent (RFC 9112 3.2). */
static bool is_target(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '#')
            return false;
    return s.n > 0;
}

/* RFC 9110 5.5: what is no text might end a line or a string for somebody. */
static bool is_field_value(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

/* uri-host [ ":" port ] as far as it can be told from everything else; empty where a
 * target has no host (RFC 9110 7.2). */
static bool is_host(str_t s)
{
    return is_made_of(s, S("-._~%!$&'()*+,;=:[]"));
}

/* The request line.  Each returns 0, or the status that refuses the request. */

static int read_version(str_t s, struct head *h)
{
    if (s.n != 8 || !str_starts(s, S("HTTP/")) || !str_is_digit(s.p[5]) ||
        s.p[6] != '.' || !str_is_digit(s.p[7]))
        return BAD;
    if (s.p[5] != '1')
        return UNKNOWN_VERSION;
    h->is_http10 = s.p[7] == '0';
    return 0;
}

/* "https://host/path" (a client behind a proxy sends it) is /path, and its host counts,
 * not that of the field (RFC 9112 3.2.2). */
static int read_absolute(struct head *h)
{
    bool secure = str_starts_nocase(h->target, S("https://"));
    size_t end;

    if (!secure && !str_starts_nocase(h->target, S("http://")))
        return BAD;
    h->target = str_skip(h->target, secure ? 8 : 7);
    for (end = 0; end < h->target.n; end++)
        if (h->target.p[end] == '/' || h->target.p[end] == '?')
            break;
    h->host = str_head(h->target, end);
    h->target = str_skip(h->target, end);
    return h->host.n > 0 && is_host(h->host) ? 0 : BAD;
}

static int read_target(struct head *h)
{
    if (!is_target(h->target))
        return BAD;
    if (str_eq(h->method, S("CONNECT")))
        return is_host(h->target) ? 0 : BAD;
    if (h->target.p[0] == '/')
        return 0;
    if (str_eq(h->method, S("OPTIONS")) && str_eq(h->target, S("*")))
        return 0;
    return read_absolute(h);
}

static int read_request_line(str_t line, struct head *h)
{
    str_t rest = line;

    str_split(&rest, ' ', &h->method);
    str_split(&rest, ' ', &h->target);
    if (!is_token(h->method))
        return BAD;
    return read_target(h) == 0 ? read_version(rest, h) : BAD;
}

/* The fields. */

static int read_length(str_t value, struct head *h)
{
    if (h->has_length || value.n > LENGTH_DIGITS_MAX ||
        !str_to_u64(value, INT64_MAX, &h->length))
        return BAD; /* two are refused even if they agree: RFC 9110 8.6 */
    h->has_length = true;
    return 0;
}

static int read_coding(str_t value, struct head *h)
{
    if (h->is_chunked)
        return BAD;
    if (!str_eq_nocase(value, S("chunked")))
        return UNKNOWN_CODING;
    h->is_chunked = true;
    return 0;
}

static int read_host(str_t value, struct head *h)
{
    if (h->has_host || !is_host(value))
        return BAD;
    h->has_host = true;
    if (h->host.p == NULL)
        h->host = value;
    return 0;
}

static bool is_about(str_t name, const char *what)
{
    return str_eq_nocase(name, str_of(what));
}

static int read_field(str_t line, struct head *h)
{
    size_t colon = str_find_char(line, ':');
    str_t name = str_head(line, colon), value;

    /* A blank before the name (a folded line) or before the colon is no token either:
     * RFC 9112 5.1 and 5.2. */
    if (colon == SIZE_MAX || !is_token(name))
        return BAD;
    value = str_skip(line, colon + 1);
    if (!is_field_value(value))
        return BAD;
    value = str_trim(value);
    if (is_about(name, "Content-Length"))
        return read_length(value, h);
    if (is_about(name, "Transfer-Encoding"))
        return read_coding(value, h);
    return is_about(name, "Host") ? read_host(value, h) : 0;
}

/* Cuts off the next line, without its end; the caller knows that it has one. */
static str_t next_line(str_t *s)
{
    str_t line = str_head(*s, str_find(*s, S("\r\n")));

    *s = str_skip(*s, line.n + 2);
    return line;
}

static int read_head(str_t text, struct head *h)
{
    int status = read_request_line(next_line(&text), h);
    size_t count = 0;
    str_t line;

    h->rest = text;
    while (status == 0 && (line = next_line(&text)).n > 0)
        status = ++count > HTTP_FRAMER_FIELDS_MAX ? TOO_LARGE_HEAD : read_field(line, h);
    if (status != 0)
        return status;
    /* RFC 9112 3.2, 6.1 and 6.3 */
    if ((!h->has_host && !h->is_http10) || (h->is_chunked && h->has_length) ||
        (h->is_chunked && h->is_http10))
        return BAD;
    return 0;
}

static void write_head(const struct head *h, struct buf *out)
{
    str_t rest = h->rest, line;

    buf_printf(out, "%.*s %s%.*s HTTP/1.%d\r\nHost: %.*s\r\n", STR_ARG(h->method),
               h->target.n == 0 || h->target.p[0] == '?' ? "/" : "", STR_ARG(h->target),
               h->is_http10 ? 0 : 1, STR_ARG(h->host));
    while ((line = next_line(&rest)).n > 0) {
        size_t colon = str_find_char(line, ':');
        str_t name = str_head(line, colon), value = str_trim(str_skip(line, colon + 1));

        if (!is_about(name, "Host") && !is_about(name, "Content-Length") &&
            !is_about(name, "Transfer-Encoding"))
            buf_printf(out, "%.*s: %.*s\r\n", STR_ARG(name), STR_ARG(value));
    }
    if (h->has_length)
        buf_printf(out, "Content-Length: %" PRIu64 "\r\n", h->length);
    if (h->is_chunked)
        buf_puts(out, "Transfer-Encoding: chunked\r\n");
    buf_puts(out, "\r\n");
}

/* States. */

static void refuse(struct http_framer *f, int status, str_t target, struct buf *out)
{
    bool shown = target.n > 0 && target.n <= REFUSED_TARGET_MAX && target.p[0] == '/' &&
                 is_target(target);

    buf_printf(out, "GET *%d%.*s HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", status,
               shown ? (int)target.n : 1, shown ? target.p : "/");
    f->state = HTTP_FRAMER_OVER;
}

/* The server is in the middle of a body and says 400 by itself at something that is no
 * chunk, unless it has answered already. */
static void break_off(struct http_framer *f, struct buf *out)
{
    buf_puts(out, "x\r\n");
    f->state = HTTP_FRAMER_OVER;
}

/* [bytes] of the head at the start of in; 0: not whole yet, or *status says that it never
 * will be.  A line that ends in any other way than CR LF is such a case, too. */
static size_t find_head(struct http_framer *f, str_t in, int *status)
{
    for (; f->scanned < in.n; f->scanned++) {
        size_t at = f->scanned;

        if (at == HTTP_FRAMER_HEAD_BYTES)
            *status = TOO_LARGE_HEAD;
        else if (f->line == 0 && at == HTTP_FRAMER_LINE_BYTES + 2)
            *status = TOO_LONG_TARGET;
        else if (in.p[at] == '\n' && (at == f->line || in.p[at - 1] != '\r'))
            *status = BAD;
        if (*status != 0)
            return 0;
        if (in.p[at] == '\n' && at == f->line + 1)
            return at + 1;
        if (in.p[at] == '\n')
            f->line = at + 1;
    }
    return 0;
}

static size_t feed_head(struct http_framer *f, str_t in, struct buf *out)
{
    struct head h = { 0 };
    int status = 0;
    size_t n;

    if (f->line == 0 && str_starts(in, S("\r\n"))) {
        f->scanned = 0;
        return 2; /* RFC 9112 2.2: sent after a body by old clients */
    }
    n = find_head(f, in, &status);
    if (n == 0 && status == 0)
        return 0;
    if (status == 0)
        status = read_head(str_head(in, n), &h);
    if (status != 0) {
        refuse(f, status, h.target, out);
        return in.n;
    }
    write_head(&h, out);
    f->scanned = f->line = 0;
    f->left = h.length;
    f->state = h.is_chunked                   ? HTTP_FRAMER_CHUNK_SIZE
               : h.has_length && h.length > 0 ? HTTP_FRAMER_BODY
                                              : HTTP_FRAMER_HEAD;
    return n;
}

static size_t feed_data(struct http_framer *f, str_t in, struct buf *out)
{
    size_t n = in.n < f->left ? in.n : (size_t)f->left;

    buf_put(out, str_head(in, n));
    f->left -= n;
    if (f->left == 0)
        f->state =
            f->state == HTTP_FRAMER_BODY ? HTTP_FRAMER_HEAD : HTTP_FRAMER_CHUNK_END;
    return n;
}

/* RFC 9112 7.1: hexadecimal digits, and perhaps extensions that nobody knows. */
static bool read_chunk_size(str_t line, uint64_t *out)
{
    size_t digits = 0;

    for (*out = 0; digits < line.n && str_hex_value(line.p[digits]) >= 0; digits++) {
        if (digits == CHUNK_DIGITS_MAX)
            return false;
        *out = *out * 16 + (uint64_t)str_hex_value(line.p[digits]);
    }
    line = str_skip(line, digits);
    return digits > 0 &&
           (line.n == 0 || (is_field_value(line) && str_starts(str_trim(line), S(";"))));
}

static size_t feed_chunk_size(struct http_framer *f, str_t in, struct buf *out)
{
    size_t end = str_find_char(str_head(in, HTTP_FRAMER_CHUNK_LINE_BYTES), '\n');

    if (end == SIZE_MAX && in.n < HTTP_FRAMER_CHUNK_LINE_BYTES)
        return 0;
    if (end == SIZE_MAX || end == 0 || in.p[end - 1] != '\r' ||
        !read_chunk_size(str_head(in, end - 1), &f->left)) {
        break_off(f, out);
        return in.n;
    }
    buf_printf(out, "%" PRIx64 "\r\n", f->left);
    f->state = f->left == 0 ? HTTP_FRAMER_TRAILER : HTTP_FRAMER_CHUNK_DATA;
    return end + 1;
}

static size_t feed_chunk_end(struct http_framer *f, str_t in, struct buf *out)
{
    if (in.n < 2 && in.p[0] == '\r')
        return 0;
    if (!str_starts(in, S("\r\n"))) {
        break_off(f, out);
        return in.n;
    }
    buf_puts(out, "\r\n");
    f->state = HTTP_FRAMER_CHUNK_SIZE;
    return 2;
}

/* Dropped, as RFC 9112 7.1.2 allows: nothing here asks for one. */
static size_t feed_trailer(struct http_framer *f, str_t in, struct buf *out)
{
    size_t end = str_find_char(in, '\n');
    size_t seen = f->trailer + (end == SIZE_MAX ? in.n : end + 1);

    if (seen > HTTP_FRAMER_HEAD_BYTES ||
        (end != SIZE_MAX && (end == 0 || in.p[end - 1] != '\r'))) {
        break_off(f, out);
        return in.n;
    }
    if (end == SIZE_MAX)
        return 0;
    f->trailer = seen;
    if (end == 1) {
        buf_puts(out, "\r\n");
        f->trailer = 0;
        f->state = HTTP_FRAMER_HEAD;
    }
    return end + 1;
}

static size_t feed_once(struct http_framer *f, str_t in, struct buf *out)
{
    switch (f->state) {
    case HTTP_FRAMER_HEAD:
        return feed_head(f, in, out);
    case HTTP_FRAMER_BODY:
    case HTTP_FRAMER_CHUNK_DATA:
        return feed_data(f, in, out);
    case HTTP_FRAMER_CHUNK_SIZE:
        return feed_chunk_size(f, in, out);
    case HTTP_FRAMER_CHUNK_END:
        return feed_chunk_end(f, in, out);
    case HTTP_FRAMER_TRAILER:
        return feed_trailer(f, in, out);
    case HTTP_FRAMER_OVER:
        break;
    }
    return in.n;
}

size_t http_framer_feed(struct http_framer *f, str_t in, struct buf *out)
{
    size_t used = 0, n;

    do {
        n = used < in.n ? feed_once(f, str_skip(in, used), out) : 0;
        used += n;
    } while (n > 0);
    return used;
}
