/* dns_text.h - the text of a TXT record.
 *
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct arena;

/* The strings of the rdata, put together.  RC_INVALID: it is none. */
enum rc dns_text(struct arena *a, str_t rdata, str_t *out) RC_CHECKED;
