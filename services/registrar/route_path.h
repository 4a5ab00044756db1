/* route_path.h - does a request's path fit a row's, and what stands in its parameters?
 *
 * A row's path is made of names and of {parameters}, each of which takes one segment
 * whole: "/api/v1/accounts/{address}".  Names are compared as they are; a parameter is
 * percent-decoded exactly (RFC 3986 2.1), after the path was cut at its slashes, so that
 * "%2F" is a slash within a parameter.
 * Pure and fuzzed.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stddef.h>

struct arena;

enum {
    ROUTE_PATH_PARAMS_MAX = 4,
    ROUTE_PATH_VALUE_MAX_BYTES = 1024, /* decoded */
};

struct route_path_params {
    struct {
        str_t name;  /* of the row */
        str_t value; /* in the arena: never empty, UTF-8 without control characters */
    } list[ROUTE_PATH_PARAMS_MAX];
    size_t count;
};

enum route_path_fit {
    ROUTE_PATH_OTHER,     /* another path */
    ROUTE_PATH_FITS,      /* *out is set */
    ROUTE_PATH_MALFORMED, /* it would fit, but for a parameter that can be no text */
};

enum route_path_fit route_path_match(struct arena *a, str_t row, str_t path,
                                     struct route_path_params *out);

/* Empty when the row has no such parameter. */
str_t route_path_get(const struct route_path_params *p, const char *name);
