/* verb.h - what the verbs of postbusctl share: flags and exit statuses.
 *
 * A verb gets the arguments behind its name and returns the exit status.
 */
#pragma once

#include <stdbool.h>

enum { VERB_DONE = 0, VERB_FAILED = 1, VERB_MISUSED = 2, VERB_VALUES_MAX = 16 };

struct verb_flag {
    const char *name;   /* "--config" */
    const char **value; /* one value; NULL: see the others */
    bool *set;          /* no value */
    const char **list;  /* several; room for VERB_VALUES_MAX, ends with NULL */
};

/* Fills what flags point to; the table ends with a NULL name.  False: said what is wrong.
 */
bool verb_flags(int argc, char **argv, const struct verb_flag *flags);

/* One line on standard error; returns VERB_FAILED. */
int verb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define VERB(name, arguments, sentence) int verb_##name(int argc, char **argv);
#include "verbs.def"
#undef VERB
