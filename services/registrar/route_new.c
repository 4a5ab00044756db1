/* route_new.c - /new: name and password of an account to be (chatmail spec 1.1).
 *
 * Nothing is stored here; the account appears at its first login.  In front of a browser
 * a GET opens the app, except where certificates cannot be verified: the app would refuse
 * to fetch anything from here, so the answer itself holds all it needs.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rate.h"
#include "credentials.h"
#include "hour.h"
#include "invite.h"
#include "json.h"
#include "net/cidr.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "site.h"
#include "web.h"

enum { ANSWER_MAX_BYTES = 4096, OVERLOAD_RETRY_SECONDS = 60, FULL_RETRY_SECONDS = 600 };

static void refuse_later(struct http_exchange *x, int status, unsigned seconds,
                         const char *reason)
{
    reply_reason(x, status, reason);
    http_server_add_header(x, "Retry-After", arena_printf(x->arena, "%u", seconds));
}

/* Each is true when somebody may come; otherwise the answer says why not. */

static bool is_within_limits(const struct web *web, struct http_exchange *x)
{
    uint64_t network = addr_network_key(&x->request.client);
    int64_t retry_ms;

    if (!rate_take(web->rate, network, clock_monotonic_us(), &retry_ms)) {
        refuse_later(x, 429, (unsigned)((retry_ms + 999) / 1000),
                     "Too many accounts were asked for from your network. "
                     "Please try again in a minute.");
        return false;
    }
    if (cidr_is_private(&x->request.client) && hour_is_full(web->hour)) {
        refuse_later(x, 429, FULL_RETRY_SECONDS,
                     "Too many accounts were made here in this hour. "
                     "Please try again in the next one.");
        return false;
    }
    return true;
}

static bool is_open(const struct web *web, struct http_exchange *x)
{
    switch (site_registration(web->site)) {
    case SITE_OPEN:
        return true;
    case SITE_CLOSED:
        reply_reason(x, 403, "This server takes no new profiles at the moment.");
        return false;
    case SITE_OVERLOADED:
        refuse_later(x, 503, OVERLOAD_RETRY_SECONDS,
                     "This server is very busy. Please try again in some minutes.");
        return false;
    }
    return false;
}

static void answer_credentials(const struct web *web, struct http_exchange *x)
{
    struct buf *body = arena_buf(x->arena, ANSWER_MAX_BYTES);
    str_t login = S("");
    struct credentials c;

    credentials_draw(&web->site->rules, x->arena, &c);
    if (!web->site->is_trusted)
        login = invite_login_text(web->site, x->arena, &c);
    json_credentials(c.email, c.password, login, body);
    reply_json(x, 200, buf_str(body));
}

void route_new(const struct web *web, struct http_exchange *x)
{
    bool opens_app = web->site->is_trusted && !str_eq(x->request.method, S("POST"));

    if (opens_app && is_open(web, x))
        reply_redirect(
            x, 301,
            arena_printf(x->arena, "dcaccount:%.*s/new", STR_ARG(web->site->base_url)));
    else if (!opens_app && is_within_limits(web, x) && is_open(web, x))
        answer_credentials(web, x);
}
