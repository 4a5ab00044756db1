/* web.h - what every HTTP route can reach.
 *
 * Immutable while a request is served, except what has its own lock inside.
 */
#pragma once

#include <stdbool.h>

struct hour;
struct http_exchange;
struct rate;
struct site;

struct web {
    const struct site *site;
    struct rate *rate; /* requests for an account, per client network */
    struct hour *hour; /* accounts of private addresses */
    int www;           /* the operator's folder, or -1 */
    bool has_pages;    /* false: only what programs ask for */
};

/* Fills x->response by a call of reply.h; the router finishes the exchange. */
typedef void (*web_route_fn)(const struct web *web, struct http_exchange *x);
