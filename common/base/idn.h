/* idn.h - domains with other letters, in the form under which DNS has them.
 *
 * The door to libidn2.  UTS 46 without transitional characters: an A-label, a U-label and
 * a U-label in other case are one name.  RFC 5890 2.3.2.1, RFC 5891.  Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

enum { IDN_MAX_BYTES = 253 };

struct idn_name {
    char text[IDN_MAX_BYTES + 1];
    size_t n;
};

bool idn_is_ascii(str_t name);

/* Labels beyond ASCII become A-labels, the rest stays as it is but for its case.
 * RC_INVALID: there is no such name. */
enum rc idn_to_ascii(str_t name, struct idn_name *out) RC_CHECKED;
