/* signing_keys.c - the keys by which the mail of our domains is signed: made, sealed,
 * changed.
 *
 * A new key has a selector of its own, so that the old one's record can stay.
 */
#include "svc/signing_keys.h"

#include "base/arena.h"
#include "base/crypto_seal.h"
#include "mail/dkim_key.h"
#include "svc/options.h"

#include <string.h>
#include <time.h>

/* What dkim_algorithm may say; RSA first, as in both. */
static const struct algorithm {
    const char *word;
    unsigned rsa_bits; /* 0: no key of RSA */
    bool ed25519;
} algorithms[] = {
    { "rsa2048", 2048, false },
    { "rsa4096", 4096, false },
    { "ed25519", 0, true },
    { "both", 2048, true },
};

bool signing_keys_are_wanted(const struct options *o, str_t domain)
{
    return o->dkim_sign && !str_starts(domain, S("["));
}

static void derive(const char *secret, unsigned char key[CRYPTO_SEAL_KEY_BYTES])
{
    crypto_hkdf(str_trim(str_of(secret)), "postbus dkim 1", key, CRYPTO_SEAL_KEY_BYTES);
}

/* A row cannot be given another one's key. */
static str_t label(struct arena *a, const struct store_dkim_key *row)
{
    return str_of(
        arena_printf(a, "%.*s %.*s", STR_ARG(row->selector), STR_ARG(row->domain)));
}

str_t signing_keys_seal(struct arena *a, const struct options *o,
                        const struct store_dkim_key *row, const struct crypto_key *key)
{
    unsigned char seal[CRYPTO_SEAL_KEY_BYTES];
    str_t plain = crypto_key_private(a, key), sealed;

    derive(o->cluster_secret, seal);
    sealed = crypto_seal(a, seal, label(a, row), plain);
    crypto_wipe(seal, sizeof(seal));
    crypto_wipe((char *)plain.p, plain.n);
    return sealed;
}

static enum rc open_with(struct arena *a, const char *secret,
                         const struct store_dkim_key *row, struct crypto_key **out)
{
    unsigned char seal[CRYPTO_SEAL_KEY_BYTES];
    str_t plain;
    enum rc rc;

    if (secret[0] == '\0')
        return RC_INVALID;
    derive(secret, seal);
    rc = crypto_seal_open(a, seal, label(a, row), row->sealed, &plain);
    crypto_wipe(seal, sizeof(seal));
    if (rc != RC_OK)
        return rc;
    rc = crypto_key_read_private(plain, out);
    crypto_wipe((char *)plain.p, plain.n);
    return rc == RC_OK ? RC_OK : RC_INVALID;
}

enum rc signing_keys_open(struct arena *a, const struct options *o,
                          const struct store_dkim_key *row, struct crypto_key **out,
                          bool *is_old)
{
    enum rc rc = open_with(a, o->cluster_secret, row, out);

    *is_old = rc != RC_OK;
    return rc == RC_OK ? RC_OK : open_with(a, o->cluster_secret_previous, row, out);
}

/* Of the domain's keys. */
struct state {
    size_t count, used;
    int64_t youngest_unused_unix; /* 0: none */
    int64_t now_unix;
};

static const char *date(struct arena *a, int64_t unix_s)
{
    time_t at = (time_t)unix_s;
    char text[32];
    struct tm utc;

    gmtime_r(&at, &utc);
    strftime(text, sizeof(text), "-%Y%m%d%H%M", &utc);
    return arena_cstr(a, str_of(text));
}

/* NULL: not wanted. */
struct fresh {
    struct crypto_key *rsa, *ed25519;
};

/* Before the transaction, which may not lie idle for as long as a slow machine takes. */
static struct fresh generate(const struct options *o)
{
    const struct algorithm *which = algorithms;
    struct fresh f = { 0 };

