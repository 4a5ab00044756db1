/* address.h - mail addresses of envelopes and logins, and whose message this is.
 *
 * Pure.  The strict grammar is an allow-list: dot-atom local part without '%' and '!'
 * (no routing tricks), host name or IPv4 literal "[1.2.3.4]"; no quoted local parts.  The
 * whole one is everything that RFC 5321 4.1.2 and RFC 6531 3.3 call a Mailbox.  Neither
 * has source routes.  RFC 5322 3.4.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { ADDRESS_MAX_BYTES = 254, ADDRESS_LOCAL_MAX_BYTES = 64 };

enum address_flags {
    ADDRESS_UTF8 =
        1 << 0, /* letters beyond ASCII are allowed, as valid UTF-8 (RFC 6531) */
    ADDRESS_FULL = 1 << 1, /* the whole grammar, which knows no lengths */
};

struct address {
    str_t text;   /* local@domain */
    str_t local;  /* points into text; with its quotes if it has any */
    str_t domain; /* points into text; with its brackets if it is a literal */
};

/* RC_INVALID, or RC_LIMIT when too long.  *out borrows from text. */
enum rc address_parse(str_t text, unsigned flags, struct address *out) RC_CHECKED;

/* A host name as EHLO and addresses may have: labels of letters, digits, '-' and '_'. */
bool address_is_domain(str_t text, unsigned flags);
bool address_is_ipv4_literal(str_t text); /* "[1.2.3.4]" */
bool address_is_ip_literal(str_t text);   /* the same, or "[IPv6:...]" */
bool address_is_utf8(str_t text);         /* well formed, ASCII included */

/* ASCII lower case, in the arena: the form under which accounts are stored. */
str_t address_normalise(struct arena *a, str_t text);

/* Without quotes that change nothing: "ab"@c gives ab@c, "a b"@c stays (RFC 5321 4.1.2:
 * the two forms are one mailbox). */
str_t address_unquote(struct arena *a, str_t text);

/* Without the tag that one of the delimiters begins: with "+", user+tag@domain gives
 * user@domain.  What is quoted, or begins with a delimiter, stays. */
str_t address_untag(struct arena *a, str_t text, str_t delimiters);

/* The mailbox of a From field's value, in the form that an envelope has.  RC_INVALID if
 * there is not just one (address_list_single), or if it does not satisfy the whole
 * grammar in UTF-8. */
enum rc address_from_header(struct arena *a, str_t value, struct address *out) RC_CHECKED;

/* The author of a message.  RC_NOT_FOUND: no From field; RC_CONFLICT: more than one (a
 * reader might show the other one); RC_INVALID: see address_from_header. */
enum rc address_author(struct arena *a, str_t message, struct address *out) RC_CHECKED;
