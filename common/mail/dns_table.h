/* dns_table.h - what was asked of the DNS about a message, and what it said.
 *
 * Code here asks nobody: it writes its questions into a table and comes back when they
 * are answered.  Whoever has a resolver asks what is DNS_TABLE_WANTED, fills in `state`
 * and, for DNS_TABLE_RECORDS, the rdata as it came, names in it uncompressed.  An answer
 * is used by everybody who shares the table.
 *
 * A name that cannot be asked (an empty label, one of more than 63 bytes, more than 253
 * in all, bytes other than visible ASCII and blanks) does not exist, and is never wanted.
 *
 * Limits: DNS_TABLE_ROWS_MAX questions; beyond, the answer is DNS_TABLE_FAILED.
 *
 * Pure.  Lives in the arena.  Thread: one at a time.  RFC 1035.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { DNS_TABLE_ROWS_MAX = 256, DNS_TABLE_NAME_MAX_BYTES = 253 };

enum {
    DNS_TABLE_A = 1,
    DNS_TABLE_PTR = 12,
    DNS_TABLE_MX = 15,
    DNS_TABLE_TXT = 16,
    DNS_TABLE_AAAA = 28,
};

enum dns_table_state {
    DNS_TABLE_WANTED,   /* not answered yet */
    DNS_TABLE_RECORDS,  /* there are some */
    DNS_TABLE_NODATA,   /* the name exists, that type at it does not */
    DNS_TABLE_NXDOMAIN, /* the name does not exist */
    DNS_TABLE_FAILED,   /* no usable answer now: SERVFAIL, timeout, bogus */
};

struct dns_table_row {
    str_t name; /* without a final dot; empty: it cannot be asked */
    int type;
    enum dns_table_state state;
    size_t count;
    const str_t *records; /* rdata */
    void *question;       /* the asker's own; NULL at first */
    struct dns_table_row *next;
};

struct dns_table {
    struct arena *arena;
    struct dns_table_row *first, *last; /* in the order of asking */
    size_t count;
};

void dns_table_init(struct dns_table *t, struct arena *a);

/* The row of that question, new or old.  Never NULL; of the table unless the name cannot
 * be asked or there are too many.  The name is copied. */
struct dns_table_row *dns_table_ask(struct dns_table *t, str_t name, int type);

/* The first row after `after` (NULL: from the start) that is wanted; NULL: none is. */
struct dns_table_row *dns_table_wanted(const struct dns_table *t,
                                       const struct dns_table_row *after);

bool dns_table_is_name(str_t name); /* it could be asked, with or without a final dot */

/* The strings of a TXT record's rdata as one.  False: malformed. */
bool dns_table_text(struct arena *a, str_t rdata, str_t *out);
/* The host of an MX or PTR record's rdata; "" is the root.  False: malformed, or not a
 * name that could be asked. */
bool dns_table_host(struct arena *a, int type, str_t rdata, str_t *out);
