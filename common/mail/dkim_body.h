/* dkim_body.h - the body hashes of DKIM, taken while the body goes by.
 *
 * The header comes first and says which canonicalizations are asked for; only those are
 * computed.  From the first line on that begins with a dot a second hash goes along, of
 * the body as it is in transit (with dots doubled): some chatmail servers sign that.
 * Feeding allocates nothing else; a struct holds at most DKIM_BODY_HASHES running hashes
 * of about 500 bytes each, until dkim_body_end or dkim_body_fini.
 * Thread: any; one struct belongs to one message, and stays where it was initialised.
 */
#pragma once

#include "base/crypto.h"
#include "base/str.h"
#include "mail/dkim_canon.h"

#include <stdbool.h>

enum { DKIM_BODY_HASHES = 2 * DKIM_CANON_COUNT };

struct dkim_body_hash {
    struct dkim_canon_body canon;
    struct crypto_sha256_state *plain;   /* NULL: not asked for, or finished */
    struct crypto_sha256_state *stuffed; /* NULL: no line began with a dot */
    unsigned char plain_hash[CRYPTO_SHA256_BYTES];
    unsigned char stuffed_hash[CRYPTO_SHA256_BYTES];
    bool has_plain, has_stuffed; /* the hash is there */
};

struct dkim_body {
    struct dkim_body_hash of[DKIM_CANON_COUNT];
};

/* canons: bits 1 << enum dkim_canon; 0 hashes nothing. */
void dkim_body_init(struct dkim_body *b, unsigned canons);
void dkim_body_feed(struct dkim_body *b, str_t piece); /* without SMTP's dots */
void dkim_body_end(struct dkim_body *b);
void dkim_body_fini(struct dkim_body *b); /* also without an end; twice is allowed */

/* The hash of the body as RFC 6376 3.7 has it, to sign or to compare.  Only after
 * dkim_body_end, and only of what was asked for; borrowed from the struct. */
const unsigned char *dkim_body_get(const struct dkim_body *b, enum dkim_canon canon);

/* Is that the hash, in either form?  False for what was not asked for. */
bool dkim_body_matches(const struct dkim_body *b, enum dkim_canon canon, str_t hash);
