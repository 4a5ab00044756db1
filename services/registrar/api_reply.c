/* api_reply.c - a table of statuses, and the headers that all answers have. */
#include "api_reply.h"

#include "base/arena.h"
#include "base/buf.h"
#include "json.h"
#include "net/http_server.h"

enum { ERROR_MAX_BYTES = 2048, RETRY_SECONDS = 1 };

static const struct error_text {
    int status;
    const char *code, *message;
} error_texts[] = {
    { 400, "bad_request", "This request does not follow the rules of HTTP." },
    { 401, "unauthorized",
      "Send `Authorization: Bearer TOKEN` with a token that `postbusctl token create` "
      "has made." },
    { 403, "forbidden", "The API is served over an encrypted connection only." },
    { 404, "not_found", "There is nothing at this address." },
    { 405, "method_not_allowed", "This address is not for such requests." },
    { 413, "too_large", "The request is larger than anything that is expected here." },
    { 414, "too_long", "The address is longer than anything that is expected here." },
    { 415, "unsupported_media_type",
      "Send the body as JSON, with `Content-Type: application/json`." },
    { 429, "too_many_requests", "Please try again later." },
    { 431, "too_large", "The header is larger than anything that is expected here." },
    { 501, "not_implemented", "The body is coded in a way that is not known here." },
    { 503, "unavailable",
      "The database or all workers are busy or away at the moment. Please try again." },
    { 505, "not_implemented", "This server speaks HTTP/1.1." },
    { 500, "internal", "Something went wrong here; the log says what." }, /* any other */
};

void api_reply(struct http_exchange *x, int status, str_t json)
{
    http_server_reply(x, status, "application/json", json);
    http_server_add_header(x, "Content-Security-Policy",
                           "default-src 'none'; frame-ancestors 'none'");
    http_server_add_header(x, "Cache-Control", "no-store");
}

void api_reply_error(struct http_exchange *x, int status, const char *code,
                     const char *message)
{
    struct buf *b = arena_buf(x->arena, ERROR_MAX_BYTES);

    json_error(str_of(code), str_of(message), b);
    api_reply(x, status, buf_str(b));
}

void api_reply_status(struct http_exchange *x, int status, const char *message)
{
    const struct error_text *text = error_texts;

    while (text < error_texts + ARRAY_LEN(error_texts) - 1 && text->status != status)
        text++;
    api_reply_error(x, status, text->code, message != NULL ? message : text->message);
}

void api_reply_later(struct http_exchange *x, int status, unsigned seconds,
                     const char *message)
{
    api_reply_status(x, status, message);
    http_server_add_header(x, "Retry-After", arena_printf(x->arena, "%u", seconds));
}

void api_reply_rc(struct http_exchange *x, enum rc rc)
{
    int status = rc_info(rc)->http_status;

    if (status == 503)
        api_reply_later(x, status, RETRY_SECONDS, NULL);
    else
        api_reply_status(x, status, NULL);
}
