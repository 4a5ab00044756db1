/* proxy_protocol.c - sixteen fixed bytes, addresses, and extensions that are skipped. */
#include "net/proxy_protocol.h"

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
};

static const unsigned char signature[SIGNATURE_BYTES] = { 0x0d, 0x0a, 0x0d, 0x0a,
                                                          0x00, 0x0d, 0x0a, 0x51,
                                                          0x55, 0x49, 0x54, 0x0a };

static unsigned be16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static enum proxy_protocol_result source_address(const unsigned char *p, size_t n,
                                                 unsigned family, struct addr *client)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

    *client = (struct addr){ 0 };
    if (family == TCP_OVER_IPV4 && n >= IPV4_BYTES) {
        client->family = 4;
        memcpy(client->ip, p, 4);
        client->port = (uint16_t)be16(p + 8);
        return PROXY_PROTOCOL_ADDRESS;
    }
    if (family == TCP_OVER_IPV6 && n >= IPV6_BYTES) {
        memcpy(&in6.sin6_addr, p, 16);
        addr_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), client);
        client->port = (uint16_t)be16(p + 32);
        return PROXY_PROTOCOL_ADDRESS;
    }
    return PROXY_PROTOCOL_BAD;
}

enum proxy_protocol_result proxy_protocol_parse(str_t bytes, struct addr *client,
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
                 : source_address(p + HEADER_BYTES, length, p[13], client);
    if (result != PROXY_PROTOCOL_BAD)
        *used = HEADER_BYTES + length;
    return result;
}
