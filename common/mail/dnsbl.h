/* dnsbl.h - lists in the DNS of hosts and domains with a reputation, and what they say of
 * a client together.
 *
 * As an option has them:
 *
 *   zen.example score=2, dwl.example look=ehlo+mailfrom score=-5 responses=127.0.0.2
 *
 * Between commas, a zone and then in any order
 *   look       what is asked about: ipv4, ipv6 (the client's address), ehlo (the name by
 *              which it greets), mailfrom (the sender's domain), with + between; both
 *              addresses if it is missing
 *   responses  the answers that mean "listed", IPv4 networks with + between; 127.0.0.0/24
 *              if it is missing
 *   score      whole number, -1000 to 1000; negative for who is trusted; 1 if missing
 * The same zone may stand there several times, for other answers with other scores; it is
 * asked once.  RFC 5782.
 *
 * Limits: DNSBL_LISTS_MAX lists, DNSBL_NETWORKS_MAX networks of each.
 * Pure: it asks by a table and is called again when that is answered.  Thread: that which
 * has the table.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct dns_table;

enum {
    DNSBL_LISTS_MAX = 16,
    DNSBL_NETWORKS_MAX = 8,
    DNSBL_SCORE_MAX = 1000,
    DNSBL_TEXT_MAX = 4096,
};

enum dnsbl_look {
    DNSBL_IPV4 = 1 << 0,
    DNSBL_IPV6 = 1 << 1,
    DNSBL_EHLO = 1 << 2,
    DNSBL_MAILFROM = 1 << 3,
};

struct dnsbl_network {
    uint32_t address, mask; /* host order */
};

struct dnsbl_list {
    str_t zone;
    unsigned look; /* enum dnsbl_look */
    int score;
    struct dnsbl_network networks[DNSBL_NETWORKS_MAX];
    size_t network_count;
};

struct dnsbl {
    const char *text; /* as it was read */
    const struct dnsbl_list *lists;
    size_t count; /* 0: there is none */
};

/* RC_INVALID: why says what is wrong in which list.  In the arena. */
enum rc dnsbl_parse(struct arena *a, str_t text, struct dnsbl *out, char *why,
                    size_t room) RC_CHECKED;

struct dnsbl_client {
    const unsigned char *ip; /* network order; NULL: it has none that says anything */
    size_t ip_bytes;         /* 4 or 16 */
    str_t hello;             /* empty: no name */
    str_t domain;            /* of the sender, as the DNS has it; empty: none */
};

struct dnsbl_outcome {
    bool wait;    /* the table has questions, and the rest is not known */
    int score;    /* of the lists that have answered */
    size_t lists; /* that named the client */
    str_t zone;   /* the first of them with a positive score; empty: none */
    bool failed;  /* a list did not answer */
};

struct dnsbl_outcome dnsbl_check(struct arena *a, struct dns_table *t,
                                 const struct dnsbl *d, const struct dnsbl_client *c);
