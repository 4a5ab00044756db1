/* api_account.c - an address that no account can have is answered as one that none has.
 */
#include "api_account.h"

#include "account/rules.h"
#include "api_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"
#include "route_path.h"
#include "site.h"
#include "store/store_account_show.h"
#include "web.h"

enum rc api_account_address(const struct web *web, struct http_exchange *x,
                            str_t *address)
{
    return rules_login_address(&web->site->rules, x->arena,
                               route_path_get(web->params, "address"), address);
}

void api_account_reply(const struct web *web, struct http_exchange *x, str_t address,
                       enum rc rc)
{
    struct buf *body = arena_buf(x->arena, API_REPLY_MAX_BYTES);
    struct store_account_show account;

    if (rc == RC_OK)
        rc = store_account_show(x->arena, web->db, address, &account);
    if (rc == RC_NOT_FOUND || rc == RC_INVALID) {
        api_reply_status(x, 404,
                         arena_printf(x->arena,
                                      "No account has this address; they are "
                                      "NAME@%.*s.",
                                      STR_ARG(web->site->mail_domain)));
        return;
    }
    if (rc != RC_OK) {
        api_reply_rc(x, rc);
        return;
    }
    json_account(&account, body);
    api_reply(x, 200, buf_str(body));
}
