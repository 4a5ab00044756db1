/* api_token.c - a word that is found when it was left where it should not be: it begins
 * with our name. */
#include "account/api_token.h"

#include "base/crypto.h"

#include <string.h>

#define PREFIX "postbus_"

enum { RANDOM_BYTES = 32 };

void api_token_make(char out[API_TOKEN_TEXT_BYTES])
{
    unsigned char raw[RANDOM_BYTES];

    crypto_random(raw, sizeof(raw));
    memcpy(out, PREFIX, sizeof(PREFIX) - 1);
    crypto_hex(out + sizeof(PREFIX) - 1, str_n((const char *)raw, sizeof(raw)));
    crypto_wipe(raw, sizeof(raw));
}

static bool is_of(str_t text, const char *others)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = str_lower_char((unsigned char)text.p[i]);

        if (!str_is_digit((char)c) && (c < 'a' || c > 'z') &&
            (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return true;
}

bool api_token_is(str_t text)
{
    str_t word = text;

    while (word.n > 0 && word.p[word.n - 1] == '=')
        word.n--;
    return text.n >= API_TOKEN_MIN_BYTES && text.n <= API_TOKEN_MAX_BYTES && word.n > 0 &&
           is_of(word, "-._~+/");
}

void api_token_hash(str_t token, unsigned char out[API_TOKEN_HASH_BYTES])
{
    crypto_sha256(token, out);
}

bool api_token_is_name(str_t text)
{
    return text.n > 0 && text.n <= API_TOKEN_NAME_MAX_BYTES && is_of(text, "-._");
}
