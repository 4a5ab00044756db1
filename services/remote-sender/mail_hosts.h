/* mail_hosts.h - the hosts that take a destination's mail, or why there are none. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAIL_HOSTS_MAX = 20 };

struct mail_host {
    str_t name; /* or an address, without brackets */
    uint16_t port;
    bool by_operator; /* set by hand: may be a private address */
};

struct mail_hosts {
    struct mail_host *host; /* in the order in which they are tried */
    size_t count;
};

/* Why there are none: as a reply that is final (5xx) or not. */
struct mail_hosts_refusal {
    int code;
    str_t status, text;
    bool timed_out; /* the deadline passed: asked again, the answer may be there */
};
