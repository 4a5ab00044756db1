/* addr.h - an IP address with a port: compact, comparable, printable.
 *
 * IPv4-mapped IPv6 addresses become IPv4, so that one client has one form.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDR_TEXT_BYTES = 64 };

struct addr {
    uint8_t family; /* 4, 6, or 0: none */
    uint8_t ip[16]; /* network order; IPv4 uses the first four */
    uint16_t port;  /* host order */
};

/* From its 4 or 16 bytes in network order, as a DNS record has them; false: other n. */
bool addr_from_ip(const void *ip, size_t n, struct addr *out);
/* False when it is neither IPv4 nor IPv6. */
bool addr_from_sockaddr(const struct sockaddr *sa, socklen_t n, struct addr *out);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);

/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; no name, no port, no zone. */
enum rc addr_parse(str_t text, struct addr *out) RC_CHECKED;

/* The same, or with a port behind it: "192.0.2.1:53", "[2001:db8::1]:53"; else that is
 * standard_port. */
enum rc addr_parse_port(str_t text, uint16_t standard_port, struct addr *out) RC_CHECKED;

/* The address without its port; "-" for none.  Returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_BYTES]);

/* What limits count: an IPv4 address, or an IPv6 /64. */
uint64_t addr_network_key(const struct addr *a);
