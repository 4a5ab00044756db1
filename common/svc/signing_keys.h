/* signing_keys.h - the keys by which the mail of our domains is signed: made, sealed,
 * changed.
 *
 * They are in the database, sealed with a key of cluster_secret, so that all who sign
 * sign alike.  What is sealed with cluster_secret_previous opens as well.
 * Thread: the db's.
 */
#pragma once

#include "base/crypto_key.h"
#include "store/store_dkim.h"

#include <stdbool.h>

struct options;

enum {
    SIGNING_KEYS_SPREAD_S = 3600, /* from a new key's making until it may be used */
    /* An old record is needed for what the queue still holds, and a day more. */
    SIGNING_KEYS_GRACE_S = 86400,
};

/* Not with dkim_sign = false, nor by an address, under which no record could stand. */
bool signing_keys_are_wanted(const struct options *o, str_t domain);

/* Own transaction.  The domain has keys that sign when this returns RC_OK; without
 * any, new ones do.  However many ask at once, one of them makes these.  Takes the time
 * of making keys, up to seconds, so ask store_dkim_used before. */
enum rc signing_keys_ensure(struct arena *a, struct db *db, const struct options *o,
                            str_t domain, bool *made) RC_CHECKED;

enum signing_keys_step {
    SIGNING_KEYS_PUBLISH, /* new keys are made, and are to be published */
    SIGNING_KEYS_USE,     /* new keys sign from now on */
    SIGNING_KEYS_WAIT,    /* nothing was done: new keys are younger than the spread */
};

/* Own transaction, as the owner.  Makes new keys; called again, lets them sign instead of
 * the old ones.  at_once: both, whatever their age. */
enum rc signing_keys_rotate(struct arena *a, struct db *db, const struct options *o,
                            str_t domain, bool at_once,
                            enum signing_keys_step *out) RC_CHECKED;

/* A key of store_dkim_used; crypto_key_free ends it.  RC_INVALID: sealed with neither of
 * the two secrets.  *is_old: with the previous one, signing_keys_seal is due. */
enum rc signing_keys_open(struct arena *a, const struct options *o,
                          const struct store_dkim_key *row, struct crypto_key **out,
                          bool *is_old) RC_CHECKED;
/* With cluster_secret, in the arena. */
str_t signing_keys_seal(struct arena *a, const struct options *o,
                        const struct store_dkim_key *row, const struct crypto_key *key);
