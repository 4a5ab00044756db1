/* cidr.h - a list of networks ("10.0.0.0/8, fd00::/8, 192.0.2.7"), and who is in it.
 *
 * Immutable after parsing.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stdint.h>

struct cidr_list;

/* Entries are separated by commas or blanks; the empty list contains nobody.  The word
 * `local` stands for the private networks that this machine's interfaces are in at this
 * moment: who shares a public network with us may be anybody.
 * RC_INVALID: an entry is malformed or has bits set beyond its length; RC_LIMIT: more
 * than 256 entries. */
enum rc cidr_list_new(str_t text, struct cidr_list **out) RC_CHECKED;
void cidr_list_free(struct cidr_list **l);

bool cidr_list_has(const struct cidr_list *l, const struct addr *a); /* l may be NULL */

/* Loopback, link-local, or of a network that the internet does not route (RFC 1918,
 * RFC 6598, RFC 4193): it says nothing about who the client is. */
bool cidr_is_private(const struct addr *a);

/* What limits of a client's doings count: addr_network_key, or 0 for a private address,
 * behind which a proxy or the operator's whole network may stand. */
uint64_t cidr_client_key(const struct addr *a);
