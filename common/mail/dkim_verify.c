/* dkim_verify.c - the cheap questions first. */
#include "mail/dkim_verify.h"

enum dkim_outcome dkim_verify_without_key(const struct dkim_signature *s,
                                          const struct dkim_body *body, int64_t now_unix)
{
    if (s->outcome != DKIM_OUTCOME_PASS)
        return s->outcome;
    if (s->expires_unix >= 0 && s->expires_unix + DKIM_VERIFY_CLOCK_SKEW_S < now_unix)
        return DKIM_OUTCOME_EXPIRED;
    if (s->signed_unix > now_unix + DKIM_VERIFY_CLOCK_SKEW_S)
        return DKIM_OUTCOME_FUTURE;
    return dkim_body_matches(body, s->body_canon, s->body_hash) ? DKIM_OUTCOME_PASS
                                                                : DKIM_OUTCOME_BODY;
}

enum dkim_outcome dkim_verify_with_key(struct arena *a, const struct dkim_signature *s,
                                       const struct dkim_header *header,
                                       const struct dkim_key *key)
{
    struct dkim_header_signed what = { .canon = s->header_canon,
                                       .names = s->names,
                                       .name_count = s->name_count,
                                       .own = s->unsigned_field,
                                       .own_place = s->field.whole.p };
    unsigned char hash[CRYPTO_SHA256_BYTES];

    if (s->outcome != DKIM_OUTCOME_PASS)
        return s->outcome;
    if (crypto_key_kind(key->public) != s->kind)
        return DKIM_OUTCOME_KEY_TYPE;
    if (key->no_subdomains && !str_eq(s->identity, s->domain))
        return DKIM_OUTCOME_KEY_IDENTITY;
    dkim_header_hash(a, header, &what, hash);
    return crypto_key_verify(key->public, hash, s->signature) ? DKIM_OUTCOME_PASS
                                                              : DKIM_OUTCOME_SIGNATURE;
}
