/* invite.c - composes dcaccount: and dclogin: texts (chatmail spec 1.2; what the client
 * accepts: deltachat-client 3 and 4).
 */
#include "invite.h"

#include "base/arena.h"
#include "base/buf.h"
#include "credentials.h"
#include "site.h"
#include "svc/options.h"

#include <inttypes.h>
#include <string.h>

enum { INVITE_MAX_BYTES = 2048 };

/* Percent-encoding as RFC 3986 2.3, with `also` left as it is. */
static void put_encoded(struct buf *b, str_t s, const char *also)
{
    static const char unreserved[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c != 0 && (strchr(unreserved, c) != NULL || strchr(also, c) != NULL))
            buf_putc(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
}

enum invite_kind invite_kind(const struct site *s)
{
    if (!s->is_trusted || s->has_own_host || !s->has_standard_mail)
        return INVITE_LOGIN;
    return s->has_standard_https ? INVITE_HTTP : INVITE_DOMAIN;
}

str_t invite_text(const struct site *s, struct arena *a, const struct credentials *c)
{
    switch (invite_kind(s)) {
    case INVITE_HTTP:
        return str_of(arena_printf(a, "DCACCOUNT:%.*s/new", STR_ARG(s->base_url)));
    case INVITE_DOMAIN:
        return str_of(arena_printf(a, "dcaccount:%.*s", STR_ARG(s->mail_domain)));
    case INVITE_LOGIN:
        break;
    }
    return invite_login_text(s, a, c);
}

str_t invite_login_text(const struct site *s, struct arena *a,
                        const struct credentials *c)
{
    struct buf *b = arena_buf(a, INVITE_MAX_BYTES);
    const struct options *o = s->options;

    buf_puts(b, "dclogin:");
    put_encoded(b, c->email, "@[]");
    buf_puts(b, "?p=");
    put_encoded(b, c->password, "");
    buf_puts(b, "&v=1&ih=");
    put_encoded(b, s->host, "");
    buf_printf(b, "&ip=%" PRId64 "&is=ssl&sh=", o->public_imaps_port);
    put_encoded(b, s->host, "");
    buf_printf(b, "&sp=%" PRId64 "&ss=ssl", o->public_submissions_port);
    if (!s->is_trusted)
        buf_puts(b, "&ic=3"); /* accept the certificate that nobody can verify */
    return buf_str(b);
}
