/* route.h - one handler for each row of routes.def. */
#pragma once

struct http_exchange;
struct web;

#define ROUTE(path, handler, methods, kind, token, where)                                \
    void handler(const struct web *web, struct http_exchange *x);
#include "routes.def"
#undef ROUTE
