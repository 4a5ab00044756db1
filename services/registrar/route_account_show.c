/* route_account_show.c - GET /api/v1/accounts/{address}: one account. */
#include "api_account.h"
#include "route.h"

void route_account_show(const struct web *web, struct http_exchange *x)
{
    str_t address = S("");
    enum rc rc = api_account_address(web, x, &address);

    api_account_reply(web, x, address, rc);
}
