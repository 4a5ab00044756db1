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

enum cert_state {
    CERT_NONE,    /* neither file is there */
    CERT_FITS,    /* made by cert_make, with all names of the request */
    CERT_STALE,   /* made by cert_make, but a name or the key is missing */
    CERT_FOREIGN, /* somebody else's, good or bad */
    CERT_HALF,    /* a file without the other, or a key that is not the certificate's */
};

/* What lies where the request wants its files. */
enum cert_state cert_look(const struct cert_request *r);

/* Replaces the certificate, and makes a key unless there is one.  RC_INVALID: *why says
 * which name or file. */
enum rc cert_make(const struct cert_request *r, char *why, size_t room) RC_CHECKED;
