/* route_account_change.c - PATCH /api/v1/accounts/{address}: an account's switches. */
#include "api_account.h"
#include "api_reply.h"
#include "json.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_account.h"
#include "web.h"

void route_account_change(const struct web *web, struct http_exchange *x)
{
    struct json_account_change change;
    str_t address = S("");
    enum rc rc;

    if (!json_account_change(x->request.body, &change)) {
        api_reply_status(x, 400,
                         "The body says what to change: {\"encrypted_only\": true} or "
                         "{\"encrypted_only\": false}.");
        return;
    }
    rc = api_account_address(web, x, &address);
    if (rc == RC_OK)
        rc = store_account_set_encrypted_only(web->db, address, change.encrypted_only);
    api_account_reply(web, x, address, rc);
}
