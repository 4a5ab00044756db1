/* proxy_protocol.h - the PROXY protocol v2 header that a load balancer, or a service that
 * speaks for its client, puts first.
 *
 * Pure.  Version 1 (text) is refused: its length is not known in advance.
 * haproxy.org proxy-protocol.txt 2.2.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum proxy_protocol_result {
    PROXY_PROTOCOL_MORE,    /* a prefix of a header: come back with more */
    PROXY_PROTOCOL_ADDRESS, /* *said and *used are set */
    PROXY_PROTOCOL_LOCAL,   /* the proxy speaks for itself (health check), *used is set */
    PROXY_PROTOCOL_BAD,     /* not a header, or not one we take */
};

enum {
    PROXY_PROTOCOL_MAX_BYTES = 16 + 1024, /* the longest header that is accepted */
    PROXY_PROTOCOL_FORMAT_BYTES = 64,     /* the longest that is written */
};

struct proxy_protocol {
    struct addr client;
    bool tls; /* the client came by TLS, which ended at the proxy */
};

enum proxy_protocol_result proxy_protocol_parse(str_t bytes, struct proxy_protocol *said,
                                                size_t *used);

/* Appends a header, which names no address of ours. */
void proxy_protocol_format(const struct proxy_protocol *p, struct buf *out);
