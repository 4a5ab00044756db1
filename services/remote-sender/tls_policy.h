/* tls_policy.h - what TLS a host that takes our mail must show before it sees any.
 *
 * The one place that knows, asked when the host is known and before it is connected to.
 * The standard: STARTTLS is always required; a trusted certificate that carries the
 * host's name is required unless the host is an IP literal or its name begins with '_' (a
 * test domain, self-signed by convention).  What a message asks for (RFC 8689) comes
 * before that: REQUIRETLS demands a certificate of everybody, and that the host promises
 * the same; `TLS-Required: No` lets any certificate do.  Policies that a domain publishes
 * (MTA-STS, DANE) are more facts, can only make this stricter, and belong here.
 *
 * Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* Each demands more than the one before; nothing is sent in the clear. */
enum tls_level {
    TLS_LEVEL_ENCRYPTED, /* by any certificate */
    TLS_LEVEL_VERIFIED,  /* by a trusted one that carries the name */
};

enum tls_wish { TLS_WISH_NONE, TLS_WISH_REQUIRED, TLS_WISH_OPTIONAL };

struct tls_policy {
    enum tls_level level;
    bool requiretls; /* the host must offer REQUIRETLS */
    str_t name;      /* whom we ask for, and whom the certificate must name if VERIFIED */
};

struct tls_policy_facts {
    enum tls_wish wish; /* of the message */
    str_t host;         /* its name, or its address with or without brackets */
};

/* Its texts are those of the facts. */
struct tls_policy tls_policy_for(const struct tls_policy_facts *facts);
