/* http_client.h - requests to other hosts, over HTTP and HTTPS.
 *
 * The only door to libcurl.  A client is one thread that carries all of its requests;
 * what is asked comes back by a call from that thread, so that a wait for another host
 * holds no thread of the caller's.  http_client_call is the same for who may wait.
 *
 * No request is without a deadline and a largest answer.  Redirects are followed only as
 * often as is asked for, and never from HTTPS to HTTP.  Which addresses may be connected
 * to is judged at the very connection, so no second DNS answer can differ.  TLS is 1.2 or
 * newer and always verified.  Of libcurl's variables in the environment none counts, such
 * as http_proxy; the first client takes SSLKEYLOGFILE out of it.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct arena;
struct http_client;

enum {
    HTTP_CLIENT_URL_MAX_BYTES = 8192,
    HTTP_CLIENT_HEADERS_MAX = 100, /* of an answer; more is an error */
    HTTP_CLIENT_HEADER_BYTES_MAX =
        65536, /* of all answers to one request, redirects too */
    HTTP_CLIENT_DEADLINE_MAX_MS = 3600000, /* no wait is longer */
};

/* Whom a client may connect to. */
enum http_client_reach {
    HTTP_CLIENT_PUBLIC,  /* the internet: where a stranger names the host */
    HTTP_CLIENT_ANY,     /* where the operator does */
    HTTP_CLIENT_PRIVATE, /* this machine and private networks: what may not leave them */
};

struct http_client_options {
    /* PEM: who may have signed the certificates of servers; NULL: the system's. */
    const char *ca_file;
    enum http_client_reach reach;
    unsigned requests_max; /* under way at once; 0: 256 */
};

struct http_client_header {
    const char *name, *value;
};

struct http_client_request {
    const char *method; /* "GET"; NULL: that */
    const char *url;    /* http:// or https://, without a user */
    const struct http_client_header *headers;
    size_t header_count;
    str_t body;              /* sent if it is not empty; name its type in a header */
    int64_t deadline_ms;     /* [ms] from now to the answer's last byte */
    size_t answer_max_bytes; /* of its body */
    unsigned redirects_max;  /* of GET and HEAD; 0: a redirect is an answer */
};

/* What went wrong, for those who tell people; rc is what follows from it. */
enum http_client_fault {
    HTTP_CLIENT_FINE,        /* there is an answer, whatever its status */
    HTTP_CLIENT_URL,         /* malformed, or of another scheme */
    HTTP_CLIENT_NAME,        /* the host has no address, or nobody says now */
    HTTP_CLIENT_CONNECT,     /* nobody listens there */
    HTTP_CLIENT_FORBIDDEN,   /* it has no address within the client's reach */
    HTTP_CLIENT_CERTIFICATE, /* not signed by whom we trust, or for another host */
    HTTP_CLIENT_CA_FILE,     /* it cannot be read */
    HTTP_CLIENT_BROKEN,      /* no TLS or no HTTP, or the connection broke */
    HTTP_CLIENT_TOO_LARGE,   /* body or header */
    HTTP_CLIENT_REDIRECTS,   /* more than are followed, or to another scheme */
    HTTP_CLIENT_LATE,        /* the deadline has passed */
    HTTP_CLIENT_BUSY,        /* as many as may be are under way */
    HTTP_CLIENT_CLOSED,      /* the client is going away */
    HTTP_CLIENT_FAULTS
};

struct http_client_field {
    str_t name, value;
};

struct http_client_answer {
    enum rc rc; /* RC_OK only if fault is HTTP_CLIENT_FINE */
    enum http_client_fault fault;
    const char *why; /* the fault in words; "" */
    int status;      /* 0: there is no answer */
    str_t body;
    const struct http_client_field *headers; /* of the last answer */
    size_t header_count;
};

/* In the client's thread, once for each request that was started and not forgotten: must
 * not block, nor free the client.  The answer is borrowed for the call. */
typedef void (*http_client_done_fn)(const struct http_client_answer *answer, void *user);

struct http_client *http_client_new(const struct http_client_options *o);
/* What is under way ends as HTTP_CLIENT_CLOSED first. */
void http_client_free(struct http_client **c);

/* The request is copied.  Not RC_OK: done will not be called.  RC_LIMIT: too many are
 * under way; RC_INVALID: method, headers or the address' scheme are malformed, the
 * address is too long or the deadline none; RC_CLOSED: the client is going away. *request
 * is its name for http_client_forget, never 0, and there before done is called; request
 * may be NULL. */
enum rc http_client_start(struct http_client *c, const struct http_client_request *r,
                          http_client_done_fn done, void *user,
                          uint64_t *request) RC_CHECKED;

/* Ends a request, at any time, also one that is over, or 0; done is not called any more
 * once this has returned.  Waits while done is being called, so hold no lock that it
 * takes.  Not in the client's own thread; before http_client_free. */
void http_client_forget(struct http_client *c, uint64_t request);

/* Starts a request and waits for its answer, which is copied into a.  Not in the client's
 * own thread.  What http_client_start refuses is told in the answer, too. */
void http_client_call(struct arena *a, struct http_client *c,
                      const struct http_client_request *r,
                      struct http_client_answer *out);

/* The first header of that name, in any case; empty when absent. */
str_t http_client_header(const struct http_client_answer *answer, const char *name);