    while (strcmp(which->word, o->dkim_algorithm) != 0)
        which++;
    if (which->rsa_bits != 0)
        f.rsa = crypto_key_generate(CRYPTO_KEY_RSA, which->rsa_bits);
    if (which->ed25519)
        f.ed25519 = crypto_key_generate(CRYPTO_KEY_ED25519, 0);
    return f;
}

/* What is done, for whom. */
struct change {
    struct arena *arena;
    struct db *db;
    const struct options *options;
    str_t domain;
};

static enum rc add(const struct change *c, const char *selector,
                   const struct crypto_key *key, bool used)
{
    struct store_dkim_key row = { .domain = c->domain,
                                  .selector = str_of(selector),
                                  .record = dkim_key_record(c->arena, key) };

    row.sealed = signing_keys_seal(c->arena, c->options, &row, key);
    return store_dkim_add(c->db, &row, used);
}

/* used: they sign at once. */
static enum rc put(const struct change *c, const struct state *now, const struct fresh *f,
                   bool used)
{
    struct arena *a = c->arena;
    const char *selector = arena_printf(a, "%s%s", c->options->dkim_selector,
                                        now->count == 0 ? "" : date(a, now->now_unix));
    enum rc rc = RC_OK;

    if (f->rsa != NULL) {
        rc = add(c, selector, f->rsa, used);
        selector = arena_printf(a, "%s-ed25519", selector);
    }
    if (rc == RC_OK && f->ed25519 != NULL)
        rc = add(c, selector, f->ed25519, used);
    return rc;
}

static enum rc look(const struct change *c, struct state *out)
{
    struct store_dkim_key *keys;
    enum rc rc = store_dkim_lock(c->db);

    *out = (struct state){ 0 };
    if (rc == RC_OK)
        rc = store_dkim_list(c->arena, c->db, c->domain, &keys, &out->count,
                             &out->now_unix);
    for (size_t i = 0; rc == RC_OK && i < out->count; i++) {
        out->used += keys[i].used_unix > 0 && keys[i].retired_unix == 0;
        if (keys[i].used_unix == 0)
            out->youngest_unused_unix = keys[i].made_unix;
    }
    return rc;
}

static enum rc end(struct db *db, struct fresh *f, enum rc rc)
{
    crypto_key_free(&f->rsa);
    crypto_key_free(&f->ed25519);
    if (rc == RC_OK)
        return db_commit(db);
    db_rollback(db);
    return rc;
}

enum rc signing_keys_ensure(struct arena *a, struct db *db, const struct options *o,
                            str_t domain, bool *made)
{
    struct change c = { .arena = a, .db = db, .options = o, .domain = domain };
    struct fresh f = generate(o);
    struct state now;
    enum rc rc;

    *made = false;
    db_begin(db);
    rc = look(&c, &now);
    if (rc == RC_OK && now.used == 0) {
        rc = put(&c, &now, &f, true);
        *made = rc == RC_OK;
    }
    return end(db, &f, rc);
}

static enum rc use(const struct change *c)
{
    return store_dkim_change(c->db, c->domain,
                             c->options->maximal_queue_lifetime + SIGNING_KEYS_GRACE_S);
}

enum rc signing_keys_rotate(struct arena *a, struct db *db, const struct options *o,
                            str_t domain, bool at_once, enum signing_keys_step *out)
{
    struct change c = { .arena = a, .db = db, .options = o, .domain = domain };
    struct fresh f = generate(o);
    struct state now;
    bool is_new, is_time;
    enum rc rc;

    db_begin(db);
    rc = look(&c, &now);
    is_new = now.youngest_unused_unix == 0;
    is_time =
        now.used == 0 || at_once ||
        (!is_new && now.now_unix - now.youngest_unused_unix >= SIGNING_KEYS_SPREAD_S);
    *out = is_time ? SIGNING_KEYS_USE : is_new ? SIGNING_KEYS_PUBLISH : SIGNING_KEYS_WAIT;
    if (rc == RC_OK && is_new)
        rc = put(&c, &now, &f, false);
    if (rc == RC_OK && is_time)
        rc = use(&c);
    return end(db, &f, rc);
}
