/* envelope.h - the JSON object beside a queued message: what its way through the queue
 * must know besides sender and recipients.
 *
 * Whoever accepts mail writes it, queue-worker passes it on as it is, remote-sender reads
 * it.  Fields are only ever added; a reader ignores what it does not know, and a missing
 * or odd value is zero, so old and new services share a queue.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/crypto.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;

enum { ENVELOPE_MAX_BYTES = 4096 };

struct envelope {
    bool smtputf8;   /* RFC 6531: an address or the header needs it */
    bool eight_bit;  /* RFC 6152: the body has bytes above 127 */
    bool submission; /* by an account of ours, not by another server */
    bool quarantine; /* into the mailbox Junk, and to no other server */
    int64_t account; /* who submitted; 0: nobody of ours */
    /* SHA-256 of the body in relaxed form (RFC 6376 3.4.4), so that whoever signs the
     * message need not read its body. */
    bool has_body_hash;
    unsigned char body_hash[CRYPTO_SHA256_BYTES];
    str_t id; /* names the message in logs and to people: letters, digits, '-', '.' */
};

/* Sets body_hash. */
void envelope_hash_body(struct envelope *e, str_t body);

/* {"smtputf8":true,...} without the fields that are zero. */
str_t envelope_format(struct arena *a, const struct envelope *e);

/* *out borrows from text.  False: not an object (then *out is all zero). */
bool envelope_parse(str_t text, struct envelope *out);
