/* http_client.h - one bounded HTTPS request that blocks until its deadline.
 *
 * The door to libcurl.  No redirects, no proxies from the environment, no cookies.
 * Thread: any that may block.
 */
#pragma once

#include "base/clock.h"
#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct http_client_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
    str_t body;                 /* sent for POST and PUT */
    size_t max_bytes;           /* of the answer's body */
    struct deadline until;
    bool allow_http;        /* else only https:// */
    const char *ca_file;    /* instead of the system's roots; NULL: those */
    const char *resolve_to; /* "host:port:address" instead of asking the resolver; NULL */
};

struct http_client_response {
    int status;
    str_t content_type;
    str_t body;
};

/* RC_OK: an answer of whatever status; RC_LIMIT: too large; RC_TIMEOUT; RC_DENIED: the
 * certificate is not acceptable; RC_INVALID: the URL is not one we take; RC_RETRY: no
 * answer. */
enum rc http_client_perform(struct arena *a, const struct http_client_request *r,
                            struct http_client_response *out) RC_CHECKED;
