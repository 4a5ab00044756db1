/* reply.h - the answers that routes give: pages, pictures, JSON, errors.
 *
 * Each sets its content security policy and how long it may be kept.  Nothing that a
 * client sent is ever repeated in an answer.
 * Thread: the exchange's.
 */
#pragma once

#include "base/str.h"

struct http_exchange;
struct page;
struct site;
struct web;

enum reply_keep {
    REPLY_NEVER,   /* it holds a password, or a refusal that will pass */
    REPLY_MINUTES, /* may be kept for five minutes */
};

/* A page made of a file of pages/ within the common layout; values as in page.h. */
void reply_page(struct http_exchange *x, int status, enum reply_keep keep,
                struct page *page, const char *title, const char *file);

/* Bytes of our own with a type: pictures, XML, plain text. */
void reply_data(struct http_exchange *x, enum reply_keep keep, const char *type,
                str_t body);

/* A file of the operator, who may use scripts and styles of the same origin. */
void reply_file(struct http_exchange *x, const char *type, str_t body);

void reply_json(struct http_exchange *x, int status, str_t body);
void reply_reason(struct http_exchange *x, int status, const char *reason);

/* What SMTP would say, for other servers: "550 5.1.1 …".  With 429 and 503 also when to
 * come again. */
void reply_smtp(struct http_exchange *x, int status, str_t text);
void reply_smtp_status(struct http_exchange *x, int status);

/* location must be free of control characters. */
void reply_redirect(struct http_exchange *x, int status, const char *location);

/* As JSON or as a page in the site's layout.  advice: NULL for the usual sentence. */
void reply_error_json(struct http_exchange *x, int status, const char *advice);
void reply_error_page(const struct web *web, struct http_exchange *x, int status,
                      const char *advice);
