/* spf_record.h - the text of an SPF record, term by term.
 *
 * spf_record_parse looks at all of it, so an error anywhere is seen before the first term
 * counts (RFC 7208 4.6); spf_record_next then gives the mechanisms in order.  Nothing is
 * allocated: everything borrows from the text.
 * Limits: a record of at most SPF_RECORD_MAX_BYTES; a longer one is malformed.
 * Pure.  Thread: any.  RFC 7208 4.5, 4.6, 5, 6, 12.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

enum { SPF_RECORD_MAX_BYTES = 16 * 1024 };

enum spf_record_kind {
    SPF_RECORD_ALL,
    SPF_RECORD_INCLUDE,
    SPF_RECORD_A,
    SPF_RECORD_MX,
    SPF_RECORD_PTR,
    SPF_RECORD_IP4,
    SPF_RECORD_IP6,
    SPF_RECORD_EXISTS,
};

struct spf_record_term {
    enum spf_record_kind kind;
    char qualifier;       /* + - ~ ? */
    str_t text;           /* the whole term, as written */
    str_t domain;         /* domain-spec, macros unexpanded; empty: the current domain */
    unsigned char ip[16]; /* IP4 (the first four bytes), IP6; network order */
    unsigned prefix4, prefix6; /* [bits] A, MX: both; IP4, IP6: its own */
};

struct spf_record {
    str_t rest;     /* mechanisms that spf_record_next has not given yet, among others */
    str_t redirect; /* domain-spec; empty: none */
    str_t exp;      /* domain-spec; empty: none */
};

/* Does a TXT record begin as one of SPF's does? */
bool spf_record_is(str_t text);

/* RC_INVALID: a syntax error somewhere, which is a permerror. */
enum rc spf_record_parse(str_t text, struct spf_record *out) RC_CHECKED;

/* The next mechanism; false: that was the last. */
bool spf_record_next(struct spf_record *r, struct spf_record_term *out);
