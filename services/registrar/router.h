/* router.h - from a request to the row of routes.def that answers it.
 *
 * What rows have in common happens here: the way to HTTPS, methods, tokens, the way to a
 * worker, pages that the operator replaced or switched off, security headers, counting.
 *
 * Plain HTTP carries passwords and pages only where nobody can listen: from this machine
 * itself, or behind a trusted proxy that says X-Forwarded-Proto: https.  Everybody else
 * is sent to HTTPS; a POST is refused instead, since its answer would be a password.
 * Thread: any.
 */
#pragma once

struct http_exchange;
struct web;

void router_init(void); /* makes the metrics visible; once */

/* Both finish the exchange, which may happen later. */
void router_handle(const struct web *web, struct http_exchange *x);
/* The head of a request, for rows that say STREAM; of others nothing happens. */
void router_head(const struct web *web, struct http_exchange *x);
/* Of such a row, once its answer stands in the response: what all answers have. */
void router_streamed(const struct web *web, struct http_exchange *x);
/* With the status that stands in the response already. */
void router_refuse(const struct web *web, struct http_exchange *x);
