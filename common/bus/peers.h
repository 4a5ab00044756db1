/* peers.h - which addresses the replicas of another service have just now.
 *
 * A peers text is "dns:NAME:PORT" or "static:HOST:PORT,HOST:PORT,..." (HOST: a name, an
 * IPv4 address or an IPv6 address in brackets).  Names are resolved every two seconds by
 * a thread of its own; each address becomes one endpoint "tcp://IP:PORT".  A resolver
 * that cannot answer changes nothing; an address that is missing from three answers in a
 * row is gone.
 * Thread: peers_new and peers_free by one owner; callbacks come from the own thread.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum { PEERS_ENDPOINT_BYTES = 80, PEERS_PER_NAME = 256, PEERS_HOSTS = 32 };

struct peers_host {
    char name[256]; /* without brackets */
    int port;
};

struct peers_spec {
    struct peers_host hosts[PEERS_HOSTS];
    size_t count;
};

/* RC_INVALID: not a peers text; *why then says what is wrong. */
enum rc peers_parse(str_t text, struct peers_spec *out, const char **why) RC_CHECKED;

/* One look at a name.  Fills at most PEERS_PER_NAME endpoints.
 * RC_RETRY: the resolver cannot say; RC_NOT_FOUND: there is no such name now. */
typedef enum rc (*peers_resolve_fn)(const char *host, int port,
                                    char endpoints[][PEERS_ENDPOINT_BYTES],
                                    size_t *count);

struct peers_options {
    const struct peers_spec *specs; /* copied */
    size_t count;
    int interval_ms;          /* 0: 2000 */
    peers_resolve_fn resolve; /* NULL: getaddrinfo */
    void *user;
    void (*on_change)(void *user, size_t spec, const char *endpoint, bool added);
};

struct peers;
struct peers *peers_new(const struct peers_options *options);

/* No callback runs after it returns.  Does not wait for a resolver that hangs. */
void peers_free(struct peers **p);
