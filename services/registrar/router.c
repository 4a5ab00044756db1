/* router.c - dispatch, and the rules that hold for every path. */
#include "router.h"

#include "api_guard.h"
#include "api_pool.h"
#include "api_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "mail/domains.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "route_path.h"
#include "site.h"
#include "store/db.h"
#include "web.h"
#include "work/worker_pool.h"
#include "www.h"

enum { GET = 1 << 0, POST = 1 << 1, PUT = 1 << 2, PATCH = 1 << 3, DELETE = 1 << 4 };
enum route_kind { PAGE, DATA, SIGNUP, MAIL, API };
enum route_token { OPEN, TOKEN };
enum route_where { HERE, WORKER, STREAM };

#define HSTS "max-age=31536000"

enum { ALLOW_MAX_BYTES = 64, BUSY_RETRY_SECONDS = 1 };

/* Answers what no row names: a file of the operator, or 404. */
static void route_other(const struct web *web, struct http_exchange *x);
static void route_unknown(const struct web *web, struct http_exchange *x);

enum { RESULT_OK, RESULT_REFUSED, RESULT_FAILED, RESULTS };
#define COUNTER(path, method, result)                                                    \
    {                                                                                    \
        METRIC_COUNTER, "postbus_registrar_requests",                                    \
            "path=\"" path "\",method=\"" method "\",result=\"" result "\"",             \
            "HTTP requests answered.", 0, { 0 }, 0, NULL                                 \
    }
#define COUNTERS(path, method)                                                           \
    {                                                                                    \
        COUNTER(path, method, "ok"), COUNTER(path, method, "refused"),                   \
            COUNTER(path, method, "failed")                                              \
    }

static struct route {
    const char *path;
    web_route_fn handler;
    unsigned methods;
    enum route_kind kind;
    enum route_token token;
    enum route_where where;
    struct metric answered[RESULTS];
} routes[] = {
#define ROUTE(path, handler, methods, kind, token, where)                                \
    { path, handler, methods, kind, token, where, COUNTERS(path, #methods) },
#include "routes.def"
#undef ROUTE
};

static struct route other = {
    "other", route_other, GET, PAGE, OPEN, HERE, COUNTERS("other", "GET")
};
static struct route unknown = { "/api/", route_unknown,           0, API, OPEN,
                                HERE,    COUNTERS("/api/", "any") };

/* What a request asks for. */
struct found {
    struct route *route;
    unsigned allowed;  /* methods of all rows of this path */
    bool has_method;   /* the request's is one of route's */
    bool is_malformed; /* a parameter is */
    struct route_path_params params;
};

static void route_other(const struct web *web, struct http_exchange *x)
{
    const char *type;
    str_t body;

    if (www_read(web->www, x->arena, x->request.path, &type, &body) == RC_OK)
        reply_file(x, type, body);
    else
        reply_error_page(web, x, 404, NULL);
}

static void route_unknown(const struct web *web, struct http_exchange *x)
{
    (void)web;
    api_reply_status(x, 404, NULL);
}

static const struct {
    str_t word;
    unsigned bit;
} methods[] = {
    { STR("GET"), GET }, { STR("HEAD"), GET },    { STR("POST"), POST },
    { STR("PUT"), PUT }, { STR("PATCH"), PATCH }, { STR("DELETE"), DELETE },
};

static unsigned method_bit(str_t method)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq(methods[i].word, method))
            return methods[i].bit;
    return 0;
}

static bool is_here(const struct web *web, const struct route *route)
{
    if (route->kind == API)
        return web->is_admin_port || web->api_on_https;
    if (route->kind == MAIL && web->mxdeliv == NULL)
        return false;
    return !web->is_admin_port;
}

static struct route *nowhere(const struct web *web, str_t path)
{
    bool api = web->api_on_https && str_starts(path, S("/api/"));

    return web->is_admin_port || api ? &unknown : &other;
}

static void find_route(const struct web *web, struct http_exchange *x, struct found *out)
{
    unsigned bit = method_bit(x->request.method);
    struct route_path_params params;

    *out = (struct found){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(routes) && !out->has_method; i++) {
        enum route_path_fit fit = ROUTE_PATH_OTHER;

        if (is_here(web, &routes[i]))
            fit = route_path_match(x->arena, str_of(routes[i].path), x->request.path,
                                   &params);
        if (fit == ROUTE_PATH_OTHER)
            continue;
        out->is_malformed = fit == ROUTE_PATH_MALFORMED;
        out->has_method = routes[i].methods & bit;
        out->allowed |= routes[i].methods;
        out->params = params;
        out->route = &routes[i];
    }
    if (out->route != NULL)
        return;
    out->route = nowhere(web, x->request.path);
    out->allowed = out->route->methods;
    out->has_method = out->route == &unknown || (out->allowed & bit) != 0;
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
    return is_ours(web->site->rules.domains, host);
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
        api_reply_status(x, status, advice);
    else if (route->kind == SIGNUP)
        reply_error_json(x, status, advice);
    else if (route->kind == MAIL)
        reply_smtp_status(x, status);
    else
        reply_error_page(web, x, status, advice);
}

static void refuse_method(const struct web *web, struct http_exchange *x,
                          const struct found *found)
{
    struct buf *allowed = arena_buf(x->arena, ALLOW_MAX_BYTES);

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].bit & found->allowed)
            buf_printf(allowed, "%s%.*s", allowed->n > 0 ? ", " : "",
                       STR_ARG(methods[i].word));
    refuse(web, x, found->route, 405,
           arena_printf(x->arena, "Possible here: %.*s.", STR_ARG(buf_str(allowed))));
    http_server_add_header(x, "Allow", arena_cstr(x->arena, buf_str(allowed)));
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

