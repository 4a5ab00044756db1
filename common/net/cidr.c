/* cidr.c - a short array, walked: lists have a handful of entries. */
#include "net/cidr.h"

#include "base/mem.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

enum { ENTRIES_MAX = 256 };

struct entry {
    struct addr net;
    unsigned bits;
};

struct cidr_list {
    size_t count;
    struct entry entries[];
};

static bool bit(const struct addr *a, unsigned i)
{
    return a->ip[i / 8] & (0x80 >> i % 8);
}

static enum rc parse_entry(str_t text, struct entry *out)
{
    str_t rest = text, address;
    uint64_t bits;
    unsigned width;

    if (!str_split(&rest, '/', &address) || addr_parse(address, &out->net) != RC_OK)
        return RC_INVALID;
    width = out->net.family == 4 ? 32 : 128;
    bits = width;
    if (address.n < text.n && !str_to_u64(rest, width, &bits))
        return RC_INVALID;
    out->bits = (unsigned)bits;
    for (unsigned i = out->bits; i < width; i++)
        if (bit(&out->net, i))
            return RC_INVALID;
    return RC_OK;
}

static bool entry_has(const struct entry *e, const struct addr *a)
{
    unsigned whole = e->bits / 8, rest = e->bits % 8;

    if (e->net.family != a->family || memcmp(e->net.ip, a->ip, whole) != 0)
        return false;
    return rest == 0 || ((e->net.ip[whole] ^ a->ip[whole]) >> (8 - rest)) == 0;
}

/* Does one of these networks hold all of that one? */
static bool is_inside_private(const struct entry *e)
{
    static const struct entry private[] = {
        { { .family = 4, .ip = { 10 } }, 8 },
        { { .family = 4, .ip = { 100, 64 } }, 10 },
        { { .family = 4, .ip = { 127 } }, 8 },
        { { .family = 4, .ip = { 169, 254 } }, 16 },
        { { .family = 4, .ip = { 172, 16 } }, 12 },
        { { .family = 4, .ip = { 192, 168 } }, 16 },
        { { .family = 6, .ip = { [15] = 1 } }, 128 },
        { { .family = 6, .ip = { 0xfc } }, 7 },
        { { .family = 6, .ip = { 0xfe, 0x80 } }, 10 },
    };

    for (size_t i = 0; i < ARRAY_LEN(private); i++)
        if (private[i].bits <= e->bits && entry_has(&private[i], &e -> net))
            return true;
    return false;
}

static socklen_t sockaddr_bytes(const struct sockaddr *sa)
{
    return sa->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                    : sizeof(struct sockaddr_in6);
}

/* The network of one interface's address; false when it has none that counts. */
static bool network_of(const struct ifaddrs *i, struct entry *out)
{
    struct addr mask;

    if (i->ifa_addr == NULL || i->ifa_netmask == NULL || !(i->ifa_flags & IFF_UP) ||
        !addr_from_sockaddr(i->ifa_addr, sockaddr_bytes(i->ifa_addr), &out->net) ||
        !addr_from_sockaddr(i->ifa_netmask, sockaddr_bytes(i->ifa_addr), &mask))
        return false;
    out->bits = 0;
    while (out->bits < (mask.family == 4 ? 32u : 128u) && bit(&mask, out->bits))
        out->bits++;
    for (size_t k = 0; k < sizeof(mask.ip); k++)
        out->net.ip[k] &= mask.ip[k];
    return is_inside_private(out);
}

/* The private networks that this machine's own interfaces are in. */
static enum rc add_local(struct cidr_list *l)
{
    struct ifaddrs *all = NULL;
    enum rc rc = RC_OK;
    struct entry e;

    if (getifaddrs(&all) != 0)
        return RC_RETRY;
    for (const struct ifaddrs *i = all; i != NULL && rc == RC_OK; i = i->ifa_next) {
        if (!network_of(i, &e))
            continue;
        if (l->count == ENTRIES_MAX)
            rc = RC_LIMIT;
        else
            l->entries[l->count++] = e;
    }
    freeifaddrs(all);
    return rc;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next entry's text; false at the end. */
static bool next_entry(str_t *rest, str_t *entry)
{
    size_t n = 0;

    while (rest->n > 0 && is_separator(rest->p[0]))
        *rest = str_skip(*rest, 1);
    while (n < rest->n && !is_separator(rest->p[n]))
        n++;
    *entry = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return n > 0;
}

enum rc cidr_list_new(str_t text, struct cidr_list **out)
{
    struct cidr_list *l = mem_alloc(sizeof(*l) + ENTRIES_MAX * sizeof(l->entries[0]));
    enum rc rc = RC_OK;
    str_t entry;

    *out = NULL;
    while (rc == RC_OK && next_entry(&text, &entry)) {
        if (str_eq_nocase(entry, S("local")))
            rc = add_local(l);
        else if (l->count == ENTRIES_MAX)
            rc = RC_LIMIT;
        else
            rc = parse_entry(entry, &l->entries[l->count++]);
    }
    if (rc != RC_OK)
        cidr_list_free(&l);
    else
        *out = mem_realloc(l, sizeof(*l) + l->count * sizeof(l->entries[0]));
    return rc;
}

void cidr_list_free(struct cidr_list **l)
{
    mem_free(*l);
    *l = NULL;
}

bool cidr_list_has(const struct cidr_list *l, const struct addr *a)
{
    for (size_t i = 0; l != NULL && i < l->count; i++)
        if (entry_has(&l->entries[i], a))
            return true;
    return false;
}

bool cidr_is_private(const struct addr *a)
{
    const struct entry e = { *a, a->family == 4 ? 32 : 128 };

    return is_inside_private(&e);
}

uint64_t cidr_client_key(const struct addr *a)
{
    return cidr_is_private(a) ? 0 : addr_network_key(a);
}
