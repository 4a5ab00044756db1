/* milters.h - where milters listen, as the option writes it: inet:host:port or
 * unix:/path, several separated by commas or blanks.
 *
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>

struct arena;

enum { MILTERS_MAX = 8 };

struct milters_address {
    const char *text; /* as written, for logs */
    const char *path; /* of a socket; NULL: */
    const char *host; /* a name or an address, without brackets */
    const char *port;
};

struct milters {
    struct milters_address all[MILTERS_MAX];
    size_t count;
};

/* RC_INVALID: *why says what is wrong. */
enum rc milters_parse(struct arena *a, str_t text, struct milters *out,
                      const char **why) RC_CHECKED;
