/* verdict.h - what the checks found out about a message.
 *
 * Facts in the words of RFC 8601: which method was applied to what, with which result,
 * and why; an Authentication-Results field is this, printed.  What follows from a fact
 * the check says by its result.
 *
 * Limits: VERDICT_FACTS_MAX facts; further ones are not kept.
 * Lives in the message's arena.  Thread: that which has the message.
 */
#pragma once

#include "base/str.h"
#include "mail/auth_results.h"

struct arena;

enum { VERDICT_FACTS_MAX = AUTH_RESULTS_FACTS_MAX };

struct verdict {
    struct auth_results_fact *facts; /* in the order in which they were found */
    size_t count;
    size_t room;
};

/* Copies the fact itself; what it points to lives as long as the arena. */
void verdict_add(struct verdict *v, struct arena *a,
                 const struct auth_results_fact *fact);

/* The whole Authentication-Results field with its last CRLF, by the server of that name;
 * "none" in it without facts. */
str_t verdict_print(const struct verdict *v, struct arena *a, str_t host);

/* For logs: "dkim=pass spf=fail", without whose; "none" without facts. */
str_t verdict_words(const struct verdict *v, struct arena *a);

/* The value of a fact's property of that name; empty: it has none. */
str_t verdict_property(const struct auth_results_fact *fact, const char *name);
