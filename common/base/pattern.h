/* pattern.h - regular expressions of an operator, held against what strangers wrote.
 *
 * The door to PCRE2, in Perl's syntax without case.  The C library's regcomp takes time
 * and memory that double with each nested +, and its regexec has no limit; here a text
 * that costs more than PATTERN_STEPS_MAX (some milliseconds) does not fit. Thread: any,
 * once made.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct pattern;

enum {
    PATTERN_MAX_BYTES = 256,
    PATTERN_GROUPS = 10, /* the whole, and $1 to $9 */
    PATTERN_STEPS_MAX = 100000,
};

/* RC_INVALID: why says what is wrong with it. */
enum rc pattern_new(str_t text, struct pattern **out, char *why, size_t room) RC_CHECKED;
void pattern_free(struct pattern **p);

/* Does it fit the whole text?  group (NULL: not asked for): what each fitted, borrowed
 * from text; empty if nothing. */
bool pattern_fits(const struct pattern *p, str_t text, str_t group[PATTERN_GROUPS]);
