/* dmarc_record.h - the text of a DMARC record.
 *
 * Unknown tags and values that make no sense count as absent (RFC 7489 6.3), and tags
 * behind the first may stand in any order.  A policy that cannot be read is "none" if the
 * domain takes reports, or else makes the whole record invalid (6.6.3).
 * Pure.  Thread: any.  RFC 7489 6.3, 6.4.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

struct dmarc_record {
    enum dmarc_policy policy;           /* p */
    enum dmarc_policy subdomain_policy; /* sp; that of p if absent */
    bool strict_dkim, strict_spf;       /* adkim, aspf */
    unsigned percent;                   /* pct, 0 to 100 */
};

/* Does a TXT record begin as one of DMARC's does? */
bool dmarc_record_is(str_t text);

/* RC_INVALID: see above, or a tag stands there twice. */
enum rc dmarc_record_parse(str_t text, struct dmarc_record *out) RC_CHECKED;
