/* api_token.h - the words that admit a program to the admin API.
 *
 * A token is random, 256 bits, and stored nowhere but with its owner: the database knows
 * its hash.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

enum {
    API_TOKEN_TEXT_BYTES = 8 + 64 + 1, /* "postbus_", hexadecimal digits, NUL */
    API_TOKEN_MIN_BYTES = 32,          /* one that was made elsewhere */
    API_TOKEN_MAX_BYTES = 256,
    API_TOKEN_NAME_MAX_BYTES = 64,
    API_TOKEN_HASH_BYTES = 32,
};

void api_token_make(char out[API_TOKEN_TEXT_BYTES]);

/* Could it be one?  Length, and the characters of RFC 6750 2.1. */
bool api_token_is(str_t text);

void api_token_hash(str_t token, unsigned char out[API_TOKEN_HASH_BYTES]);

/* A name for people: letters, digits, `.`, `_`, `-`. */
bool api_token_is_name(str_t text);
