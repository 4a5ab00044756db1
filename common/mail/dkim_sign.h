/* dkim_sign.h - the DKIM-Signature field for a message of ours.
 *
 * Pure: key, body hash and time are given.  Canonicalization is relaxed/relaxed.  Signed
 * are the fields of dkim_sign_fields.def that are there; most of them once more than they
 * are there, so that nobody can add one (RFC 6376 8.15).  Two keys make two fields; each
 * holds by itself.  RFC 6376 5, RFC 8463.  Thread: any.
 */
#pragma once

#include "base/crypto_key.h"
#include "base/str.h"
#include "mail/dkim_header.h"

#include <stdint.h>

struct arena;

enum {
    DKIM_SIGN_LINE_BYTES = 78, /* of a line without CRLF, but for long names (d=, s=) */
    DKIM_SIGN_MAX_SAME = 5, /* times that h= has a name; of more fields the last ones */
};

struct dkim_sign {
    str_t domain, selector;         /* in ASCII (A-labels) */
    const struct crypto_key *key;   /* a private one */
    const unsigned char *body_hash; /* CRYPTO_SHA256_BYTES, of the relaxed body */
    int64_t now_unix;               /* t= */
    int64_t valid_s;                /* x= is so much later; 0: no x= */
};

/* The folded field with its CRLF, in the arena.  It goes above the header. */
str_t dkim_sign(struct arena *a, const struct dkim_header *header,
                const struct dkim_sign *s);
