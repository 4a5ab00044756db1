/* keyring.h - the keys that sign, as one thread of the service has them at hand.
 *
 * They are in the database and are read again every KEYRING_TTL_MS, so that a change of
 * keys is followed without a restart.  Where there are none, they are made.
 * Thread: one owner; each thread of the service has its own.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "store/store_dkim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct crypto_key;
struct db;
struct domains;
struct options;

enum { KEYRING_TTL_MS = 30000 };

enum keyring_state {
    KEYRING_OFF,   /* mail leaves without a signature */
    KEYRING_READY, /* there is at least one key */
    /* There are keys and they cannot be had.  Without a signature other servers would
     * refuse mail for good, so it waits. */
    KEYRING_SHUT,
};

struct keyring_key {
    str_t selector;
    struct crypto_key *key;
};

/* The keys of one of our domains, each of which signs all its mail. */
struct keyring_domain {
    str_t name;
    struct keyring_key keys[STORE_DKIM_USED_MAX];
    size_t count;
};

struct keyring {
    enum keyring_state state; /* of all domains: the same secret opens all keys */
    /* owned by keyring.c */
    const struct options *options;
    const struct domains *domains;
    struct keyring_domain *of; /* those that sign, the first of ours first if it does */
    size_t count;
    struct arena *arena;   /* of these */
    int64_t read_again_ms; /* monotonic; 0: never read */
};

/* domains outlive it. */
void keyring_init(struct keyring *k, const struct options *o,
                  const struct domains *domains);
void keyring_fini(struct keyring *k);

/* Own transactions; mostly nothing.  RC_RETRY: the database is away, and k is as it was.
 * What else may be wrong is logged, and k->state says what follows from it. */
enum rc keyring_refresh(struct keyring *k, struct db *db) RC_CHECKED;

/* Who signs what this envelope sender sends: the domain that is the sender's, and of null
 * and foreign senders the first of ours.  NULL: nobody, as its domain is an address. */
const struct keyring_domain *keyring_find(const struct keyring *k, str_t sender);
