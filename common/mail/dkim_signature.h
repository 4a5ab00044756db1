/* dkim_signature.h - what a DKIM-Signature field says.
 *
 * Pure; in the arena or borrowed from the message.  RFC 6376 3.5, RFC 8463 3 (Ed25519),
 * RFC 8616 4 (letters beyond ASCII in d=, s= and i=).  Thread: any.
 */
#pragma once

#include "base/crypto_key.h"
#include "base/str.h"
#include "mail/dkim_canon.h"
#include "mail/dkim_outcome.h"
#include "mail/header.h"

#include <stddef.h>
#include <stdint.h>

struct arena;

enum {
    DKIM_SIGNATURE_MAX = 8,         /* looked at in a message, the first ones */
    DKIM_SIGNATURE_MAX_NAMES = 300, /* in h= */
    /* Of a field: more is a syntax error, as reading takes some times as much. */
    DKIM_SIGNATURE_MAX_BYTES = 16 * 1024,
};

struct dkim_signature {
    enum dkim_outcome
        outcome; /* PASS: all below is there; else only what could be read */
    struct header_field field;          /* in the message */
    struct header_field unsigned_field; /* the same with an empty b= */
    enum crypto_key_kind kind;
    enum dkim_canon header_canon, body_canon;
    str_t domain;   /* d=, in lower case */
    str_t selector; /* s=, in lower case */
    str_t identity; /* the domain of i=, or of d=; in lower case */
    str_t *names;   /* h= */
    size_t name_count;
    str_t body_hash; /* 32 bytes */
    str_t signature;
    int64_t signed_unix;  /* -1: not said */
    int64_t expires_unix; /* -1: never */
};

/* Never fails: what is wrong stands in the outcome. */
void dkim_signature_parse(struct arena *a, const struct header_field *field,
                          struct dkim_signature *out);

/* Those of a header; returns how many of out are filled. */
size_t dkim_signature_find(struct arena *a, str_t header,
                           struct dkim_signature out[DKIM_SIGNATURE_MAX]);

/* Of which canonical forms a body hash is needed: bits for dkim_body_init. */
unsigned dkim_signature_canons(const struct dkim_signature *list, size_t count);
