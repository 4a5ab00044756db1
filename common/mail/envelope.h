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

enum {
    /* What all recipients together may bring with them; whoever would bring more must be
     * sent another message. */
    ENVELOPE_RECIPIENTS_BYTES = 64 * 1024,
    ENVELOPE_MAX_BYTES = 4096 + ENVELOPE_RECIPIENTS_BYTES,
};

/* RFC 3461 4.3 */
enum envelope_ret { ENVELOPE_RET_NONE, ENVELOPE_RET_HDRS, ENVELOPE_RET_FULL };

/* RFC 3461 4.1; 0: not said */
enum envelope_notify {
    ENVELOPE_NOTIFY_NEVER = 1 << 0,
    ENVELOPE_NOTIFY_SUCCESS = 1 << 1,
    ENVELOPE_NOTIFY_FAILURE = 1 << 2,
    ENVELOPE_NOTIFY_DELAY = 1 << 3,
};

/* What is known about a recipient besides the address. */
struct envelope_recipient {
    str_t address;
    unsigned notify; /* enum envelope_notify */
    str_t orcpt;     /* "rfc822;user@x.example", decoded; empty: none */
};

struct envelope {
    bool smtputf8;   /* RFC 6531: an address or the header needs it */
    bool eight_bit;  /* RFC 6152: the body has bytes above 127 */
    bool submission; /* by an account of ours, not by another server */
    bool quarantine; /* into the mailbox Junk, and to no other server */
    bool report;     /* written by this server itself, about mail that failed */
    int64_t account; /* who submitted; 0: nobody of ours */
    /* SHA-256 of the body in relaxed form (RFC 6376 3.4.4), so that whoever signs the
     * message need not read its body. */
    bool has_body_hash;
    unsigned char body_hash[CRYPTO_SHA256_BYTES];
    bool requiretls;   /* RFC 8689: only over verified TLS, to who promises the same */
    bool tls_optional; /* RFC 8689: the author would have it without, if need be */
    enum envelope_ret ret;
    str_t envid; /* RFC 3461 4.4, printable; read: as XTEXT, see envelope_envid */
    const struct envelope_recipient
        *recipients; /* to write: those with something to say */
    size_t recipient_count;
    str_t recipient_list; /* read: for envelope_find */
    str_t id; /* names the message in logs and to people: letters, digits, '-', '.' */
};

/* Sets body_hash. */
void envelope_hash_body(struct envelope *e, str_t body);

/* {"smtputf8":true,...} without the fields that are zero. */
str_t envelope_format(struct arena *a, const struct envelope *e);

/* How many bytes of it r takes: see ENVELOPE_RECIPIENTS_BYTES. */
size_t envelope_recipient_bytes(struct arena *a, const struct envelope_recipient *r);

/* *out borrows from text.  False: not an object (then *out is all zero). */
bool envelope_parse(str_t text, struct envelope *out);

/* Of an envelope that was read.  False: there is nothing about this recipient. */
bool envelope_find(struct arena *a, const struct envelope *e, str_t address,
                   struct envelope_recipient *out);
str_t envelope_envid(struct arena *a, const struct envelope *e); /* empty: none */

/* The same envelope for some of its recipients, with all that a newer program has written
 * there. */
str_t envelope_narrow(struct arena *a, str_t text, const str_t *recipients, size_t n);
