/* addr.c - between our form, the kernel's and text. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <string.h>

bool addr_from_ip(const void *ip, size_t n, struct addr *out)
{
    static const char mapped[12] = { [10] = '\xff', '\xff' };

    *out = (struct addr){ 0 };
    if (n == 16 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
        ip = (const char *)ip + sizeof(mapped);
        n = 4;
    }
    if (n != 4 && n != 16)
        return false;
    out->family = n == 4 ? 4 : 6;
    memcpy(out->ip, ip, n);
    return true;
}

bool addr_from_sockaddr(const struct sockaddr *sa, socklen_t n, struct addr *out)
{
    *out = (struct addr){ 0 };
    if (n >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        (void)addr_from_ip(&in.sin_addr, 4, out);
        out->port = ntohs(in.sin_port);
        return true;
    }
    if (n >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        (void)addr_from_ip(&in6.sin6_addr, 16, out);
        out->port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (a->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;

        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        memcpy(&in6->sin6_addr, a->ip, 16);
        return sizeof(*in6);
    }
}

enum rc addr_parse(str_t text, struct addr *out)
{
    char copy[ADDR_TEXT_BYTES];
    struct in6_addr v6;

    *out = (struct addr){ 0 };
    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_n(text.p + 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
        return RC_INVALID;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, out->ip) == 1) {
        out->family = 4;
        return RC_OK;
    }
    if (inet_pton(AF_INET6, copy, &v6) != 1)
        return RC_INVALID;
    (void)addr_from_ip(&v6, 16, out);
    return RC_OK;
}

enum rc addr_parse_port(str_t text, uint16_t standard_port, struct addr *out)
{
    size_t colon = text.n, colons = 0;
    uint64_t port = standard_port;
    enum rc rc;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ':') {
            colon = i;
            colons++;
        }
    }
    /* An IPv6 address has colons of its own, so with a port it stands in brackets. */
    if (colons == 1 || (colons > 1 && text.p[0] == '[' && text.p[colon - 1] == ']')) {
        if (!str_to_u64(str_skip(text, colon + 1), UINT16_MAX, &port) || port == 0)
            return RC_INVALID;
        text = str_head(text, colon);
    }
    rc = addr_parse(text, out);
    out->port = (uint16_t)port;
    return rc;
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
    out[0] = '-';
    out[1] = '\0';
    if (a->family != 0)
        inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, out, ADDR_TEXT_BYTES);
    return out;
}

uint64_t addr_network_key(const struct addr *a)
{
    size_t n = a->family == 4 ? 4 : 8;
    /* ff00::/8 is multicast, never a client's: room for IPv4 without a clash. */
    uint64_t key = a->family == 4 ? UINT64_C(0xff) << 24 : 0;

    for (size_t i = 0; i < n; i++)
        key = key << 8 | a->ip[i];
    return key;
}
