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
struct options;

enum { KEYRING_TTL_MS = 30000 };

enum keyring_state {
    KEYRING_OFF,   /* mail leaves without a signature */
    KEYRING_READY, /* there is at least one key */
    /* There are keys and they cannot be had.  Without a signature other servers would
     * refuse mail for good, so it waits. */
    KEYRING_SHUT,
};

struct keyring {
    enum keyring_state state;
    str_t domain;
    struct {
        str_t selector;
        struct crypto_key *key;
    } keys[STORE_DKIM_USED_MAX];
    size_t count;
    /* owned by keyring.c */
    const struct options *options;
    struct arena *arena;   /* of the selectors */
    int64_t read_again_ms; /* monotonic; 0: never read */
};

void keyring_init(struct keyring *k, const struct options *o);
void keyring_fini(struct keyring *k);

/* Own transactions; mostly nothing.  RC_RETRY: the database is away, and k is as it was.
 * What else may be wrong is logged, and k->state says what follows from it. */
enum rc keyring_refresh(struct keyring *k, struct db *db) RC_CHECKED;
