/* peer.c - sockets and TLS of the load generator. */
#include "peer.h"

#include "base/clock.h"
#include "base/log.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 16384, EVENTS = 256, BUFFER_MAX = 64 << 20 };

/* What an epoll event points to when it is no peer. */
struct listening {
    struct peer *not_a_peer; /* NULL; peers point to themselves here */
    int fd;
    void (*accepted)(int fd);
};

static int epoll_fd = -1;
static SSL_CTX *ctx, *server_ctx;
static struct listening listenings[2];
static size_t listening_count;

void peer_setup(void)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ctx = SSL_CTX_new(TLS_client_method());
    CHECK(epoll_fd >= 0 && ctx != NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

static void watch(struct peer *p, int operation)
{
    struct epoll_event e = { .events = EPOLLIN | (p->wants_write ? EPOLLOUT : 0u),
                             .data.ptr = p };

    epoll_ctl(epoll_fd, operation, p->fd, &e);
}

static int connect_socket(const struct peer_target *t)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(t->port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(inet_pton(AF_INET, t->host, &to.sin_addr) == 1);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (t->from != NULL) {
        struct sockaddr_in from = { .sin_family = AF_INET };

        /* The port is chosen when it is known where to: many thousands fit. */
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        CHECK(inet_pton(AF_INET, t->from, &from.sin_addr) == 1);
        CHECK(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

bool peer_connect(struct peer *p, const struct peer_target *t,
                  const struct peer_handler *h, void *user)
{
    int fd = connect_socket(t);

    if (fd < 0)
        return false;
    *p = (struct peer){
        .self = p, .handler = h, .user = user, .fd = fd, .open = true, .wants_write = true
    };
    buf_init(&p->in, BUFFER_MAX);
    buf_init(&p->out, BUFFER_MAX);
    if (!t->clear) {
        p->ssl = SSL_new(ctx);
        CHECK(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1);
        SSL_set_connect_state(p->ssl);
    }
    watch(p, EPOLL_CTL_ADD);
    return true;
}

static SSL_CTX *make_server_context(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    CHECK(c != NULL && key != NULL && cert != NULL);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    CHECK(SSL_CTX_use_certificate(c, cert) == 1 && SSL_CTX_use_PrivateKey(c, key) == 1);
    SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    X509_free(cert);
    EVP_PKEY_free(key);
    return c;
}

void peer_listen(const struct peer_target *t, void (*accepted)(int fd))
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(t->port) };
    struct listening *l = &listenings[listening_count++];
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = l };
    int one = 1;

    if (server_ctx == NULL)
        server_ctx = make_server_context();
    l->accepted = accepted;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    CHECK(inet_pton(AF_INET, t->host, &at.sin_addr) == 1);
    CHECK(bind(l->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
          listen(l->fd, 1024) == 0);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &e);
}

void peer_serve(struct peer *p, int fd, const struct peer_handler *h, void *user)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *p = (struct peer){ .self = p, .handler = h, .user = user, .fd = fd, .open = true };
    buf_init(&p->in, BUFFER_MAX);
    buf_init(&p->out, BUFFER_MAX);
    p->ssl = SSL_new(server_ctx);
    CHECK(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1);
    SSL_set_accept_state(p->ssl);
    watch(p, EPOLL_CTL_ADD);
}

bool peer_is_open(const struct peer *p)
{
    return p->open;
}

void peer_disconnect(struct peer *p)
{
    if (!peer_is_open(p))
        return;
    SSL_free(p->ssl);
    p->ssl = NULL;
    p->open = false;
    close(p->fd);
    buf_fini(&p->in);
    buf_fini(&p->out);
    p->ready = false;
}

static void closed(struct peer *p)
{
    peer_disconnect(p);
    p->handler->on_closed(p);
}

void peer_send(struct peer *p, str_t bytes)
{
    CHECK(buf_put(&p->out, bytes) == RC_OK);
}

void peer_printf(struct peer *p, const char *format, ...)
{
    char text[4096];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(n >= 0 && n < (int)sizeof(text));
    peer_send(p, str_n(text, (size_t)n));
}

static void want_write(struct peer *p, bool wanted)
{
    if (p->wants_write == wanted)
        return;
    p->wants_write = wanted;
    watch(p, EPOLL_CTL_MOD);
}

/* As SSL_write, SSL_read and SSL_do_handshake, also in the clear.  What OpenSSL remembers
 * of another connection's failure must not be taken for this one's. */
static int put(struct peer *p, const char *from, size_t n)
{
    ERR_clear_error();
    return p->ssl != NULL ? SSL_write(p->ssl, from, (int)n)
                          : (int)send(p->fd, from, n, MSG_NOSIGNAL);
}

