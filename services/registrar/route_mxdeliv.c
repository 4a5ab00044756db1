/* route_mxdeliv.c - POST /mxdeliv: a message from another chatmail server, which tries
 * this before port 25 (chatmail spec 3.5, 8.3). */
#include "base/arena.h"
#include "mxdeliv.h"
#include "net/http_server.h"
#include "reply.h"
#include "route.h"
#include "web.h"

/* 0: not known before its end. */
static bool read_length(const struct web *web, struct http_exchange *x, uint64_t *out)
{
    str_t length = http_server_header(x, "Content-Length");

    *out = 0;
    if (length.n == 0 || str_to_u64(length, mxdeliv_body_max(web->mxdeliv), out))
        return true;
    reply_smtp(x, 413, S("552 5.3.4 Message exceeds maximum size"));
    return false;
}

void route_mxdeliv(const struct web *web, struct http_exchange *x)
{
    struct mxdeliv_form *form = arena_alloc(x->arena, sizeof(*form));
    str_t from[2], to[MXDELIV_FORM_RECIPIENTS_MAX];
    size_t from_count = http_server_headers(x, "X-MAIL-FROM", from, ARRAY_LEN(from));
    size_t to_count = http_server_headers(x, "X-MAIL-TO", to, ARRAY_LEN(to));
    const char *refusal;
    uint64_t length;

    if (!mxdeliv_admits(web->mxdeliv, x))
        return;
    refusal = mxdeliv_form_read(x->arena, from, from_count, to, to_count, form);
    if (refusal != NULL)
        reply_smtp(x, 400, str_of(refusal));
    else if (read_length(web, x, &length)) {
        mxdeliv_take(web, x, form, length);
        return;
    }
    mxdeliv_leave(web->mxdeliv, x);
}
