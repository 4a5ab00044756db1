/* gateway.h - what all sessions of the process share.  Set up by main, then read only;
 * each part has its own rules.  Thread: any.
 */
#pragma once

#include "net/spool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct body_cache;
struct hints;
struct io;
struct limit;
struct login;
struct options;
struct svc;
struct tls_context;
struct worker_pool;

enum { GATEWAY_LOOPS_MAX = 64 };

struct gateway {
    struct svc *svc;
    const struct options *options;
    struct login *login;
    struct tls_context *tls; /* NULL: no TLS, no login */
    struct worker_pool *commands;
    struct worker_pool *logins;
    struct hints *hints;
    struct body_cache *bodies;
    struct spool_room spool; /* of messages that clients append */
    struct io *ios[GATEWAY_LOOPS_MAX];
    size_t io_count;
    atomic_int sessions; /* memory that is not freed yet */
    atomic_bool draining;
};
