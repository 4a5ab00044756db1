/* own_address.h - whether an endpoint leads back to this very process.
 *
 * A replica finds itself among the replicas of its service; what it would send itself
 * over the bus it tells itself directly.  Thread: any.
 */
#pragma once

#include <stdbool.h>

/* endpoint: "tcp://IP:PORT", IPv6 in brackets; port: the one that this process binds. */
bool own_address_is(const char *endpoint, int port);
