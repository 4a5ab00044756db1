/* svc_dns.c - the DNS as the options name it. */
#include "svc/svc_dns.h"

#include "base/arena.h"
#include "base/log.h"
#include "svc/options.h"

enum { PROBE_MS = 3000, TYPE_DNSKEY = 48 };

/* Many a router's or container's resolver drops the signatures; judged by DNSSEC, then
 * every domain looks forged. */
static bool drops_signatures(struct dns *dns)
{
    struct arena *a = arena_new();
    struct dns_records keys = { 0 };
    enum rc rc = dns_raw(dns, a, S("org"), TYPE_DNSKEY, deadline_in_ms(PROBE_MS), &keys);

    arena_free(&a);
    return rc == RC_RETRY && keys.status.bogus;
}

/* Without validation no answer counts as secure, and mail still goes only to hosts that
 * prove their names by TLS.  An anchor that the operator chose is kept. */
enum rc svc_dns_new(const struct options *o, unsigned at_once, struct buf *why,
                    struct dns **out)
{
    struct dns_options dns = { .resolver = o->dns_resolver,
                               .trust_anchor_file = o->dns_trust_anchor_file,
                               .at_once = at_once };
    enum rc rc = dns_new(&dns, why, out);

    if (rc != RC_OK || o->dns_trust_anchor_file[0] != '\0' || !drops_signatures(*out))
        return rc;
    log_warn("service.dns_not_signed",
             "reason=\"the resolver's answers cannot be validated\" advice=\"set "
             "dns_resolver to one that passes DNSSEC on, or to root\"");
    dns_free(out);
    dns.trust_anchor_file = "none";
    return dns_new(&dns, why, out);
}
