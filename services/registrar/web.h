/* web.h - what every HTTP route can reach.
 *
 * Immutable while a request is served, except what has its own lock inside.
 */
#pragma once

#include <stdbool.h>

struct bus;
struct db;
struct hour;
struct http_exchange;
struct mxdeliv;
struct rate;
struct route_path_params;
struct site;
struct worker_pool;

struct web {
    const struct site *site;
    struct rate *rate; /* requests for an account, per client network */
    struct hour *hour; /* accounts of private addresses */
    int www;           /* the operator's folder, or -1 */
    bool has_pages;    /* false: only what programs ask for */

    struct mxdeliv *mxdeliv; /* mail from other servers; NULL: none */

    /* The admin API. */
    bool is_admin_port;        /* there is nothing else here */
    bool api_on_https;         /* it is here, too */
    struct worker_pool *pool;  /* for rows that say WORKER */
    struct rate *wrong_tokens; /* per client network */
    struct bus *bus;           /* for who keeps at hand what is changed here */

    /* Of one request. */
    struct db *db;                          /* WORKER rows: the worker's; others: NULL */
    const struct route_path_params *params; /* what its {parameters} were */
};

/* Fills x->response by a call of reply.h or api_reply.h; the router finishes the
 * exchange. A row that says WORKER may wait for the database, others for nothing. */
typedef void (*web_route_fn)(const struct web *web, struct http_exchange *x);
