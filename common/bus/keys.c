/* keys.c - HKDF, the clamping of RFC 7748 5, and Z85 (ZeroMQ RFC 32). */
#include "bus/keys.h"

#include "base/crypto.h"

#include <stdint.h>

enum { KEY_BYTES = 32 };

static void z85_encode(const unsigned char in[KEY_BYTES], char out[KEYS_Z85_BYTES])
{
    static const char digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/"
        "*?&<>()[]{}@%$#";

    for (int i = 0; i < KEY_BYTES; i += 4) {
        uint32_t v = (uint32_t)in[i] << 24 | (uint32_t)in[i + 1] << 16 |
                     (uint32_t)in[i + 2] << 8 | in[i + 3];

        for (int k = 4; k >= 0; k--) {
            out[i / 4 * 5 + k] = digits[v % 85];
            v /= 85;
        }
    }
    out[KEYS_Z85_BYTES - 1] = '\0';
}

void keys_derive(str_t cluster_secret, char out[KEYS_Z85_BYTES])
{
    unsigned char key[KEY_BYTES];

    crypto_hkdf(str_trim(cluster_secret), "postbus bus curve 1", key, sizeof(key));
    key[0] &= 248;
    key[31] &= 127;
    key[31] |= 64;
    z85_encode(key, out);
    crypto_wipe(key, sizeof(key));
}
