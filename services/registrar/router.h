/* router.h - from a request to the row of routes.def that answers it.
 *
 * What rows have in common happens here: the way to HTTPS, methods, pages that the
 * operator replaced or switched off, security headers, counting.
 *
 * Plain HTTP carries passwords and pages only where nobody can listen: from this machine
 * itself, or behind a trusted proxy that says X-Forwarded-Proto: https.  Everybody else
 * is sent to HTTPS; a POST is refused instead, since its answer would be a password.
 * Thread: any.
 */
#pragma once

struct http_exchange;

void router_init(void); /* makes the metrics visible; once */

/* Of type http_handler_fn; x->user is the struct web. */
void router_handle(struct http_exchange *x);
void router_too_large(struct http_exchange *x);
