/* desk.h - what all deliveries share: the doors, and the operator's settings.
 *
 * Immutable but for what has its own lock.  Thread: any.
 */
#pragma once

#include "mx.h"

#include <stdbool.h>
#include <stdint.h>

struct dbs;
struct destination_guard;
struct federation_book;
struct routes;
struct tls_context;

struct desk {
    struct mx_finder finder;
    const struct routes *routes; /* for rows whose maker chose no way */
    struct tls_context *tls;
    struct destination_guard *guard;
    struct dbs *dbs;
    struct federation_book *federation; /* NULL: tests, where nobody is blocked */
    const char *helo;
    int64_t connect_ms, command_ms;
    bool disable_ipv6;
};
