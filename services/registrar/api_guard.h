/* api_guard.h - what the admin API looks at before a handler: bodies and tokens.
 *
 * Each function is true when the request may go on; otherwise it has filled the answer.
 * Thread: the exchange's.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct http_exchange;
struct web;

/* A body, if there is one, is a JSON object and says so. */
bool api_guard_body(struct http_exchange *x);

/* *token, borrowed from the request, is what the Authorization header brings. */
bool api_guard_token(struct http_exchange *x, str_t *token);

/* The token is valid.  Asks the database; *name, in the exchange's arena, is the token's.
 */
bool api_guard_admits(const struct web *web, struct http_exchange *x, str_t token,
                      str_t *name);
