/* header_names.h - names of header fields as an option has them, and who is among them.
 *
 *   Subject, To, Chat-*
 *
 * With commas or blanks between; a star at the end stands for any ending.
 * Limits: HEADER_NAMES_MAX names.  Pure; immutable once parsed.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { HEADER_NAMES_MAX = 100, HEADER_NAMES_TEXT_MAX = 4096 };

struct header_names {
    const char *text; /* as it was read */
    const str_t *names;
    size_t count; /* 0: there are none */
};

/* RC_INVALID: why says which of them is no name. */
enum rc header_names_parse(struct arena *a, str_t text, struct header_names *out,
                           char *why, size_t room) RC_CHECKED;

/* In any case of letters. */
bool header_names_has(const struct header_names *n, str_t name);
