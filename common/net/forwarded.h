/* forwarded.h - whom a reverse proxy speaks for: X-Forwarded-For and Forwarded.
 *
 * Pure.  Anybody can send these headers, so they count only as far as trusted proxies
 * wrote them: the client is the last address in the list that is not a trusted proxy's.
 * RFC 7239.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "net/addr.h"

struct cidr_list;

/* x_forwarded_for, forwarded: all lines of that header, joined by commas in their order.
 * peer is who holds the connection. */
struct addr forwarded_client(const struct cidr_list *trusted, const struct addr *peer,
                             str_t x_forwarded_for, str_t forwarded);
