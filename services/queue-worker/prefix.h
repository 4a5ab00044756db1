/* prefix.h - the header fields that only foreign hosts see.
 *
 * Stored beside the row for another host and sent before the message itself: the trace
 * field without any word about the client, and whatever signs the message.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdint.h>

struct arena;

struct prefix_facts {
    str_t hostname;
    int64_t body_id;
    int64_t arrival_unix;
    str_t envelope;  /* JSON */
    str_t signature; /* fields with CRLF; empty: none */
};

str_t prefix_compose(struct arena *a, const struct prefix_facts *f);
