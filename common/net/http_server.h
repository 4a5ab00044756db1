/* http_server.h - HTTP/1.1 for the admin port and the registrar.
 *
 * The door to libmicrohttpd: a few threads, bounded memory per connection.  What
 * strangers send comes through net/https_bridge, which lets only proper requests through.
 * Thread: the handler runs in one of the server's threads; http_server_finish may be
 * called from any.
 *
 * Limits: a body whose chunks are none, and on a port of its own (the admin port)
 * whatever is no HTTP or does not fit into 64 KiB, is answered by the library itself with
 * a short page (400, 414, 431).
 */
#pragma once

#include "base/arena.h"
#include "base/rc.h"
#include "base/str.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cidr_list;
struct http_server;
struct http_stream;
struct http_stream_options;

enum { HTTP_HEADERS_MAX = 16 };

struct http_request {
    str_t method;
    str_t path;  /* as sent (not decoded), without query; begins with a slash, but for
                  * OPTIONS  and CONNECT */
    str_t query; /* without '?', as sent */
    str_t body;
    struct addr client; /* behind a trusted proxy: whom the proxy names */
    bool https;         /* TLS was ended here, or by a trusted proxy that says so */
};

struct http_header {
    const char *name, *value;
};

struct http_response {
    int status;
    const char *content_type; /* NULL: no body */
    str_t body;               /* in the exchange's arena, or static */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
};

/* One request and its answer.  Lives until the answer is sent. */
struct http_exchange {
    struct arena *arena;
    struct http_request request;
    struct http_response response; /* status 500 unless the handler says otherwise */
    void *user;                    /* http_server_options.user */
};

/* Must lead to exactly one http_server_finish: before it returns, or later from a
 * worker.  Before it returns costs nothing; later suspends the connection. */
typedef void (*http_handler_fn)(struct http_exchange *x);

struct http_server_options {
    const char *address; /* literal, or "" for every address */
    bool ipv4_only;
    /* NULL: no plain port at all (only what http_server_adopt brings); 0: any free one */
    const uint16_t *port;
    unsigned threads;                        /* 0: 2 */
    unsigned max_connections;                /* 0: 1000 */
    unsigned idle_seconds;                   /* 0: 30 */
    size_t body_max_bytes;                   /* beyond: 413.  0: 64 KiB */
    const struct cidr_list *trusted_proxies; /* X-Forwarded-For, Forwarded; may be NULL */
    bool adopts_plain; /* what http_server_adopt brings is HTTP, not HTTPS */
    http_handler_fn handler;
    /* Sees a request when its head is there, before the body and its limit: it answers,
     * and then the body is not read; or takes the body as a stream; or does nothing, and
     * the handler's turn comes.  Before it returns.  NULL: nothing. */
    http_handler_fn head;
    /* Answers instead of handler, before it returns, with the status that it finds in the
     * response: the body is too large, or http_framer has refused the head.  The exchange
     * has no body then.  NULL: plain text. */
    http_handler_fn refuse;
    void *user;
};

enum rc http_server_new(const struct http_server_options *o,
                        struct http_server **out) RC_CHECKED;
uint16_t http_server_port(const struct http_server *s);
/* New connections are refused from now on. */
void http_server_stop_listening(struct http_server *s);
void http_server_free(struct http_server **s); /* waits for exchanges under way */

/* Serve a connected socket whose other end carries what client says, over HTTPS unless
 * the server adopts_plain.  The fd is the server's from now on, whatever is returned. */
enum rc http_server_adopt(struct http_server *s, int fd,
                          const struct addr *client) RC_CHECKED;

/* In head only: the body shall be read as a stream by somebody else, who answers by it
 * and drops it in the end.  The exchange is gone when the stream says so. */
struct http_stream *http_server_stream(struct http_exchange *x,
                                       const struct http_stream_options *o);
bool http_server_is_stream(const struct http_exchange *x);

/* A request's header, by name without regard to case; empty when absent. */
str_t http_server_header(const struct http_exchange *x, const char *name);
/* Its values in all lines of that name, in their order.  Returns how many there are, and
 * fills no more than room. */
size_t http_server_headers(const struct http_exchange *x, const char *name, str_t *out,
                           size_t room);
/* Fill the answer.  Strings stay the caller's until it is sent (arena or static). */
void http_server_reply(struct http_exchange *x, int status, const char *content_type,
                       str_t body);
void http_server_add_header(struct http_exchange *x, const char *name, const char *value);
void http_server_finish(struct http_exchange *x);
