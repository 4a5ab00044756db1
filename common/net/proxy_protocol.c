/* proxy_protocol.c - sixteen fixed bytes, addresses, and extensions, of which one counts.
 */
#include "net/proxy_protocol.h"

#include "base/buf.h"

#include <string.h>

enum {
    SIGNATURE_BYTES = 12,
    HEADER_BYTES = 16,
    COMMAND_LOCAL = 0x20,
    COMMAND_PROXY = 0x21,
    TCP_OVER_IPV4 = 0x11,
    TCP_OVER_IPV6 = 0x21,
    IPV4_BYTES = 12, /* two addresses, two ports */
    IPV6_BYTES = 36,
    EXTENSION_BYTES = 3, /* type and length of one */
    EXTENSION_TLS = 0x20,
    TLS_BYTES = 5, /* what the client had, and what came of its certificate */
    CLIENT_HAS_TLS = 0x01,
};

static const unsigned char signature[SIGNATURE_BYTES] = { 0x0d, 0x0a, 0x0d, 0x0a,
                                                          0x00, 0x0d, 0x0a, 0x51,
                                                          0x55, 0x49, 0x54, 0x0a };

static unsigned be16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* PP2_TYPE_SSL among the extensions; what is no extension any more is not looked at. */
static bool has_tls(str_t s)
{
    while (s.n >= EXTENSION_BYTES) {
        const unsigned char *p = (const unsigned char *)s.p;
        str_t value = str_head(str_skip(s, EXTENSION_BYTES), be16(p + 1));

        if (value.n < be16(p + 1))
            return false;
        if (p[0] == EXTENSION_TLS && value.n >= TLS_BYTES)
            return (value.p[0] & CLIENT_HAS_TLS) != 0;
        s = str_skip(s, EXTENSION_BYTES + value.n);
    }
    return false;
}

static enum proxy_protocol_result source_address(str_t block, unsigned family,
                                                 struct proxy_protocol *said)
{
    const unsigned char *p = (const unsigned char *)block.p;
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct addr *client = &said->client;

    *said = (struct proxy_protocol){ 0 };
    if (family == TCP_OVER_IPV4 && block.n >= IPV4_BYTES) {
        client->family = 4;
        memcpy(client->ip, p, 4);
        client->port = (uint16_t)be16(p + 8);
        said->tls = has_tls(str_skip(block, IPV4_BYTES));
        return PROXY_PROTOCOL_ADDRESS;
    }
    if (family == TCP_OVER_IPV6 && block.n >= IPV6_BYTES) {
        memcpy(&in6.sin6_addr, p, 16);
        addr_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), client);
        client->port = (uint16_t)be16(p + 32);
        said->tls = has_tls(str_skip(block, IPV6_BYTES));
        return PROXY_PROTOCOL_ADDRESS;
    }
    return PROXY_PROTOCOL_BAD;
}

enum proxy_protocol_result proxy_protocol_parse(str_t bytes, struct proxy_protocol *said,
                                                size_t *used)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t look = bytes.n < SIGNATURE_BYTES ? bytes.n : SIGNATURE_BYTES;
    enum proxy_protocol_result result;
    size_t length;

    if (look > 0 && memcmp(p, signature, look) != 0)
        return PROXY_PROTOCOL_BAD;
    if (bytes.n < HEADER_BYTES)
        return PROXY_PROTOCOL_MORE;
    length = be16(p + 14);
    if ((p[12] != COMMAND_LOCAL && p[12] != COMMAND_PROXY) ||
        HEADER_BYTES + length > PROXY_PROTOCOL_MAX_BYTES)
        return PROXY_PROTOCOL_BAD;
    if (bytes.n < HEADER_BYTES + length)
        return PROXY_PROTOCOL_MORE;
    /* LOCAL: whatever the address block says is to be ignored. */
    result = p[12] == COMMAND_LOCAL
                 ? PROXY_PROTOCOL_LOCAL
                 : source_address(str_n(bytes.p + HEADER_BYTES, length), p[13], said);
    if (result != PROXY_PROTOCOL_BAD)
        *used = HEADER_BYTES + length;
    return result;
}

void proxy_protocol_format(const struct proxy_protocol *p, struct buf *out)
{
    static const char nothing[IPV6_BYTES / 2 - 2];
    static const char tls[] = { EXTENSION_TLS, 0, TLS_BYTES, CLIENT_HAS_TLS, 0, 0, 0, 0 };
    bool six = p->client.family == 6;
    size_t ip = six ? 16 : 4;
    size_t length = 2 * (ip + 2) + (p->tls ? sizeof(tls) : 0);

    buf_put(out, str_n((const char *)signature, sizeof(signature)));
    buf_putc(out, COMMAND_PROXY);
    buf_putc(out, six ? TCP_OVER_IPV6 : TCP_OVER_IPV4);
    buf_putc(out, 0);
    buf_putc(out, (char)length);
    buf_put(out, str_n((const char *)p->client.ip, ip));
    buf_put(out, str_n(nothing, ip));
    buf_putc(out, (char)(p->client.port >> 8));
    buf_putc(out, (char)p->client.port);
    buf_put(out, str_n(nothing, 2));
    if (p->tls)
        buf_put(out, str_n(tls, sizeof(tls)));
}
