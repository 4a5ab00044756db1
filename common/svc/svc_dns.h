/* svc_dns.h - the DNS as the options name it.
 *
 * Thread: any.
 */
#pragma once

#include "net/dns.h"

struct options;

/* at_once: see net/dns.h.  Takes up to three seconds: without an anchor of the operator's
 * it is tried whether the resolver passes signatures on, and nothing is validated where
 * it does not. */
enum rc svc_dns_new(const struct options *o, unsigned at_once, struct buf *why,
                    struct dns **out) RC_CHECKED;
