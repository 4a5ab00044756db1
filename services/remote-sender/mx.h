/* mx.h - which hosts take a domain's mail, in which order.
 *
 * An address literal is its own host, a route of the operator's comes before the DNS,
 * then MX records by preference (RFC 5321 5.1), then the domain itself.
 * Thread: any.
 */
#pragma once

#include "base/deadline.h"
#include "base/rc.h"
#include "base/str.h"
#include "net/dns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum { MX_HOSTS_MAX = 20 };

struct mx_host {
    str_t name; /* or an address, without brackets */
    uint16_t port;
    bool by_operator; /* set by hand: may be a private address */
};

struct mx_hosts {
    struct mx_host *host;
    size_t count;
};

/* Why there are none: as a reply that is final (5xx) or not. */
struct mx_refusal {
    int code;
    str_t status, text;
    bool timed_out; /* the deadline passed: asked again, the answer may be there */
};

struct mx_finder {
    struct dns *dns;
    str_t routes;      /* the option's text */
    str_t mail_domain; /* ours, and what our own MX may be called */
    str_t hostname;
    uint16_t port;
};

/* RC_DENIED with *why otherwise. */
enum rc mx_find(struct arena *a, const struct mx_finder *f, str_t domain,
                struct deadline until, struct mx_hosts *out,
                struct mx_refusal *why) RC_CHECKED;

/* The pure part: what follows from the DNS's answer. */
enum rc mx_select(struct arena *a, const struct mx_finder *f, str_t domain,
                  const struct dns_mx *answer, struct mx_hosts *out,
                  struct mx_refusal *why) RC_CHECKED;
