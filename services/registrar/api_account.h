/* api_account.h - what all routes of one account have in common: its address and the
 * answer.  Thread: the exchange's. */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct http_exchange;
struct web;

/* The route's {address} in its one form.  RC_INVALID: no account can have this one. */
enum rc api_account_address(const struct web *web, struct http_exchange *x,
                            str_t *address) RC_CHECKED;

/* After RC_OK the account as it is now, otherwise what went wrong. */
void api_account_reply(const struct web *web, struct http_exchange *x, str_t address,
                       enum rc rc);
