/* stream.c - a non-blocking socket and poll(2), so that every wait has an end. */
#include "net/stream.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 16 * 1024 };

struct stream {
    int fd;
    struct layer top;
    char failure[160];
    /* What was read and not consumed: buffer[start .. end).  Longer lines move to
     * `line`. */
    size_t start, end;
    char buffer[BUFFER_BYTES];
    char *line;
    size_t line_n, line_cap;
};

static enum rc failed(struct stream *s, enum rc rc, const char *why)
{
    snprintf(s->failure, sizeof(s->failure), "%s", why);
    return rc;
}

static enum rc wait_for(struct stream *s, short events, struct deadline d)
{
    struct pollfd p = { .fd = s->fd, .events = events };
    int n;

    do {
        int64_t left_ms = deadline_left_ms(d);

        n = poll(&p, 1, left_ms > 1000000 ? 1000000 : (int)left_ms);
    } while ((n < 0 && errno == EINTR) || (n == 0 && !deadline_passed(d)));
    if (n == 0)
        return failed(s, RC_TIMEOUT, "timeout");
    return n > 0 ? RC_OK : failed(s, RC_RETRY, strerror(errno));
}

enum rc stream_begin(const struct addr *to, struct stream **out)
{
    const int on = 1;
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(to, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stream *s;

    if (fd < 0)
        return RC_RETRY;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&sa, n) != 0 && errno != EINPROGRESS) {
        close(fd);
        return RC_RETRY;
    }
    s = mem_alloc(sizeof(*s));
    s->fd = fd;
    layer_socket(&s->top, fd);
    *out = s;
    return RC_OK;
}

enum rc stream_finish(struct stream *s, struct deadline d)
{
    socklen_t n = sizeof(int);
    int error = 0;
    enum rc rc = wait_for(s, POLLOUT, d);

    if (rc != RC_OK)
        return rc;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    return error == 0 ? RC_OK : failed(s, RC_RETRY, strerror(error));
}

enum rc stream_connect(const struct addr *to, struct deadline d, struct stream **out)
{
    struct stream *s;
    enum rc rc = stream_begin(to, &s);

    if (rc != RC_OK)
        return rc;
    rc = stream_finish(s, d);
    if (rc == RC_OK)
        *out = s;
    else
        stream_close(&s);
    return rc;
}

void stream_close(struct stream **stream)
{
    struct stream *s = *stream;

    if (s == NULL)
        return;
    if (s->failure[0] == '\0')
        layer_end(&s->top);
    layer_free(&s->top);
    close(s->fd);
    mem_free(s->line);
    mem_free(s);
    *stream = NULL;
}

static enum rc handshake(struct stream *s, struct deadline d)
{
    enum layer_io io;
    enum rc rc = RC_OK;

    while (rc == RC_OK && (io = layer_handshake(&s->top)) != LAYER_OK) {
        if (io == LAYER_WANT_READ)
            rc = wait_for(s, POLLIN, d);
        else if (io == LAYER_WANT_WRITE)
            rc = wait_for(s, POLLOUT, d);
        else if (io == LAYER_CLOSED)
            rc = failed(s, RC_RETRY, "the peer closed during the handshake");
        else
            rc = failed(s, tls_mistrusts(&s->top) ? RC_DENIED : RC_RETRY,
                        layer_failure(&s->top));
    }
    return rc;
}

enum rc stream_push_layer(struct stream *s, const struct layer_kind *kind, void *from,
                          struct deadline d)
{
    if (s->start < s->end && !kind->takes_early)
        return failed(s, RC_INVALID, "the peer spoke in the clear before the handshake");
    if (!layer_push(&s->top, kind, from, str_n(s->buffer + s->start, s->end - s->start)))
        return failed(s, RC_RETRY, "out of memory");
    s->start = s->end = 0;
    return handshake(s, d);
}

enum rc stream_start_tls(struct stream *s, struct tls_context *ctx, const char *name,
                         enum tls_verify verify, struct deadline d)
{
    struct tls_to to = { .context = ctx, .name = name, .verify = verify };

    return stream_push_layer(s, &tls_client_layer, &to, d);
}

/* After a call that did not succeed at once: RC_OK means try again. */
static enum rc wait_after(struct stream *s, enum layer_io io, struct deadline d)
{
    switch (io) {
    case LAYER_OK:
        return RC_OK;
    case LAYER_WANT_READ:
        return wait_for(s, POLLIN, d);
    case LAYER_WANT_WRITE:
        return wait_for(s, POLLOUT, d);
    case LAYER_CLOSED:
        return failed(s, RC_CLOSED, "the peer closed the connection");
    default:
        return failed(s, RC_CLOSED, layer_failure(&s->top));
    }
}