static int get(struct peer *p, char *to, size_t n)
{
    ERR_clear_error();
    return p->ssl != NULL ? SSL_read(p->ssl, to, (int)n) : (int)recv(p->fd, to, n, 0);
}

static int shake_hands(struct peer *p)
{
    ERR_clear_error();
    return p->ssl != NULL ? SSL_do_handshake(p->ssl) : 1;
}

/* n is of a call that did nothing: will it later? */
static bool is_over(const struct peer *p, int n)
{
    if (p->ssl == NULL)
        return n == 0 || (errno != EAGAIN && errno != EINTR);
    n = SSL_get_error(p->ssl, n);
    return n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE;
}

void peer_flush(struct peer *p)
{
    size_t sent = 0;

    if (!peer_is_open(p) || !p->ready)
        return;
    while (sent < p->out.n) {
        int n = put(p, p->out.p + sent, p->out.n - sent);

        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    want_write(p, sent < p->out.n);
    buf_consume(&p->out, sent);
    if (p->out.n == 0)
        buf_fini(&p->out);
}

/* The n of a line that ends in {n} or {n+}; SIZE_MAX without. */
static size_t literal_of(str_t line)
{
    uint64_t n;
    size_t open;

    if (line.n < 3 || line.p[line.n - 1] != '}')
        return SIZE_MAX;
    for (open = line.n - 2; open > 0 && line.p[open] != '{'; open--)
        ;
    if (!str_to_u64(str_n(line.p + open + 1, line.n - open - 2), BUFFER_MAX, &n))
        return SIZE_MAX;
    return (size_t)n;
}

/* Take what is complete at the front of p->in; false when more must come first. */
static bool take_one(struct peer *p, size_t *at)
{
    str_t rest = str_skip(buf_str(&p->in), *at);
    size_t end, literal;
    str_t line;

    if (p->literal_skip > 0) {
        size_t n = rest.n < p->literal_skip ? rest.n : p->literal_skip;

        p->literal_skip -= n;
        *at += n;
        return n > 0;
    }
    if (p->literal_left > 0) {
        size_t keep = p->literal_left < PEER_LITERAL_KEEP ? p->literal_left
                                                          : (size_t)PEER_LITERAL_KEEP;

        if (rest.n < keep)
            return false;
        p->literal_skip = p->literal_left - keep;
        p->literal_left = 0;
        *at += keep;
        p->handler->on_literal(p, str_head(rest, keep));
        return true;
    }
    end = str_find_char(rest, '\n');
    if (end == SIZE_MAX)
        return false;
    *at += end + 1;
    line = str_head(rest, end);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    literal = p->handler->literals ? literal_of(line) : SIZE_MAX;
    if (literal != SIZE_MAX)
        p->literal_left = literal;
    p->handler->on_line(p, line);
    return true;
}

static void read_input(struct peer *p)
{
    size_t at = 0;

    for (;;) {
        char *to = buf_reserve(&p->in, READ_BYTES);
        int n;

        CHECK(to != NULL);
        n = get(p, to, READ_BYTES);
        if (n <= 0) {
            if (!is_over(p, n))
                break;
            closed(p);
            return;
        }
        buf_commit(&p->in, (size_t)n);
    }
    while (peer_is_open(p) && take_one(p, &at))
        ;
    if (!peer_is_open(p))
        return;
    buf_consume(&p->in, at);
    if (p->in.n == 0)
        buf_fini(&p->in);
    peer_flush(p);
}

static void on_event(struct peer *p)
{
    if (!peer_is_open(p))
        return;
    if (!p->ready) {
        int n = shake_hands(p);

        if (n != 1) {
            if (is_over(p, n))
                closed(p);
            else
                want_write(p, SSL_want_write(p->ssl));
            return;
        }
        p->ready = true;
        want_write(p, false);
        p->handler->on_ready(p);
    }
    if (peer_is_open(p) && p->wants_write)
        peer_flush(p);
    if (peer_is_open(p))
        read_input(p);
}

void peer_poll(int64_t until_us)
{
    struct epoll_event events[EVENTS];
    int64_t left = until_us - clock_monotonic_us();
    struct timespec wait = { .tv_nsec = 0 };
    int n;

    if (left > 0) {
        wait.tv_sec = left / 1000000;
        wait.tv_nsec = left % 1000000 * 1000;
    }
    n = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++) {
        struct listening *l = events[i].data.ptr;
        int fd;

        if (l->not_a_peer != NULL)
            on_event(l->not_a_peer);
        else if ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
            l->accepted(fd);
    }
}
