/* tls_policy.c - what TLS a host that takes our mail must show before it sees any. */
#include "tls_policy.h"

#include "net/addr.h"

/* Nobody can have a certificate for these (chatmail spec 7.5, 8.4). */
static bool is_exempt_from_chain(str_t host)
{
    struct addr literal;

    return str_starts(host, S("_")) || addr_parse(host, &literal) == RC_OK;
}

struct tls_policy tls_policy_for(const struct tls_policy_facts *facts)
{
    bool required = facts->wish == TLS_WISH_REQUIRED;
    bool any = facts->wish == TLS_WISH_OPTIONAL || is_exempt_from_chain(facts->host);

    return (struct tls_policy){
        .level = any && !required ? TLS_LEVEL_ENCRYPTED : TLS_LEVEL_VERIFIED,
        .requiretls = required,
        .name = facts->host,
    };
}
