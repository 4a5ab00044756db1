/* tls_policy.h - what TLS a host that takes our mail must show before it sees any.
 *
 * The one place that knows: STARTTLS is always required; a trusted certificate that
 * carries the MX host's name is required unless the host is an IP literal or its name
 * begins with '_' (a test domain, self-signed by convention).  Policies that a domain
 * publishes (MTA-STS, DANE) can only make this stricter and belong here.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "net/tls.h"

#include <stdbool.h>

struct tls_policy {
    bool starttls_required;
    enum tls_verify verify;
};

/* host: the MX host's name, or an address with or without brackets. */
struct tls_policy tls_policy_for(str_t host);
