/* dkim_keys.h - public keys of other domains, as they were read not long ago.
 *
 * To read a key of RSA costs more than to verify with it.  A key is found by the text of
 * its record, which each message asks the DNS for: so nothing here is ever out of date,
 * and how long a record holds is the resolver's business, which has its own cache.  Only
 * good keys are kept, max of them, about 3 kB each; when a set is full the longest unused
 * goes.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "mail/dkim_key.h"

#include <stddef.h>

struct arena;
struct dkim_keys;
struct dkim_keys_entry;

struct dkim_keys *dkim_keys_new(size_t max);
void dkim_keys_free(struct dkim_keys **k); /* when no entry is held; *k may be NULL */

/* As dkim_key_parse; with PASS *held is dkim_keys_release's. */
enum dkim_outcome dkim_keys_get(struct dkim_keys *k, struct arena *a, str_t text,
                                struct dkim_keys_entry **held);
void dkim_keys_release(struct dkim_keys *k, struct dkim_keys_entry *held);

/* Valid while the entry is held. */
const struct dkim_key *dkim_keys_key(const struct dkim_keys_entry *held);

size_t dkim_keys_count(struct dkim_keys *k); /* of those that are kept */
