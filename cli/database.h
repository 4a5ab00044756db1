/* database.h - for verbs that work in the database itself, not through the admin API. */
#pragma once

#include "base/rc.h"

struct db;
struct options;

/* Entered, as the role in the options.  NULL: said why. */
struct db *database_open(const struct options *o);

/* Says what came of `what` and why, and of a role without rights, or of a database
 * without a table for `things` yet, what to do; returns VERB_FAILED. */
int database_fail(const char *what, const char *things, enum rc rc, const struct db *db);
