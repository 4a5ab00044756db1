/* token_file.h - a token of the admin API in a file of its owner's. */
#pragma once

#include "account/api_token.h"

#include <stdbool.h>

/* What the functions say about failures goes to standard error. */

/* With its end of line cut off, and a NUL.  False: it cannot be read, or holds none. */
bool token_file_read(const char *path, char out[API_TOKEN_MAX_BYTES + 1]);

/* A new file that only its owner reads, whole or not at all. */
bool token_file_write(const char *path, const char *token);
