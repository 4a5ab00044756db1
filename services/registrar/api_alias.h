/* api_alias.h - what the routes of one alias have in common. */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct http_exchange;
struct web;

/* What the path names, as it is stored.  False: it is no name for an alias, which is
 * answered. */
bool api_alias_key(const struct web *web, struct http_exchange *x, str_t *key);

/* The alias as it is, or that there is none, or what rc says. */
void api_alias_reply(const struct web *web, struct http_exchange *x, str_t key,
                     enum rc rc);
