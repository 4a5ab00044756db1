/* operator_token.h - the token that comes with an installation. */
#pragma once

/* No other token may have it: it would end with the next installation's. */
#define OPERATOR_TOKEN_NAME "operator"

struct db;

/* The token in the file is valid for the admin API when this returns VERB_DONE; without
 * such a file one is made.  A file may be another's to make and only readable here. */
int operator_token_ensure(struct db *db, const char *path);
