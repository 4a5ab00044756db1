/* auth_results.h - the header field that says what was found out about a message.
 *
 * The printer takes any text: what is no token is quoted, lines are folded, and blanks,
 * controls, semicolons, parentheses and bytes that are not UTF-8 become question marks,
 * so nothing in a value ends a field or begins a fact, also to readers that know no
 * quotes.
 *
 * Limits: AUTH_RESULTS_VALUE_MAX_BYTES of a value and AUTH_RESULTS_FACTS_MAX facts are
 * printed, so a field has at most AUTH_RESULTS_MAX_BYTES and a line at most 998.
 *
 * Pure.  Thread: any.  RFC 8601.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum {
    AUTH_RESULTS_VALUE_MAX_BYTES = 256,
    AUTH_RESULTS_PROPERTIES_MAX = 4,
    AUTH_RESULTS_FACTS_MAX = 64,
    AUTH_RESULTS_MAX_BYTES = 256 * 1024,
};

/* RFC 8601 2.7; not every method knows all. */
enum auth_results_word {
    AUTH_RESULTS_NONE, /* does not apply */
    AUTH_RESULTS_PASS,
    AUTH_RESULTS_FAIL,
    AUTH_RESULTS_SOFTFAIL,
    AUTH_RESULTS_NEUTRAL,
    AUTH_RESULTS_POLICY,    /* would pass, but we do not want it so */
    AUTH_RESULTS_TEMPERROR, /* may be known later */
    AUTH_RESULTS_PERMERROR,
    AUTH_RESULTS_WORDS
};

struct auth_results_property {
    const char *name; /* "smtp.mailfrom"; NULL ends the list */
    str_t value;      /* empty: is left out */
};

struct auth_results_fact {
    const char *method; /* registered, or beginning with x- */
    enum auth_results_word result;
    str_t reason; /* for people, our own words: its blanks stay; empty: none */
    struct auth_results_property properties[AUTH_RESULTS_PROPERTIES_MAX];
};

/* The whole field with its name and last CRLF; "none" without facts.  The service is our
 * authserv-id. */
str_t auth_results_format(struct arena *a, str_t service,
                          const struct auth_results_fact *facts, size_t count);

const char *auth_results_word_name(enum auth_results_word w);

/* Does a field's value claim to be by that service (without regard to case and a final
 * dot)?  Also true when it cannot be said who it is by, as somebody may read it as ours:
 * such fields are removed before ours is added (5). */
bool auth_results_claims(struct arena *a, str_t value, str_t service);
