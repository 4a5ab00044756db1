/* cert.h - a self-signed certificate, as the chatmail relay makes it for domains that no
 * authority certifies (chatmail spec 7.4).  The door to openssl/x509.h.  Thread: any.
 */
#pragma once

#include "base/rc.h"

#include <stddef.h>

struct cert_request {
    const char *domain; /* or an IPv4 address, with or without brackets */
    const char *const *addresses;
    size_t address_count;
    const char *cert_file, *key_file; /* PEM; the key for its owner only */
};

/* RC_INVALID: *why says which name or file. */
enum rc cert_make(const struct cert_request *r, char *why, size_t room) RC_CHECKED;
