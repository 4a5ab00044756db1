/* dkim_outcome.h - what can be said of a DKIM signature, and its word in
 * Authentication-Results.
 *
 * Two outcomes are not found out here but by who asks the DNS: KEY_UNREACHABLE (which
 * never leads to a permanent answer) and KEY_MISSING.  RFC 6376 6.1; RFC 8601 2.7.1.
 * Thread: any.
 */
#pragma once

enum dkim_outcome {
#define DKIM_OUTCOME(name, result, text) DKIM_OUTCOME_##name,
#include "mail/dkim_outcomes.def"
#undef DKIM_OUTCOME
    DKIM_OUTCOME_COUNT
};

enum dkim_result {
    DKIM_RESULT_PASS,
    DKIM_RESULT_FAIL,      /* it does not verify */
    DKIM_RESULT_POLICY,    /* it might verify, and is not accepted */
    DKIM_RESULT_NEUTRAL,   /* it cannot be understood */
    DKIM_RESULT_TEMPERROR, /* it may verify later */
    DKIM_RESULT_PERMERROR, /* it never will */
    DKIM_RESULT_COUNT
};

enum dkim_result dkim_outcome_result(enum dkim_outcome outcome);
const char *dkim_outcome_word(enum dkim_outcome outcome); /* "pass", "permerror", ... */
const char *dkim_outcome_text(enum dkim_outcome outcome); /* the reason, one sentence */
