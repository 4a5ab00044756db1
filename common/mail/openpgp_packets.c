/* openpgp_packets.c - a machine that reads tags and lengths, and counts bodies down. */
#include "mail/openpgp_packets.h"

#include <stddef.h>

enum {
    PACKET_PKESK = 1,
    PACKET_SKESK = 3,
    PACKET_SEIPD = 18,
};

static void end_of_body(struct openpgp_packets *p)
{
    if (p->partial)
        p->state = OPENPGP_PACKETS_AT_LENGTH;
    else
        p->state =
            p->tag == PACKET_SEIPD ? OPENPGP_PACKETS_AT_END : OPENPGP_PACKETS_AT_TAG;
}

static void start_body(struct openpgp_packets *p)
{
    p->state = OPENPGP_PACKETS_IN_BODY;
    if (p->left == 0)
        end_of_body(p);
}

static void take_tag(struct openpgp_packets *p, unsigned char c)
{
    static const unsigned char legacy_octets[] = { 1, 2, 4 };

    p->tag = (c & 0x40) != 0 ? c & 0x3f : c >> 2 & 0x0f;
    p->left = 0;
    p->bias = 0;
    p->partial = false;
    if ((c & 0x80) == 0 ||
        (p->tag != PACKET_PKESK && p->tag != PACKET_SKESK && p->tag != PACKET_SEIPD)) {
        p->state = OPENPGP_PACKETS_BROKEN;
    } else if ((c & 0x40) != 0) {
        p->state = OPENPGP_PACKETS_AT_LENGTH;
    } else if ((c & 3) == 3) { /* indeterminate: as long as whatever follows */
        p->state = OPENPGP_PACKETS_BROKEN;
    } else {
        p->state = OPENPGP_PACKETS_IN_LENGTH;
        p->length_octets = legacy_octets[c & 3];
    }
}

static void take_length(struct openpgp_packets *p, unsigned char c)
{
    p->partial = false;
    p->bias = 0;
    if (c < 192) {
        p->left = c;
        start_body(p);
    } else if (c < 224) {
        p->left = c - 192u;
        p->bias = 192;
        p->length_octets = 1;
        p->state = OPENPGP_PACKETS_IN_LENGTH;
    } else if (c < 255) {
        p->left = (uint64_t)1 << (c & 0x1f);
        p->partial = true;
        start_body(p);
    } else {
        p->left = 0;
        p->length_octets = 4;
        p->state = OPENPGP_PACKETS_IN_LENGTH;
    }
}

/* Returns how many of the bytes were used, at least one of them. */
static size_t step(struct openpgp_packets *p, str_t bytes)
{
    unsigned char c = (unsigned char)bytes.p[0];
    size_t take;

    switch (p->state) {
    case OPENPGP_PACKETS_AT_TAG:
        take_tag(p, c);
        return 1;
    case OPENPGP_PACKETS_AT_LENGTH:
        take_length(p, c);
        return 1;
    case OPENPGP_PACKETS_IN_LENGTH:
        p->left = p->left << 8 | c;
        if (--p->length_octets == 0) {
            p->left += p->bias;
            start_body(p);
        }
        return 1;
    case OPENPGP_PACKETS_IN_BODY:
        take = p->left < bytes.n ? (size_t)p->left : bytes.n;
        openpgp_packets_skip(p, take);
        return take;
    default:
        p->state = OPENPGP_PACKETS_BROKEN;
        return bytes.n;
    }
}

void openpgp_packets_feed(struct openpgp_packets *p, str_t bytes)
{
    while (bytes.n > 0)
        bytes = str_skip(bytes, step(p, bytes));
}

uint64_t openpgp_packets_unread(const struct openpgp_packets *p)
{
    return p->state == OPENPGP_PACKETS_IN_BODY ? p->left : 0;
}

void openpgp_packets_skip(struct openpgp_packets *p, uint64_t n)
{
    if (n == 0)
        return;
    p->left -= n;
    if (p->left == 0)
        end_of_body(p);
}