/* At least one byte more in the buffer, which must be empty. */
static enum rc fill(struct stream *s, struct deadline d)
{
    size_t got = 0;
    enum rc rc = RC_OK;

    s->start = s->end = 0;
    while (rc == RC_OK && got == 0)
        rc = wait_after(s, layer_read(&s->top, s->buffer, sizeof(s->buffer), &got), d);
    s->end = got;
    return rc;
}

static void line_append(struct stream *s, const char *p, size_t n)
{
    if (s->line_n + n > s->line_cap) {
        s->line_cap = s->line_n + n + BUFFER_BYTES;
        s->line = mem_realloc(s->line, s->line_cap);
    }
    memcpy(s->line + s->line_n, p, n);
    s->line_n += n;
}

static str_t without_eol(const char *p, size_t n)
{
    if (n > 0 && p[n - 1] == '\n')
        n--;
    if (n > 0 && p[n - 1] == '\r')
        n--;
    return str_n(p, n);
}

/* The bytes of the buffer up to and with LF, or all of it. */
static size_t take_to_eol(struct stream *s, const char **p, bool *whole)
{
    size_t n = s->end - s->start;
    const char *lf;

    *p = s->buffer + s->start;
    lf = n > 0 ? memchr(*p, '\n', n) : NULL;
    *whole = lf != NULL;
    if (*whole)
        n = (size_t)(lf - *p) + 1;
    s->start += n;
    return n;
}

enum rc stream_read_line(struct stream *s, size_t max_bytes, struct deadline d,
                         str_t *line)
{
    enum rc rc = RC_OK;
    bool whole = false;
    const char *p;
    size_t n;

    s->line_n = 0;
    for (;;) {
        n = take_to_eol(s, &p, &whole);
        if (s->line_n + n > max_bytes + 2)
            return failed(s, RC_LIMIT, "the line is too long");
        if (whole && s->line_n == 0) { /* the common case: nothing is copied */
            *line = without_eol(p, n);
            return RC_OK;
        }
        if (n > 0)
            line_append(s, p, n);
        if (whole)
            break;
        rc = fill(s, d);
        if (rc != RC_OK)
            return rc;
    }
    *line = without_eol(s->line, s->line_n);
    return RC_OK;
}

enum rc stream_read_cut_line(struct stream *s, size_t max_bytes, struct deadline d,
                             str_t *line)
{
    enum rc rc = RC_OK;
    bool whole = false;
    size_t all = 0;
    const char *p;

    s->line_n = 0;
    while (!whole) {
        size_t n = take_to_eol(s, &p, &whole);
        size_t room = max_bytes - s->line_n;
        size_t kept = without_eol(p, n).n;

        all += n;
        if (all > STREAM_LINE_MAX_BYTES)
            return failed(s, RC_LIMIT, "the line is too long");
        if (n > 0)
            line_append(s, p, kept < room ? kept : room);
        if (!whole)
            rc = fill(s, d);
        if (rc != RC_OK)
            return rc;
    }
    *line = str_n(s->line, s->line_n);
    return RC_OK;
}

enum rc stream_read_some(struct stream *s, void *p, size_t n, struct deadline d,
                         size_t *got)
{
    enum rc rc = s->start < s->end ? RC_OK : fill(s, d);
    size_t have = s->end - s->start;

    if (rc != RC_OK)
        return rc;
    *got = n < have ? n : have;
    memcpy(p, s->buffer + s->start, *got);
    s->start += *got;
    return RC_OK;
}

enum rc stream_write(struct stream *s, str_t bytes, struct deadline d)
{
    enum rc rc = RC_OK;
    enum layer_io io;
    size_t put;

    while (rc == RC_OK && bytes.n > 0) {
        io = layer_write(&s->top, bytes.p, bytes.n, &put);

        bytes = str_skip(bytes, put);
        rc = wait_after(s, io, d);
        if (rc == RC_OK && deadline_passed(d) && bytes.n > 0)
            rc = failed(s, RC_TIMEOUT, "timeout");
    }
    while (rc == RC_OK && (io = layer_flush(&s->top, &put)) != LAYER_OK)
        rc = wait_after(s, io, d);
    return rc;
}

const char *stream_tls_version(const struct stream *s)
{
    return tls_version_text(&s->top);
}

const char *stream_failure(const struct stream *s)
{
    return s->failure;
}

int stream_fd(const struct stream *s)
{
    return s->fd;
}
