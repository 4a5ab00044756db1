/* mx.h - which hosts take a domain's mail, in which order.
 *
 * An address literal is its own host; else MX records by preference (RFC 5321 5.1), then
 * the domain itself.
 * Thread: any.
 */
#pragma once

#include "base/deadline.h"
#include "base/rc.h"
#include "base/str.h"
#include "mail_hosts.h"
#include "net/dns.h"

#include <stdint.h>

struct arena;
struct domains;

struct mx_finder {
    struct dns *dns;
    const struct domains *domains; /* ours, and what our own MX may be called */
    str_t hostname;
    uint16_t port;
};

/* RC_DENIED with *why otherwise. */
enum rc mx_find(struct arena *a, const struct mx_finder *f, str_t domain,
                struct deadline until, struct mail_hosts *out,
                struct mail_hosts_refusal *why) RC_CHECKED;

/* The pure part: what follows from the DNS's answer. */
enum rc mx_select(struct arena *a, const struct mx_finder *f, str_t domain,
                  const struct dns_mx *answer, struct mail_hosts *out,
                  struct mail_hosts_refusal *why) RC_CHECKED;
