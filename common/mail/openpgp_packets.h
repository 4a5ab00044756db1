/* openpgp_packets.h - do these bytes, in whatever pieces they come, make one encrypted
 * OpenPGP message and nothing besides?
 *
 * Looks at the packets' frames only: any number of session key packets (1, 3) and then
 * one SEIPD packet (18, of any version) that ends where the bytes end.  Chatmail
 * spec 2.5, RFC 9580 4.2.  Constant memory.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum openpgp_packets_state {
    OPENPGP_PACKETS_AT_TAG,    /* the first one: zeroed memory has seen nothing yet */
    OPENPGP_PACKETS_AT_LENGTH, /* the first octet of a new format length */
    OPENPGP_PACKETS_IN_LENGTH, /* the following octets of a length */
    OPENPGP_PACKETS_IN_BODY,
    OPENPGP_PACKETS_AT_END, /* the SEIPD packet is complete: nothing may follow */
    OPENPGP_PACKETS_BROKEN, /* and stays so */
};

struct openpgp_packets {
    enum openpgp_packets_state state;
    unsigned tag;
    unsigned length_octets; /* still to come */
    uint64_t left;          /* [bytes] of the body, or the length as read so far */
    unsigned bias;          /* added to a length when it is complete */
    bool partial;           /* another length follows this piece of the body */
};

void openpgp_packets_feed(struct openpgp_packets *p, str_t bytes);

/* Bytes that are next and are not looked at whatever they are; openpgp_packets_skip
 * takes so many at most. */
uint64_t openpgp_packets_unread(const struct openpgp_packets *p);
void openpgp_packets_skip(struct openpgp_packets *p, uint64_t n);
