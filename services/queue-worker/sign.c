/* sign.c - DKIM signatures for the messages of a batch that leave for other hosts. */
#include "sign.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "keyring.h"
#include "mail/dkim_body.h"
#include "mail/dkim_sign.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/scrub.h"
#include "store/store_body.h"
#include "store/store_queue.h"

#include <string.h>

enum {
    HEAD_BYTES = STORE_BODY_SMALL_CHUNK,        /* most headers, in the first chunk */
    WHOLE_HEAD_BYTES = HEADER_MAX_BYTES + 4096, /* with a Return-Path before it */
    PIECE_BYTES = 256 * 1024,
    /* Read together.  The connection must not lie idle for seconds while we sign: that
     * ends a transaction. */
    READ_MAX = 64,
    FIELDS_MAX_BYTES = 64 * 1024,
};

struct signer {
    struct arena *scratch; /* for one message */
    struct db *db;
    const struct keyring *keys;
};

static enum rc hash_body(struct signer *s, const struct store_queue_row *row,
                         size_t body_at, unsigned char out[CRYPTO_SHA256_BYTES])
{
    struct arena *piece = arena_new();
    struct dkim_body body;
    enum rc rc = RC_OK;
    str_t bytes;

    dkim_body_init(&body, 1U << DKIM_CANON_RELAXED);
    for (size_t at = body_at; rc == RC_OK && at < (size_t)row->size; at += PIECE_BYTES) {
        rc = store_body_read(piece, s->db, row->body_id, row->size, (int64_t)at,
                             PIECE_BYTES, &bytes);
        if (rc == RC_OK)
            dkim_body_feed(&body, bytes);
        arena_reset(piece);
    }
    dkim_body_end(&body);
    memcpy(out, dkim_body_get(&body, DKIM_CANON_RELAXED), CRYPTO_SHA256_BYTES);
    dkim_body_fini(&body);
    arena_free(&piece);
    return rc;
}

/* The header as others see it, and where the body begins in the store. */
struct head {
    str_t header;
    size_t body_at;
};

static struct head cut(str_t stored)
{
    str_t sent = scrub_without_return_path(stored);
    size_t end = header_end(sent);

    return (struct head){ .header = str_head(sent, end),
                          .body_at = stored.n - sent.n + end };
}

static enum rc whole_head(struct signer *s, const struct store_queue_row *row,
                          str_t stored, struct head *out)
{
    enum rc rc = RC_OK;

    *out = cut(stored);
    if (out->body_at < stored.n || stored.n == (size_t)row->size)
        return RC_OK;
    rc = store_body_read(s->scratch, s->db, row->body_id, row->size, 0, WHOLE_HEAD_BYTES,
                         &stored);
    *out = cut(stored);
    return rc;
}

static str_t compose(struct arena *a, struct signer *s, const struct keyring_domain *d,
                     str_t header, const unsigned char *body_hash)
{
    struct buf *fields = arena_buf(a, FIELDS_MAX_BYTES);
    struct dkim_header parsed;

    dkim_header_init(s->scratch, header, &parsed);
    for (size_t i = 0; i < d->count; i++) {
        struct dkim_sign how = { .domain = d->name,
                                 .selector = d->keys[i].selector,
                                 .key = d->keys[i].key,
                                 .body_hash = body_hash,
                                 .now_unix = clock_unix() };

        buf_put(fields, dkim_sign(s->scratch, &parsed, &how));
    }
    CHECK(!fields->full);
    return buf_str(fields);
}

static enum rc sign_one(struct arena *a, struct signer *s, struct sign *it, str_t head)
{
    const struct keyring_domain *d = keyring_find(s->keys, it->row->sender);
    struct envelope e;
    struct head all;
    enum rc rc;

    if (d == NULL)
        return RC_OK;
    rc = whole_head(s, it->row, head, &all);
    if (rc != RC_OK)
        return rc;
    (void)envelope_parse(it->row->envelope, &e);
    if (!e.has_body_hash)
        rc = hash_body(s, it->row, all.body_at, e.body_hash);
    if (rc == RC_OK)
        it->fields = compose(a, s, d, all.header, e.body_hash);
    return rc;
}

static enum rc sign_some(struct arena *a, struct signer *s, struct sign *list, size_t n)
{
    struct store_body_want *want = arena_array(a, n, sizeof(*want));
    enum rc rc;

    for (size_t i = 0; i < n; i++)
        want[i] = (struct store_body_want){ .body_id = list[i].row->body_id,
                                            .size = list[i].row->size };
    rc = store_body_heads(a, s->db, want, n, HEAD_BYTES);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        if (want[i].head.p == NULL)
            continue;
        rc = sign_one(a, s, &list[i], want[i].head);
        arena_reset(s->scratch);
        if (rc == RC_NOT_FOUND) /* it has just expired */
            rc = RC_OK;
    }
    return rc;
}

enum rc sign(struct arena *a, struct db *db, const struct keyring *k, struct sign *list,
             size_t n)
{
    struct signer s = { .scratch = arena_new(), .db = db, .keys = k };
    enum rc rc = RC_OK;

    for (size_t at = 0; at < n && rc == RC_OK; at += READ_MAX)
        rc = sign_some(a, &s, list + at, n - at < READ_MAX ? n - at : READ_MAX);
    arena_free(&s.scratch);
    return rc;
}
