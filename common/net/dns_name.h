/* dns_name.h - host names, as text and in wire form.
 *
 * Letters, digits, hyphens and underscores only, where nothing else is said.  Pure.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct arena;

enum { DNS_NAME_MAX_BYTES = 253, DNS_NAME_ASKED_BYTES = 4 * DNS_NAME_MAX_BYTES + 1 };

enum dns_name_kind {
    DNS_NAME_HOST,
    DNS_NAME_ANY, /* with visible ASCII and blanks in its labels, as SPF makes them */
};

/* A name beyond ASCII in the form under which DNS has it; others as they are. RC_INVALID:
 * it has none. */
enum rc dns_name_to_ascii(struct arena *a, str_t name, str_t *out) RC_CHECKED;

/* In a resolver library's form, other bytes than a host's as "\DDD" (RFC 1035 5.1), and
 * without a final dot.  RC_INVALID: not a name. */
enum rc dns_name_to_ask(str_t name, enum dns_name_kind kind,
                        char out[DNS_NAME_ASKED_BYTES]) RC_CHECKED;

/* A name in wire form, which must fill the rdata; "" is the root.  *out in lower case. */
bool dns_name_of_wire(struct arena *a, str_t wire, str_t *out);
