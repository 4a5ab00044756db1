/* router.c - dispatch, and the rules that hold for every path. */
#include "router.h"

#include "base/arena.h"
#include "base/metric.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "site.h"
#include "web.h"
#include "www.h"

enum { GET = 1 << 0, POST = 1 << 1 };
enum route_kind { PAGE, DATA, API };

#define HSTS "max-age=31536000"

/* Answers what no row names: a file of the operator, or 404. */
static void route_other(const struct web *web, struct http_exchange *x);

enum { RESULT_OK, RESULT_REFUSED, RESULT_FAILED, RESULTS };
#define COUNTER(path, result)                                                            \
    {                                                                                    \
        METRIC_COUNTER, "postbus_registrar_requests",                                    \
            "path=\"" path "\",result=\"" result "\"", "HTTP requests answered.", 0,     \
            { 0 }, 0, NULL                                                               \
    }

static struct route {
    const char *path;
    web_route_fn handler;
    unsigned methods;
    enum route_kind kind;
    struct metric answered[RESULTS];
} routes[] = {
#define ROUTE(path, handler, methods, kind)                                              \
    { path,                                                                              \
      handler,                                                                           \
      methods,                                                                           \
      kind,                                                                              \
      { COUNTER(path, "ok"), COUNTER(path, "refused"), COUNTER(path, "failed") } },
#include "routes.def"
#undef ROUTE
};

static struct route other = { "other",
                              route_other,
                              GET,
                              PAGE,
                              { COUNTER("other", "ok"), COUNTER("other", "refused"),
                                COUNTER("other", "failed") } };

static void route_other(const struct web *web, struct http_exchange *x)
{
    const char *type;
    str_t body;

    if (www_read(web->www, x->arena, x->request.path, &type, &body) == RC_OK)
        reply_file(x, type, body);
    else
        reply_error_page(web, x, 404, NULL);
}

static struct route *find_route(str_t path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (str_eq(str_of(routes[i].path), path))
            return &routes[i];
    return &other;
}

static unsigned method_bit(str_t method)
{
    if (str_eq(method, S("GET")) || str_eq(method, S("HEAD")))
        return GET;
    return str_eq(method, S("POST")) ? POST : 0;
}

static bool is_loopback(const struct addr *a)
{
    static const uint8_t v6[16] = { [15] = 1 };

    if (a->family == 4)
        return a->ip[0] == 127;
    return a->family == 6 && str_eq(str_n((const char *)a->ip, sizeof(a->ip)),
                                    str_n((const char *)v6, sizeof(v6)));
}

/* Certificate authorities ask for their proof in the clear (RFC 8555 8.3). */
static bool is_challenge(str_t path)
{
    return str_starts(path, S("/.well-known/acme-challenge/"));
}

static bool may_answer_here(const struct http_request *r)
{
    return r->https || is_loopback(&r->client) || is_challenge(r->path);
}

/* "www.<domain>", which the DNS zone points here too.  Not when the operator chose such
 * a name as our own. */
static bool is_www_host(const struct web *web, const struct http_exchange *x)
{
    str_t host = http_server_header(x, "Host");
    size_t colon = str_find_char(host, ':');

    if (web->site->has_own_host || !str_starts_nocase(host, S("www.")))
        return false;
    host = str_skip(str_head(host, colon), 4);
    return str_eq_nocase(host, web->site->mail_domain);
}

static void redirect_home(const struct web *web, struct http_exchange *x)
{
    str_t path = www_is_plain_path(x->request.path) ? x->request.path : S("/");

    reply_redirect(
        x, 301,
        arena_printf(x->arena, "%.*s%.*s", STR_ARG(web->site->base_url), STR_ARG(path)));
}

/* advice: NULL for what is usually said with this status. */
static void refuse(const struct web *web, struct http_exchange *x,
                   const struct route *route, int status, const char *advice)
{
    if (route->kind == API)
        reply_error_json(x, status, advice);
    else
        reply_error_page(web, x, status, advice);
}

static void refuse_method(const struct web *web, struct http_exchange *x,
                          const struct route *route)
{
    const char *allowed = route->methods & POST ? "GET, HEAD, POST" : "GET, HEAD";

    refuse(web, x, route, 405, arena_printf(x->arena, "Possible here: %s.", allowed));
    http_server_add_header(x, "Allow", allowed);
}

static void answer_page(const struct web *web, struct http_exchange *x,
                        const struct route *route)
{
    const char *type;
    str_t body;

    if (!web->has_pages)
        reply_error_page(web, x, 404, NULL);
    else if (www_read(web->www, x->arena, x->request.path, &type, &body) == RC_OK)
        reply_file(x, type, body);
    else
        route->handler(web, x);
}

static void answer(const struct web *web, struct http_exchange *x,
                   const struct route *route)
{
    unsigned method = method_bit(x->request.method);

    if (!(route->methods & method))
        refuse_method(web, x, route);
    else if (!may_answer_here(&x->request) && method == POST)
        reply_error_json(x, 403, NULL);
    else if (!may_answer_here(&x->request) || (method == GET && is_www_host(web, x)))
        redirect_home(web, x);
    else if (route->kind == PAGE)
        answer_page(web, x, route);
    else
        route->handler(web, x);
}

static int result_of(int status)
{
    if (status < 400)
        return RESULT_OK;
    return status < 500 ? RESULT_REFUSED : RESULT_FAILED;
}

void router_init(void)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        for (size_t k = 0; k < RESULTS; k++)
            metric_register(&routes[i].answered[k]);
    for (size_t k = 0; k < RESULTS; k++)
        metric_register(&other.answered[k]);
}

static void finish(const struct web *web, struct http_exchange *x, struct route *route)
{
    http_server_add_header(x, "X-Content-Type-Options", "nosniff");
    http_server_add_header(x, "Referrer-Policy", "no-referrer");
    if (x->request.https && web->site->is_trusted)
        http_server_add_header(x, "Strict-Transport-Security", HSTS);
    metric_add(&route->answered[result_of(x->response.status)], 1);
    http_server_finish(x);
}

void router_handle(const struct web *web, struct http_exchange *x)
{
    struct route *route = find_route(x->request.path);

    answer(web, x, route);
    finish(web, x, route);
}

void router_refuse(const struct web *web, struct http_exchange *x)
{
    struct route *route = find_route(x->request.path);

    refuse(web, x, route, x->response.status, NULL);
    finish(web, x, route);
}
