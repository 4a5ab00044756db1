/* dkim_verify.h - does a signature hold?
 *
 * Pure: the key's record and the time are given.  RFC 6376 6.1; RFC 8463.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "mail/dkim_body.h"
#include "mail/dkim_header.h"
#include "mail/dkim_key.h"
#include "mail/dkim_outcome.h"
#include "mail/dkim_signature.h"

#include <stdint.h>

struct arena;

/* Clocks differ; an hour also covers those that are in the wrong time zone by one. */
enum { DKIM_VERIFY_CLOCK_SKEW_S = 3600 };

/* What can be said without the key; only PASS needs one, so nobody asks the DNS for a
 * signature that cannot hold.  body is finished (dkim_body_end). */
enum dkim_outcome dkim_verify_without_key(const struct dkim_signature *s,
                                          const struct dkim_body *body, int64_t now_unix);

/* What the key (one that dkim_key_parse let pass) says of the header.  A signature holds
 * when both say PASS. */
enum dkim_outcome dkim_verify_with_key(struct arena *a, const struct dkim_signature *s,
                                       const struct dkim_header *header,
                                       const struct dkim_key *key);
