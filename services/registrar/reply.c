/* reply.c - the few shapes that an answer has. */
#include "reply.h"

#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"
#include "page.h"
#include "web.h"

enum { REASON_MAX_BYTES = 1024 };

#define RETRY_SECONDS "60"

#define POLICY_CLOSED "default-src 'none'; frame-ancestors 'none'"
#define POLICY_PAGE                                                                      \
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "            \
    "form-action 'none'; frame-ancestors 'none'"
#define POLICY_FILE                                                                      \
    "default-src 'self'; style-src 'self' 'unsafe-inline'; "                             \
    "script-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'self'; "         \
    "form-action 'self'; frame-ancestors 'none'"

static void reply(struct http_exchange *x, int status, enum reply_keep keep,
                  const char *policy, const char *type, str_t body)
{
    http_server_reply(x, status, type, body);
    http_server_add_header(x, "Content-Security-Policy", policy);
    http_server_add_header(x, "Cache-Control",
                           keep == REPLY_NEVER ? "no-store" : "max-age=300");
}

void reply_page(struct http_exchange *x, int status, enum reply_keep keep,
                struct page *page, const char *title, const char *file)
{
    reply(x, status, keep, POLICY_PAGE, "text/html; charset=utf-8",
          page_render(page, title, file));
}

void reply_data(struct http_exchange *x, enum reply_keep keep, const char *type,
                str_t body)
{
    reply(x, 200, keep, POLICY_CLOSED, type, body);
}

void reply_file(struct http_exchange *x, const char *type, str_t body)
{
    reply(x, 200, REPLY_MINUTES, POLICY_FILE, type, body);
}

void reply_json(struct http_exchange *x, int status, str_t body)
{
    reply(x, status, REPLY_NEVER, POLICY_CLOSED, "application/json", body);
}

void reply_reason(struct http_exchange *x, int status, const char *reason)
{
    struct buf *b = arena_buf(x->arena, REASON_MAX_BYTES);

    json_reason(str_of(reason), b);
    reply_json(x, status, buf_str(b));
}

void reply_redirect(struct http_exchange *x, int status, const char *location)
{
    reply(x, status, REPLY_NEVER, POLICY_CLOSED, NULL, S(""));
    http_server_add_header(x, "Location", location);
}

void reply_smtp(struct http_exchange *x, int status, str_t text)
{
    str_t line = str_of(arena_printf(x->arena, "%.*s\n", STR_ARG(text)));

    reply(x, status, REPLY_NEVER, POLICY_CLOSED, "text/plain; charset=us-ascii", line);
    if (status == 429 || status == 503)
        http_server_add_header(x, "Retry-After", RETRY_SECONDS);
}

static const struct error_text {
    int status;
    const char *title;
    const char *advice;
} error_texts[] = {
    { 400, "Not understood", "This request does not follow the rules of HTTP." },
    { 403, "Not like this", "This address is served over an encrypted connection only." },
    { 404, "Nothing here", "There is no page at this address." },
    { 405, "Not possible", "This address is not for such requests." },
    { 413, "Too large", "The request is larger than anything that is expected here." },
    { 414, "Too long", "The address is longer than anything that is expected here." },
    { 431, "Too large", "The header is larger than anything that is expected here." },
    { 501, "Not possible", "The body is coded in a way that is not known here." },
    { 503, "Very busy", "Please try again in a few minutes." },
    { 505, "Not possible", "This server speaks HTTP/1.1." },
    { 500, "Something went wrong", "Please try again in a moment." }, /* any other */
};

static const struct error_text *error_text(int status)
{
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(error_texts) && error_texts[i].status != status)
        i++;
    return &error_texts[i];
}

void reply_smtp_status(struct http_exchange *x, int status)
{
    if (status == 403)
        reply_smtp(x, status, S("530 5.7.0 Must issue a STARTTLS command first"));
    else if (status == 405)
        reply_smtp(x, status, S("Method Not Allowed"));
    else
        reply_smtp(x, status, str_of(error_text(status)->advice));
}

void reply_error_json(struct http_exchange *x, int status, const char *advice)
{
    reply_reason(x, status, advice != NULL ? advice : error_text(status)->advice);
}

void reply_error_page(const struct web *web, struct http_exchange *x, int status,
                      const char *advice)
{
    const struct error_text *text = error_text(status);
    struct page *page = page_new(web->site, x->arena);

    page_set(page, "heading", str_of(text->title));
    page_set(page, "advice", str_of(advice != NULL ? advice : text->advice));
    reply_page(x, status, REPLY_NEVER, page, text->title, "error.html");
}
