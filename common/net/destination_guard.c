/* destination_guard.c - keeps what strangers make us do away from our own networks. */
#include "net/destination_guard.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/cidr.h"

#include <string.h>

struct destination_guard {
    struct cidr_list *inner; /* not on the public internet */
    bool allow_private;
};

/* IANA's special-purpose registries (RFC 6890) without those that are reachable. */
static const char inner_networks[] =
    "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
    "192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, "
    "198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4, "
    "::/96, 64:ff9b:1::/48, 100::/64, 100:0:0:1::/64, 2001::/23, 2001:db8::/32, "
    "2002::/16, 3fff::/20, 5f00::/16, fc00::/7, fe80::/10, fec0::/10, ff00::/8";

struct destination_guard *destination_guard_new(bool allow_private)
{
    struct destination_guard *g = mem_alloc(sizeof(*g));
    enum rc rc = cidr_list_new(str_of(inner_networks), &g->inner);

    CHECK(rc == RC_OK);
    g->allow_private = allow_private;
    return g;
}

void destination_guard_free(struct destination_guard **g)
{
    if (*g == NULL)
        return;
    cidr_list_free(&(*g)->inner);
    mem_free(*g);
    *g = NULL;
}

/* The IPv4 host that an IPv6 address leads to: on this machine if it is a mapped one,
 * else behind the network's NAT64 (RFC 6052 2.1), which may serve inner addresses
 * although it should not. */
static bool leads_to_ipv4(const struct addr *a, struct addr *out)
{
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

    if (a->family != 6)
        return false;
    if (memcmp(a->ip, nat64, sizeof(nat64)) == 0)
        return addr_from_ip(a->ip + sizeof(nat64), 4, out);
    return addr_from_ip(a->ip, sizeof(a->ip), out) && out->family == 4;
}

bool destination_guard_permits(const struct destination_guard *g, const struct addr *to)
{
    struct addr behind;

    if (g->allow_private)
        return true;
    return !cidr_list_has(g->inner, to) &&
           !(leads_to_ipv4(to, &behind) && cidr_list_has(g->inner, &behind));
}
