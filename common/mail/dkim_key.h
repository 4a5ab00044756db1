/* dkim_key.h - the key record that a signature names.
 *
 * Pure; the caller gives the text of the TXT record at <s>._domainkey.<d>, its strings
 * put together.  Quotation marks count as blanks: some zones hold the quotes of a zone
 * file as part of the text, and chatmail servers accept them.  Unlike them, v= must be
 * DKIM1 if it is there (RFC 6376 3.6.1).  t=y (a domain that is testing) changes nothing,
 * as everywhere else.  RFC 8463 4.  Thread: any.
 */
#pragma once

#include "base/crypto_key.h"
#include "base/str.h"
#include "mail/dkim_outcome.h"

#include <stdbool.h>

struct arena;

enum { DKIM_KEY_MAX_BYTES = 4096 };

/* Reading a key of RSA costs several times what verifying with it does, so who keeps
 * records keeps this.  Immutable, and may be used by several threads at once. */
struct dkim_key {
    struct crypto_key *public; /* NULL without PASS */
    bool no_subdomains;        /* t=s: i= must be d= */
    bool testing;              /* t=y */
};

/* PASS, which dkim_key_fini ends, or one of the outcomes KEY_.  The arena is for the work
 * only: nothing of it stays in the key. */
enum dkim_outcome dkim_key_parse(struct arena *a, str_t text, struct dkim_key *out);
void dkim_key_fini(struct dkim_key *key); /* twice is allowed */

/* The record's text for a key of ours, in the arena: "v=DKIM1;k=rsa;p=...;s=email;t=s" in
 * that order, which is the one of chatmail.  More than 255 bytes: a zone needs it in
 * several strings. */
str_t dkim_key_record(struct arena *a, const struct crypto_key *key);
