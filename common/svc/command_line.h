/* command_line.h - the command that judges messages, and what its exit codes mean, as the
 * options write them.
 *
 * A command is words between blanks; blanks inside "double quotes" separate nothing, and
 * \" and \\ stand for themselves there.  No shell reads it.  The first word is the
 * program's whole path.
 * Exit codes are "code policy" (policy.h), separated by semicolons: 1 reject; 2
 * quarantine.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "svc/policy.h"

#include <stddef.h>

struct arena;

enum { COMMAND_LINE_WORDS_MAX = 64, COMMAND_LINE_CODES_MAX = 16 };

/* Ends in NULL; empty text gives none.  RC_INVALID: *why says what is wrong. */
enum rc command_line_split(struct arena *a, str_t text, char ***words,
                           const char **why) RC_CHECKED;

struct command_line_code {
    int code; /* 1 to 255 */
    struct policy policy;
};

struct command_line_codes {
    struct command_line_code all[COMMAND_LINE_CODES_MAX];
    size_t count;
};

enum rc command_line_codes(struct arena *a, str_t text, struct command_line_codes *out,
                           const char **why) RC_CHECKED;
