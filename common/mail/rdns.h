/* rdns.h - is a client's name its own, in both directions of the DNS?
 *
 * Its address must have a PTR record with the name by which it greets, and that name the
 * address.  RFC 1912 2.1, RFC 8601 2.7.3 (iprev).
 *
 * Limits: the first RDNS_NAMES_MAX names of an address are looked at.
 * Pure: it asks by a table and is called again when that is answered.
 * Thread: that which has the table.
 */
#pragma once

#include "base/str.h"

struct arena;
struct dns_table;

enum { RDNS_NAMES_MAX = 10, RDNS_ADDRESS_BYTES = 73 };

enum rdns_result {
    RDNS_WAIT, /* the table has questions */
    RDNS_PASS,
    RDNS_NO_NAME,       /* the address has none */
    RDNS_OTHER_NAME,    /* none of its names is that of the greeting */
    RDNS_NOT_CONFIRMED, /* one is, and that name has other addresses */
    RDNS_FAILED,        /* the DNS does not say it now */
};

/* "1.2.0.192" or the 32 nibbles of an IPv6 address: without a zone behind.  ip has 4 or
 * 16 bytes, in network order. */
str_t rdns_labels(struct arena *a, const unsigned char *ip, size_t n);

/* hello: a host name. */
enum rdns_result rdns_check(struct arena *a, struct dns_table *t, const unsigned char *ip,
                            size_t n, str_t hello);
