/* dkim_body.c - hashes behind the canonical form. */
#include "mail/dkim_body.h"

#include "base/log.h"

/* Up to the first doubled dot the two forms are the same. */
static void take(void *context, str_t piece, bool stuffing)
{
    struct dkim_body_hash *h = context;

    if (stuffing) {
        if (h->stuffed == NULL)
            h->stuffed = crypto_sha256_copy(h->plain);
        crypto_sha256_feed(h->stuffed, piece);
        return;
    }
    crypto_sha256_feed(h->plain, piece);
    if (h->stuffed != NULL)
        crypto_sha256_feed(h->stuffed, piece);
}

void dkim_body_init(struct dkim_body *b, unsigned canons)
{
    *b = (struct dkim_body){ 0 };
    for (unsigned i = 0; i < DKIM_CANON_COUNT; i++) {
        if ((canons & 1U << i) == 0)
            continue;
        dkim_canon_body_init(&b->of[i].canon, (enum dkim_canon)i, take, &b->of[i]);
        b->of[i].plain = crypto_sha256_new();
    }
}

void dkim_body_feed(struct dkim_body *b, str_t piece)
{
    for (unsigned i = 0; i < DKIM_CANON_COUNT; i++) {
        if (b->of[i].plain != NULL)
            dkim_canon_body_feed(&b->of[i].canon, piece);
    }
}

void dkim_body_end(struct dkim_body *b)
{
    for (unsigned i = 0; i < DKIM_CANON_COUNT; i++) {
        struct dkim_body_hash *h = &b->of[i];

        if (h->plain == NULL)
            continue;
        dkim_canon_body_end(&h->canon);
        h->has_plain = true;
        crypto_sha256_done(&h->plain, h->plain_hash);
        if (h->stuffed == NULL)
            continue;
        h->has_stuffed = true;
        crypto_sha256_done(&h->stuffed, h->stuffed_hash);
    }
}

void dkim_body_fini(struct dkim_body *b)
{
    for (unsigned i = 0; i < DKIM_CANON_COUNT; i++) {
        crypto_sha256_free(&b->of[i].plain);
        crypto_sha256_free(&b->of[i].stuffed);
    }
}

const unsigned char *dkim_body_get(const struct dkim_body *b, enum dkim_canon canon)
{
    CHECK(b->of[canon].has_plain);
    return b->of[canon].plain_hash;
}

static bool is_equal(const unsigned char *own, str_t hash)
{
    return str_eq(str_n((const char *)own, CRYPTO_SHA256_BYTES), hash);
}

bool dkim_body_matches(const struct dkim_body *b, enum dkim_canon canon, str_t hash)
{
    const struct dkim_body_hash *h = &b->of[canon];

    return (h->has_plain && is_equal(h->plain_hash, hash)) ||
           (h->has_stuffed && is_equal(h->stuffed_hash, hash));
}
