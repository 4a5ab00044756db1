/* routes.h - the option `routes`: destinations whose host is set by hand.
 *
 * "example.org=mx.internal:2525, *=smarthost.example.net:25": a domain, or * for all
 * that have no route of their own; host is a name or an address (IPv6 in brackets).
 * Immutable after parsing.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdint.h>

struct routes;

enum { ROUTES_MAX = 1000 };

struct routes_target {
    str_t host; /* without brackets */
    uint16_t port;
};

/* default_port: for targets without one.  RC_INVALID: malformed; RC_LIMIT: too many. */
enum rc routes_new(str_t text, uint16_t default_port, struct routes **out) RC_CHECKED;
void routes_free(struct routes **r);

/* NULL: no route, look for the domain's MX.  Case ignored. */
const struct routes_target *routes_find(const struct routes *r, str_t domain);
