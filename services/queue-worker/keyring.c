/* keyring.c - the keys that sign, as one thread of the service has them at hand. */
#include "keyring.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto_key.h"
#include "base/log.h"
#include "store/db.h"
#include "svc/signing_keys.h"
#include "svc/options.h"

void keyring_init(struct keyring *k, const struct options *o)
{
    *k = (struct keyring){ .options = o, .arena = arena_new() };
}

static void empty(struct keyring *k)
{
    for (size_t i = 0; i < k->count; i++)
        crypto_key_free(&k->keys[i].key);
    k->count = 0;
    arena_reset(k->arena);
}

void keyring_fini(struct keyring *k)
{
    empty(k);
    arena_free(&k->arena);
}

/* The secret is being changed: what the previous one sealed must open without it. */
static enum rc renew_seal(struct keyring *k, struct arena *a, struct db *db,
                          const struct store_dkim_key *row, const struct crypto_key *key)
{
    enum rc rc = store_dkim_reseal(db, row, signing_keys_seal(a, k->options, row, key));

    if (rc == RC_OK)
        log_info("dkim.sealed_again", "selector=%.*s", STR_ARG(row->selector));
    return rc;
}

/* All of them or none: other servers want one signature, but which one is theirs to
 * choose.  *shut: which one does not open. */
static enum rc take(struct keyring *k, struct arena *a, struct db *db,
                    const struct store_dkim_key *rows, size_t n,
                    const struct store_dkim_key **shut)
{
    enum rc rc = RC_OK;

    empty(k);
    *shut = NULL;
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        struct crypto_key *key;
        bool is_old;

        if (signing_keys_open(a, k->options, &rows[i], &key, &is_old) != RC_OK) {
            *shut = &rows[i];
            empty(k);
            return RC_OK;
        }
        k->keys[k->count].key = key;
        k->keys[k->count++].selector = arena_str(k->arena, rows[i].selector);
        if (is_old)
            rc = renew_seal(k, a, db, &rows[i], key);
    }
    return rc;
}

static enum rc find(struct keyring *k, struct arena *a, struct db *db,
                    struct store_dkim_key **rows, size_t *n)
{
    enum rc rc = store_dkim_used(a, db, k->domain, rows, n);
    bool made = false;

    if (rc == RC_OK && *n == 0) {
        rc = signing_keys_ensure(a, db, k->options, &made);
        if (rc == RC_OK)
            rc = store_dkim_used(a, db, k->domain, rows, n);
    }
    for (size_t i = 0; made && rc == RC_OK && i < *n; i++)
        log_info("dkim.made",
                 "selector=%.*s advice=\"publish what postbusctl dkim show prints\"",
                 STR_ARG((*rows)[i].selector));
    return rc;
}

/* Once when it begins, once when it ends. */
static void note(struct keyring *k, enum rc rc, const struct store_dkim_key *shut)
{
    bool was_shut = k->state == KEYRING_SHUT;

    k->state = rc == RC_OK && shut == NULL ? KEYRING_READY : KEYRING_SHUT;
    if (k->state == KEYRING_READY && was_shut)
        log_info("dkim.opened", "keys=%zu", k->count);
    else if (shut != NULL && !was_shut)
        log_error(
            "dkim.shut",
            "selector=%.*s reason=\"the key was sealed with another cluster_secret; mail "
            "to other servers waits: give that one as cluster_secret_previous, or make "
            "a new key with postbusctl dkim rotate --now\"",
            STR_ARG(shut->selector));
    else if (k->state == KEYRING_SHUT && !was_shut)
        log_error("dkim.shut",
                  "reason=\"the keys cannot be read: %s; mail to other servers "
                  "waits\"",
                  rc_name(rc));
}

enum rc keyring_refresh(struct keyring *k, struct db *db)
{
    const struct store_dkim_key *shut = NULL;
    struct store_dkim_key *rows;
    struct arena *a;
    size_t n;
    enum rc rc;

    if (!signing_keys_are_wanted(k->options) || clock_monotonic_ms() < k->read_again_ms)
        return RC_OK;
    k->domain = str_of(k->options->mail_domain);
    a = arena_new();
    rc = find(k, a, db, &rows, &n);
    if (rc == RC_OK)
        rc = take(k, a, db, rows, n, &shut);
    db_reset(db);
    if (rc != RC_RETRY) {
        note(k, rc, shut);
        k->read_again_ms = clock_monotonic_ms() + KEYRING_TTL_MS;
        rc = RC_OK;
    }
    arena_free(&a);
    return rc;
}
