/* transport_smtp.c - SMTP to the hosts of the domain's MX records. */
#include "desk.h"
#include "smtp_carry.h"
#include "transport.h"

static enum rc find(struct arena *a, const struct desk *desk,
                    const struct transport_way *way, struct deadline until,
                    struct mail_hosts *out, struct mail_hosts_refusal *why)
{
    return mx_find(a, &desk->finder, way->domain, until, out, why);
}

const struct transport transport_smtp = {
    .find = find,
    .open = smtp_carry_open,
    .send = smtp_carry_send,
    .close = smtp_carry_close,
};
