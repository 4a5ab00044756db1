/* peer.h - one client connection of the load generator, TLS but for one target in the
 * clear, on one epoll loop.
 *
 * Line oriented with IMAP literals: on_line gets each line without CRLF; a line that ends
 * in {n} is followed by on_literal with at most LITERAL_KEEP bytes of those n.
 * Thread: the only one.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_st SSL;

enum { PEER_LITERAL_KEEP = 1024 };

struct peer;

struct peer_handler {
    void (*on_ready)(struct peer *p); /* TLS is up, or the connection in the clear */
    void (*on_line)(struct peer *p, str_t line);
    void (*on_literal)(struct peer *p, str_t head);
    void (*on_closed)(struct peer *p); /* by the server; the peer is disconnected */
    bool literals;                     /* lines may end in {n} */
};

struct peer {
    struct peer *self; /* first: tells a peer from a listening socket in an event */
    const struct peer_handler *handler;
    void *user;
    int fd;
    SSL *ssl; /* NULL: in the clear */
    struct buf in, out;
    bool open, ready, wants_write;
    size_t literal_left, literal_skip;
};

struct peer_target {
    const char *host; /* literal address */
    uint16_t port;
    const char *from; /* literal address to connect from; NULL: any */
    bool clear;       /* without TLS */
};

void peer_setup(void); /* once */
/* False: the connection failed at once (errno). */
bool peer_connect(struct peer *p, const struct peer_target *t,
                  const struct peer_handler *h, void *user);
/* The other side, for measuring the generator itself: accepted is called with each new
 * connection and hands it to peer_serve.  The certificate is made at the first call. */
void peer_listen(const struct peer_target *t, void (*accepted)(int fd));
void peer_serve(struct peer *p, int fd, const struct peer_handler *h, void *user);
void peer_disconnect(struct peer *p); /* without on_closed */
bool peer_is_open(const struct peer *p);

void peer_send(struct peer *p, str_t bytes); /* queues; peer_flush or the loop writes */
void peer_printf(struct peer *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void peer_flush(struct peer *p);

/* Handle events until the monotonic time [us]; returns after at least one look. */
void peer_poll(int64_t until_us);
