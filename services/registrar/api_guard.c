/* api_guard.c - bearer tokens (RFC 6750) and JSON bodies.
 *
 * A token is looked for by its SHA-256, so the time that this takes tells nothing of how
 * much of a guess was right.  Wrong ones cost a network, so that nobody makes the
 * database look for guesses all day; what a private address sends may be anybody's, and
 * is not counted.
 */
#include "api_guard.h"

#include "account/api_token.h"
#include "api_reply.h"
#include "base/clock.h"
#include "base/rate.h"
#include "json.h"
#include "net/cidr.h"
#include "net/http_server.h"
#include "store/store_api_token.h"
#include "web.h"

bool api_guard_body(struct http_exchange *x)
{
    str_t type = http_server_header(x, "Content-Type"), rest = type;

    if (x->request.body.n == 0)
        return true;
    str_split(&rest, ';', &type);
    if (!str_eq_nocase(str_trim(type), S("application/json"))) {
        api_reply_status(x, 415, NULL);
        return false;
    }
    if (!json_is_one(x->request.body)) {
        api_reply_status(x, 400, "The body is not one JSON object.");
        return false;
    }
    return true;
}

static void refuse_token(struct http_exchange *x, const char *challenge,
                         const char *message)
{
    api_reply_status(x, 401, message);
    http_server_add_header(x, "WWW-Authenticate", challenge);
}

bool api_guard_token(struct http_exchange *x, str_t *token)
{
    str_t rest = str_trim(http_server_header(x, "Authorization")), scheme;

    if (!str_split(&rest, ' ', &scheme) || !str_eq_nocase(scheme, S("Bearer"))) {
        refuse_token(x, "Bearer realm=\"postbus\"", NULL);
        return false;
    }
    *token = str_trim(rest);
    if (api_token_is(*token))
        return true;
    refuse_token(x, "Bearer realm=\"postbus\", error=\"invalid_token\"",
                 "What was sent as a token is none: at least 32 letters and digits.");
    return false;
}

static bool may_try(const struct web *web, struct http_exchange *x, uint64_t network)
{
    int64_t retry_ms;

    if (network == 0 ||
        rate_take(web->wrong_tokens, network, clock_monotonic_us(), &retry_ms))
        return true;
    api_reply_later(x, 429, (unsigned)((retry_ms + 999) / 1000),
                    "Too many wrong tokens came from your network. Please try again in a "
                    "minute.");
    return false;
}

bool api_guard_admits(const struct web *web, struct http_exchange *x, str_t token,
                      str_t *name)
{
    uint64_t network = cidr_client_key(&x->request.client);
    unsigned char raw[API_TOKEN_HASH_BYTES];
    str_t hash = str_n((const char *)raw, sizeof(raw));
    struct store_api_token found;
    enum rc rc;

    if (!may_try(web, x, network))
        return false;
    api_token_hash(token, raw);
    rc = store_api_token_find(x->arena, web->db, hash, &found);
    if (rc == RC_NOT_FOUND) {
        refuse_token(
            x, "Bearer realm=\"postbus\", error=\"invalid_token\"",
            "This token is not valid, or not any more; `postbusctl token create` "
            "makes another.");
        return false;
    }
    if (network != 0)
        rate_give_back(web->wrong_tokens, network, clock_monotonic_us());
    if (rc == RC_OK && !found.used_today)
        rc = store_api_token_used(web->db, hash);
    if (rc != RC_OK) {
        api_reply_rc(x, rc);
        return false;
    }
    *name = found.name;
    return true;
}
