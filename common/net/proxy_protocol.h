/* proxy_protocol.h - parse the PROXY protocol v2 header a load balancer puts first.
 *
 * Pure.  Version 1 (text) is refused: its length is not known in advance.
 * haproxy.org proxy-protocol.txt 2.2.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "net/addr.h"

#include <stddef.h>

enum proxy_protocol_result {
    PROXY_PROTOCOL_MORE,    /* a prefix of a header: come back with more */
    PROXY_PROTOCOL_ADDRESS, /* *client and *used are set */
    PROXY_PROTOCOL_LOCAL,   /* the proxy speaks for itself (health check), *used is set */
    PROXY_PROTOCOL_BAD,     /* not a header, or not one we take */
};

enum { PROXY_PROTOCOL_MAX_BYTES = 16 + 1024 }; /* the longest header that is accepted */

enum proxy_protocol_result proxy_protocol_parse(str_t bytes, struct addr *client,
                                                size_t *used);
