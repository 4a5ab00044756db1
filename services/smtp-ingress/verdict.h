/* verdict.h - what the checks found out about a message.
 *
 * Facts in the words of RFC 8601: which method was applied to what, with which result,
 * and why; so an Authentication-Results field is this, printed.  What follows from them
 * the checks say by their results.  Lives in the message's arena.  Thread: that which has
 * the message.
 */
#pragma once

#include "base/str.h"

struct arena;

/* RFC 8601 2.7; not every method knows all. */
enum verdict_result {
    VERDICT_NONE, /* does not apply */
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_NEUTRAL,   /* says nothing either way */
    VERDICT_POLICY,    /* would pass, and is not accepted here */
    VERDICT_TEMPERROR, /* may be known later */
    VERDICT_PERMERROR, /* never will */
    VERDICT_RESULTS
};

enum { VERDICT_PROPERTIES_MAX = 4 };

struct verdict_property {
    const char *name; /* "smtp.mailfrom"; NULL ends the list */
    str_t value;
};

struct verdict_fact {
    const char *method; /* registered, or beginning with x- */
    enum verdict_result result;
    const char *reason; /* for people; NULL: none */
    struct verdict_property properties[VERDICT_PROPERTIES_MAX];
    struct verdict_fact *next;
};

struct verdict {
    struct verdict_fact *first, *last; /* in the order in which they were found */
};

/* Copies the fact itself; what it points to lives as long as the arena. */
void verdict_add(struct verdict *v, struct arena *a, const struct verdict_fact *fact);

const char *verdict_result_name(enum verdict_result r); /* as the field has it */
