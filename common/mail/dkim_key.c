/* dkim_key.c - the record's tags, and what each forbids. */
#include "mail/dkim_key.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/dkim_tags.h"

#include <string.h>

static str_t without_quotes(struct arena *a, str_t text)
{
    char *p;

    if (str_find_char(text, '"') == SIZE_MAX)
        return text;
    p = arena_copy(a, text.p, text.n);
    for (size_t i = 0; i < text.n; i++) {
        if (p[i] == '"')
            p[i] = ' ';
    }
    return str_n(p, text.n);
}

static enum dkim_outcome read_public(struct arena *a, const struct dkim_tags *tags,
                                     str_t value, struct dkim_key *out)
{
    const struct dkim_tag *type = dkim_tags_find(tags, S("k"));
    bool is_rsa = type == NULL || str_eq(type->value, S("rsa"));
    str_t bytes;
    enum rc rc;

    if (!is_rsa && !str_eq(type->value, S("ed25519")))
        return DKIM_OUTCOME_KEY_TYPE;
    if (dkim_tags_base64(a, value, &bytes) != RC_OK)
        return DKIM_OUTCOME_KEY_SYNTAX;
    rc = crypto_key_read_public(is_rsa ? CRYPTO_KEY_RSA : CRYPTO_KEY_ED25519, bytes,
                                &out->public);
    if (rc == RC_LIMIT)
        return DKIM_OUTCOME_KEY_SIZE;
    return rc == RC_OK ? DKIM_OUTCOME_PASS : DKIM_OUTCOME_KEY_SYNTAX;
}

static enum dkim_outcome read_restrictions(const struct dkim_tags *tags,
                                           struct dkim_key *out)
{
    const struct dkim_tag *hashes = dkim_tags_find(tags, S("h"));
    const struct dkim_tag *services = dkim_tags_find(tags, S("s"));
    const struct dkim_tag *flags = dkim_tags_find(tags, S("t"));

    if (hashes != NULL && !dkim_tags_has(hashes->value, S("sha256")))
        return DKIM_OUTCOME_KEY_HASH;
    if (services != NULL && !dkim_tags_has(services->value, S("email")) &&
        !dkim_tags_has(services->value, S("*")))
        return DKIM_OUTCOME_KEY_SERVICE;
    if (flags != NULL) {
        out->no_subdomains = dkim_tags_has(flags->value, S("s"));
        out->testing = dkim_tags_has(flags->value, S("y"));
    }
    return DKIM_OUTCOME_PASS;
}

enum dkim_outcome dkim_key_parse(struct arena *a, str_t text, struct dkim_key *out)
{
    const struct dkim_tag *version, *key;
    enum dkim_outcome outcome;
    struct dkim_tags tags;

    *out = (struct dkim_key){ 0 };
    if (text.n > DKIM_KEY_MAX_BYTES ||
        dkim_tags_parse(without_quotes(a, text), &tags) != RC_OK)
        return DKIM_OUTCOME_KEY_SYNTAX;
    version = dkim_tags_find(&tags, S("v"));
    key = dkim_tags_find(&tags, S("p"));
    if (version != NULL &&
        (version != &tags.list[0] || !str_eq(version->value, S("DKIM1"))))
        return DKIM_OUTCOME_KEY_SYNTAX;
    if (key == NULL)
        return DKIM_OUTCOME_KEY_SYNTAX;
    if (key->value.n == 0)
        return DKIM_OUTCOME_KEY_REVOKED;
    outcome = read_restrictions(&tags, out);
    return outcome == DKIM_OUTCOME_PASS ? read_public(a, &tags, key->value, out)
                                        : outcome;
}

void dkim_key_fini(struct dkim_key *key)
{
    crypto_key_free(&key->public);
}

str_t dkim_key_record(struct arena *a, const struct crypto_key *key)
{
    struct buf *to = arena_buf(a, DKIM_KEY_MAX_BYTES);

    buf_puts(to, crypto_key_kind(key) == CRYPTO_KEY_RSA ? "v=DKIM1;k=rsa;p="
                                                        : "v=DKIM1;k=ed25519;p=");
    crypto_base64_encode(to, crypto_key_public(a, key));
    buf_puts(to, ";s=email;t=s");
    return buf_str(to);
}
