/* verb_secret.c - 32 random bytes that survive every editor and shell. */
#include "verb.h"

#include "base/crypto.h"

#include <stdio.h>

enum { SECRET_BYTES = 32 };

int verb_secret(int argc, char **argv)
{
    static const struct verb_flag flags[] = { { 0 } };
    unsigned char raw[SECRET_BYTES];
    char text[2 * SECRET_BYTES + 1];

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    crypto_random(raw, sizeof(raw));
    crypto_hex(text, str_n((const char *)raw, sizeof(raw)));
    puts(text);
    crypto_wipe(raw, sizeof(raw));
    crypto_wipe(text, sizeof(text));
    return VERB_DONE;
}
