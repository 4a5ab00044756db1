/* public_suffix.h - which domain an organization has registered.
 *
 * The door to libpsl: its own list, or the system's where that is newer
 * (/usr/share/publicsuffix), read at the first call.  Thread: any.
 */
#pragma once

#include "base/str.h"

/* One label more than the longest public suffix: mail.example.co.uk gives example.co.uk.
 * What has no label before its suffix is the organization itself.  ASCII in any case with
 * A-labels, or UTF-8 in lower case.  The end of the domain, borrowed.  RFC 7489 3.2. */
str_t public_suffix_organization(str_t domain);
