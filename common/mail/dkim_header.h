/* dkim_header.h - which fields a list of names means, and the hash of them.
 *
 * Pure; borrows from the header.  RFC 6376 3.7, 5.4.2.  Thread: any.
 */
#pragma once

#include "base/crypto.h"
#include "base/str.h"
#include "mail/dkim_canon.h"
#include "mail/header.h"

#include <stddef.h>

struct arena;

struct dkim_header {
    struct header_field *fields; /* in their order */
    size_t count;
    const struct header_field **by_name; /* those of a name in their order */
};

void dkim_header_init(struct arena *a, str_t header, struct dkim_header *out);

struct dkim_header_signed {
    enum dkim_canon canon;
    const str_t *names;
    size_t name_count;
    struct header_field own; /* the signature's field, with an empty b= */
    const char *own_place;   /* where it lies in the header; NULL: not there yet */
};

/* Of several fields of a name the last one is meant first; a name without a field that is
 * not yet taken means nothing, so that a later addition is noticed.  At most twice
 * HEADER_MAX_BYTES are hashed for each call. */
void dkim_header_hash(struct arena *a, const struct dkim_header *h,
                      const struct dkim_header_signed *what,
                      unsigned char out[CRYPTO_SHA256_BYTES]);
