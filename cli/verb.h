/* verb.h - what the verbs of postbusctl share: flags and exit statuses.
 *
 * A verb gets the arguments behind its name and returns the exit status.
 */
#pragma once

#include <stdbool.h>

enum {
    VERB_DONE = 0,
    VERB_FAILED = 1,
    VERB_MISUSED = 2,
    VERB_NOT_FOUND = 3, /* what was asked for is not there */
    VERB_DENIED = 4,    /* no token, or one that does not admit */
    VERB_VALUES_MAX = 16
};

struct verb_flag {
    const char
        *name; /* "--config"; "ADDRESS": one word that must be there, in its place */
    const char **value; /* one value; NULL: see the others */
    bool *set;          /* no value */
    const char **list;  /* several; room for VERB_VALUES_MAX, ends with NULL */
};

/* Fills what flags point to; the table ends with a NULL name.  False: said what is wrong,
 * or that a word is missing. */
bool verb_flags(int argc, char **argv, const struct verb_flag *flags);

/* One line on standard error; returns VERB_FAILED. */
int verb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define VERB(name, arguments, sentence) int verb_##name(int argc, char **argv);
#include "verbs.def"
#undef VERB
