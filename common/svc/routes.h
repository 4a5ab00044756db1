/* routes.h - the option `routes`: whose mail leaves by another way than its MX records.
 *
 * domain=scheme://host:port, several separated by blanks or commas.  The domain * stands
 * for all that have no route of their own, the way mx for a domain's MX records;
 * domain=host:port is short for smtp.  transports.def has the schemes.
 * A way is handed on as its target, "smtp://relay.example:587", in one spelling: it is
 * what a row of queue_remote carries.
 * Thread: any; immutable once parsed.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct routes {
    const struct routes_row *row;
    size_t count;
    str_t rest; /* the target of all other domains; empty: their MX records */
};

/* RC_INVALID: why says what is wrong and what to write. */
enum rc routes_parse(struct arena *a, str_t text, struct routes *out, char *why,
                     size_t room) RC_CHECKED;

/* A domain's target; empty: its MX records. */
str_t routes_find(const struct routes *r, str_t domain);

struct routes_target {
    str_t scheme, host; /* host: a name, or an address without brackets */
    uint16_t port;
};

/* False: that is none. */
bool routes_target_parse(str_t target, struct routes_target *out);
