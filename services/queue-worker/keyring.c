/* keyring.c - the keys that sign, as one thread of the service has them at hand. */
#include "keyring.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto_key.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/domains.h"
#include "store/db.h"
#include "svc/signing_keys.h"
#include "svc/options.h"

void keyring_init(struct keyring *k, const struct options *o,
                  const struct domains *domains)
{
    *k = (struct keyring){ .options = o, .domains = domains, .arena = arena_new() };
}

static void empty(struct keyring *k)
{
    for (size_t i = 0; i < k->count; i++)
        for (size_t n = 0; n < k->of[i].count; n++)
            crypto_key_free(&k->of[i].keys[n].key);
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
        log_info("dkim.sealed_again", "domain=%.*s selector=%.*s", STR_ARG(row->domain),
                 STR_ARG(row->selector));
    return rc;
}

/* What the database has of one domain. */
struct found {
    str_t domain;
    struct store_dkim_key *rows;
    size_t count;
};

static enum rc take_one(struct keyring *k, struct arena *a, struct db *db,
                        const struct found *f, const struct store_dkim_key **shut)
{
    struct keyring_domain *d = &k->of[k->count++];
    enum rc rc = RC_OK;

    d->name = f->domain;
    for (size_t i = 0; i < f->count && rc == RC_OK; i++) {
        struct crypto_key *key;
        bool is_old;

        if (signing_keys_open(a, k->options, &f->rows[i], &key, &is_old) != RC_OK) {
            *shut = &f->rows[i];
            return RC_OK;
        }
        d->keys[d->count].key = key;
        d->keys[d->count++].selector = arena_str(k->arena, f->rows[i].selector);
        if (is_old)
            rc = renew_seal(k, a, db, &f->rows[i], key);
    }
    return rc;
}

/* All of them or none: other servers want one signature, but which one is theirs to
 * choose.  *shut: which one does not open. */
static enum rc take(struct keyring *k, struct arena *a, struct db *db,
                    const struct found *found, size_t n,
                    const struct store_dkim_key **shut)
{
    enum rc rc = RC_OK;

    empty(k);
    k->of = arena_array(k->arena, n + 1, sizeof(*k->of));
    for (size_t i = 0; i < n && rc == RC_OK && *shut == NULL; i++)
        rc = take_one(k, a, db, &found[i], shut);
    if (*shut != NULL)
        empty(k);
    return rc;
}

/* With what is to be published, for whom reads the log at the first start. */
static enum rc log_made(struct arena *a, struct db *db, str_t domain)
{
    struct store_dkim_key *keys;
    int64_t now_unix;
    size_t n;
    enum rc rc = store_dkim_list(a, db, domain, &keys, &n, &now_unix);

    for (size_t i = 0; i < n; i++)
        log_info("dkim.made", "name=%.*s._domainkey.%.*s type=TXT record=\"%.*s\"",
                 STR_ARG(keys[i].selector), STR_ARG(domain), STR_ARG(keys[i].record));
    return rc;
}

static enum rc find(struct keyring *k, struct arena *a, struct db *db, struct found *f)
{
    enum rc rc = store_dkim_used(a, db, f->domain, &f->rows, &f->count);
    bool made = false;

    if (rc != RC_OK || f->count > 0)
        return rc;
    rc = signing_keys_ensure(a, db, k->options, f->domain, &made);
    if (rc == RC_OK && made)
        rc = log_made(a, db, f->domain);
    return rc == RC_OK ? store_dkim_used(a, db, f->domain, &f->rows, &f->count) : rc;
}

/* Aliases have no accounts, and so no mail of their own. */
static enum rc find_all(struct keyring *k, struct arena *a, struct db *db,
                        struct found **out, size_t *n)
{
    const struct domains *d = k->domains;
    enum rc rc = RC_OK;

    *n = 0;
    *out = arena_array(a, d->count, sizeof(**out));
    for (size_t i = 0; i < d->count && rc == RC_OK; i++) {
        if (!str_eq(d->row[i].name, d->row[i].main) ||
            !signing_keys_are_wanted(k->options, d->row[i].name))
            continue;
        (*out)[*n].domain = d->row[i].name;
        rc = find(k, a, db, &(*out)[(*n)++]);
    }
    return rc;
}

static size_t count_keys(const struct keyring *k)
{
    size_t count = 0;

    for (size_t i = 0; i < k->count; i++)
        count += k->of[i].count;
    return count;
}

/* Once when it begins, once when it ends. */
static void note(struct keyring *k, enum rc rc, const struct store_dkim_key *shut)
{
    bool was_shut = k->state == KEYRING_SHUT;

    k->state = rc != RC_OK || shut != NULL ? KEYRING_SHUT
               : k->count > 0              ? KEYRING_READY
                                           : KEYRING_OFF;
    if (k->state == KEYRING_READY && was_shut)
        log_info("dkim.opened", "keys=%zu", count_keys(k));
    else if (shut != NULL && !was_shut)
        log_error(
            "dkim.shut",
            "domain=%.*s selector=%.*s reason=\"the key was sealed with another "
            "cluster_secret; mail "
            "to other servers waits: give that one as cluster_secret_previous, or make "
            "a new key with postbusctl dkim rotate --now\"",
            STR_ARG(shut->domain), STR_ARG(shut->selector));
    else if (k->state == KEYRING_SHUT && !was_shut)
        log_error("dkim.shut",
                  "reason=\"the keys cannot be read: %s; mail to other servers "
                  "waits\"",
                  rc_name(rc));
}

enum rc keyring_refresh(struct keyring *k, struct db *db)
{
    const struct store_dkim_key *shut = NULL;
    struct found *found;
    struct arena *a;
    size_t n;
    enum rc rc;

    if (!k->options->dkim_sign || clock_monotonic_ms() < k->read_again_ms)
        return RC_OK;
    a = arena_new();
    rc = find_all(k, a, db, &found, &n);
    if (rc == RC_OK)
        rc = take(k, a, db, found, n, &shut);
    db_reset(db);
    if (rc != RC_RETRY) {
        note(k, rc, shut);
        k->read_again_ms = clock_monotonic_ms() + KEYRING_TTL_MS;
        rc = RC_OK;
    }
    arena_free(&a);
    return rc;
}

static const struct keyring_domain *of_domain(const struct keyring *k, str_t name)
{
    for (size_t i = 0; i < k->count; i++)
        if (str_eq(k->of[i].name, name))
            return &k->of[i];
    return NULL;
}

const struct keyring_domain *keyring_find(const struct keyring *k, str_t sender)
{
    const struct domains_row *ours = NULL;
    struct address address;

    if (address_parse(sender, ADDRESS_UTF8, &address) == RC_OK)
        ours = domains_find(k->domains, address.domain);
    return of_domain(k, ours != NULL ? ours->main : domains_first(k->domains));
}