static int result_of(int status)
{
    if (status < 400)
        return RESULT_OK;
    return status < 500 ? RESULT_REFUSED : RESULT_FAILED;
}

/* What all answers have. */
static void complete(const struct web *web, struct http_exchange *x, struct route *route)
{
    http_server_add_header(x, "X-Content-Type-Options", "nosniff");
    http_server_add_header(x, "Referrer-Policy", "no-referrer");
    if (x->request.https && web->site->is_trusted)
        http_server_add_header(x, "Strict-Transport-Security", HSTS);
    metric_add(&route->answered[result_of(x->response.status)], 1);
}

static void finish(const struct web *web, struct http_exchange *x, struct route *route)
{
    complete(web, x, route);
    http_server_finish(x);
}

/* --- in a worker ----------------------------------------------------------------------
 */

/* An exchange on its way through the pool; lies in the exchange's own arena. */
struct later {
    struct job job;
    struct web web;
    struct http_exchange *x;
    struct found found;
    str_t token;
    struct deadline until;
};

static void serve(struct later *l)
{
    str_t name = S("");

    if (l->found.route->token == TOKEN &&
        !api_guard_admits(&l->web, l->x, l->token, &name))
        return;
    l->found.route->handler(&l->web, l->x);
    log_info("api.answered", "token=%.*s method=%.*s route=%s status=%d", STR_ARG(name),
             STR_ARG(l->x->request.method), l->found.route->path, l->x->response.status);
}

/* A connection that was lost while it was idle is noticed by its next user, whose request
 * is as good as new; of those that change something nobody knows. */
static bool may_serve_again(const struct later *l)
{
    return l->x->response.status == 503 && db_lost(l->web.db) &&
           l->found.route->methods == GET && !deadline_passed(l->until);
}

static void run_later(struct job *job, struct worker *w)
{
    struct later *l = (struct later *)job;

    l->web.db = w->context;
    l->web.params = &l->found.params;
    if (deadline_passed(l->until)) {
        api_reply_later(l->x, 503, BUSY_RETRY_SECONDS, NULL);
    } else {
        serve(l);
        if (may_serve_again(l)) {
            db_reset(l->web.db);
            l->x->response = (struct http_response){ .status = 500 };
            serve(l);
        }
    }
    finish(&l->web, l->x, l->found.route);
}

/* True: a worker finishes the exchange, which may be gone already. */
static bool hand_over(const struct web *web, struct http_exchange *x,
                      const struct found *found, str_t token)
{
    struct later *l = arena_alloc(x->arena, sizeof(*l));

    *l = (struct later){ .job = { .run = run_later },
                         .web = *web,
                         .x = x,
                         .found = *found,
                         .token = token,
                         .until = deadline_in_ms(API_POOL_DEADLINE_MS) };
    if (web->pool != NULL && worker_pool_submit(web->pool, &l->job) == RC_OK)
        return true;
    api_reply_later(x, 503, BUSY_RETRY_SECONDS, NULL);
    return false;
}

/* --- in the server's thread -----------------------------------------------------------
 */

/* True: a worker finishes the exchange. */
static bool answer_api(const struct web *web, struct http_exchange *x,
                       const struct found *found)
{
    str_t token = S("");

    if (!web->is_admin_port && !x->request.https && !is_loopback(&x->request.client))
        api_reply_status(x, 403, NULL);
    else if (found->is_malformed)
        api_reply_status(
            x, 400,
            "A parameter in the address is no text: percent-encode its UTF-8, "
            "without control characters, 1,024 bytes at most.");
    else if (!found->has_method)
        refuse_method(web, x, found);
    else if (found->route->token == TOKEN && !api_guard_token(x, &token))
        return false;
    else if (!api_guard_body(x))
        return false;
    else if (found->route->where == WORKER)
        return hand_over(web, x, found, token);
    else
        found->route->handler(web, x);
    return false;
}

static void answer(const struct web *web, struct http_exchange *x,
                   const struct found *found)
{
    unsigned method = method_bit(x->request.method);

    if (!found->has_method)
        refuse_method(web, x, found);
    else if (!may_answer_here(&x->request) && method == POST)
        reply_error_json(x, 403, NULL);
    else if (!may_answer_here(&x->request) || (method == GET && is_www_host(web, x)))
        redirect_home(web, x);
    else if (found->route->kind == PAGE)
        answer_page(web, x, found->route);
    else
        found->route->handler(web, x);
}

void router_init(void)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        for (size_t k = 0; k < RESULTS; k++)
            metric_register(&routes[i].answered[k]);
    for (size_t k = 0; k < RESULTS; k++) {
        metric_register(&other.answered[k]);
        metric_register(&unknown.answered[k]);
    }
}

void router_handle(const struct web *web, struct http_exchange *x)
{
    struct found found;

    find_route(web, x, &found);
    if (found.route->kind != API)
        answer(web, x, &found);
    else if (answer_api(web, x, &found))
        return;
    finish(web, x, found.route);
}

void router_head(const struct web *web, struct http_exchange *x)
{
    struct found found;

    if (!str_eq(x->request.method, S("POST")))
        return;
    find_route(web, x, &found);
    if (found.route->where != STREAM)
        return;
    if (!x->request.https)
        refuse(web, x, found.route, 403, NULL);
    else
        found.route->handler(web, x);
    if (!http_server_is_stream(x))
        finish(web, x, found.route);
}

void router_streamed(const struct web *web, struct http_exchange *x)
{
    struct found found;

    find_route(web, x, &found);
    complete(web, x, found.route);
}

void router_refuse(const struct web *web, struct http_exchange *x)
{
    struct found found;

    find_route(web, x, &found);
    refuse(web, x, found.route, x->response.status, NULL);
    finish(web, x, found.route);
}
