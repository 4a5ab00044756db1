/* dkim_signature_fuzz.c - a stranger's header is judged; what we sign above it holds. */
#include "mail/dkim_signature.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/dkim_sign.h"
#include "mail/dkim_tags.h"
#include "mail/dkim_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1528637909, FIELDS_MAX = HEADER_MAX_FIELDS - 10 };

static void judge(struct arena *a, const struct dkim_signature *s,
                  const struct dkim_header *fields, const struct dkim_body *body,
                  const struct dkim_key *stranger)
{
    struct dkim_tags tags;

    if (s->outcome != DKIM_OUTCOME_PASS)
        return;
    CHECK(s->name_count > 0 && s->body_hash.n == CRYPTO_SHA256_BYTES);
    CHECK(s->domain.n > 0 && s->selector.n > 0 && s->identity.n >= s->domain.n);
    CHECK(dkim_tags_parse(s->unsigned_field.value, &tags) == RC_OK);
    CHECK(dkim_tags_find(&tags, S("b"))->raw.n == 0);
    dkim_verify_without_key(s, body, NOW);
    dkim_verify_with_key(a, s, fields, stranger);
}

static void own(struct arena *a, const struct crypto_key *key,
                const struct dkim_key *record, str_t header,
                const struct dkim_header *fields, const struct dkim_body *body)
{
    struct dkim_sign s = { .domain = S("b.test"),
                           .selector = S("s"),
                           .key = key,
                           .now_unix = NOW,
                           .body_hash = dkim_body_get(body, DKIM_CANON_RELAXED) };
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    struct buf *message = arena_buf(a, 2 * HEADER_MAX_BYTES);
    struct dkim_header signed_fields;

    buf_put(message, dkim_sign(a, fields, &s));
    buf_put(message, header);
    CHECK(dkim_signature_find(a, buf_str(message), list) > 0);
    dkim_header_init(a, buf_str(message), &signed_fields);
    CHECK(dkim_verify_without_key(&list[0], body, NOW) == DKIM_OUTCOME_PASS);
    CHECK(dkim_verify_with_key(a, &list[0], &signed_fields, record) == DKIM_OUTCOME_PASS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str_t other =
        STR("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    static struct crypto_key *key;
    static struct dkim_key stranger, record;
    str_t header = str_n((const char *)data, size);
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    struct arena *a = arena_new();
    struct dkim_header fields;
    struct dkim_body body;
    size_t count;

    if (key == NULL) {
        key = crypto_key_generate(CRYPTO_KEY_ED25519, 0);
        CHECK(dkim_key_parse(a, dkim_key_record(a, key), &record) == DKIM_OUTCOME_PASS);
        CHECK(dkim_key_parse(a, other, &stranger) == DKIM_OUTCOME_PASS);
    }
    header = str_head(header, header_end(header));
    count = dkim_signature_find(a, header, list);
    dkim_header_init(a, header, &fields);
    dkim_body_init(&body, dkim_signature_canons(list, count) | 1U << DKIM_CANON_RELAXED);
    dkim_body_end(&body);
    for (size_t i = 0; i < count; i++)
        judge(a, &list[i], &fields, &body, &stranger);
    if (header_check(header) == RC_OK && fields.count < FIELDS_MAX)
        own(a, key, &record, header, &fields, &body);
    dkim_body_fini(&body);
    arena_free(&a);
    return 0;
}
