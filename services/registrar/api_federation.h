/* api_federation.h - what the routes of the federation lists have in common. */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct http_exchange;
struct web;

/* What the path names, as it is stored.  False: it is no pattern, which is answered. */
bool api_federation_pattern(const struct web *web, struct http_exchange *x,
                            str_t *pattern);

/* After a commit: who keeps the lists at hand reads them again.  A hint that is lost
 * costs them a minute. */
void api_federation_tell(const struct web *web);
