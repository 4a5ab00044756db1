/* dkim_sign.c - the field is composed with an empty b=, hashed, and then completed. */
#include "mail/dkim_sign.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/dkim_signature.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    str_t name;
    bool oversigned;
} fields[] = {
#define DKIM_SIGN_FIELD(name, oversigned) { STR(name), oversigned },
#include "mail/dkim_sign_fields.def"
#undef DKIM_SIGN_FIELD
};

enum {
    NAMES_MAX = ARRAY_LEN(fields) * DKIM_SIGN_MAX_SAME,
    FIELD_MAX_BYTES = 16 * 1024,
};

_Static_assert((int)NAMES_MAX <= (int)DKIM_SIGNATURE_MAX_NAMES,
               "we could not verify it ourselves");

static size_t count_same(const struct dkim_header *h, str_t name)
{
    size_t count = 0;

    for (size_t i = 0; i < h->count; i++)
        count += str_eq_nocase(h->fields[i].name, name);
    return count;
}

/* A name beyond those that are there covers that there is none. */
static size_t select_names(const struct dkim_header *h, str_t names[NAMES_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        size_t count = count_same(h, fields[i].name) + fields[i].oversigned;

        if (count > DKIM_SIGN_MAX_SAME)
            count = DKIM_SIGN_MAX_SAME;
        while (count-- > 0)
            names[n++] = fields[i].name;
    }
    return n;
}

/* A field in progress: pieces are put on a new line where they would not fit. */
struct folded {
    struct buf *to;
    size_t column;
};

static void add(struct folded *f, str_t piece, bool blank)
{
    if (f->column + blank + piece.n > DKIM_SIGN_LINE_BYTES && f->column > 1) {
        buf_puts(f->to, "\r\n\t");
        f->column = 1;
    } else if (blank) {
        buf_putc(f->to, ' ');
        f->column++;
    }
    buf_put(f->to, piece);
    f->column += piece.n;
}

static void add_number(struct arena *a, struct folded *f, const char *tag, int64_t n)
{
    add(f, str_of(arena_printf(a, "%s=%" PRId64 ";", tag, n)), true);
}

static void add_names(struct arena *a, struct folded *f, const str_t *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *before = i == 0 ? "h=" : "", *after = i + 1 == count ? ";" : ":";

        add(f, str_of(arena_printf(a, "%s%.*s%s", before, STR_ARG(names[i]), after)),
            i == 0);
    }
}

static str_t base64(struct arena *a, str_t bytes)
{
    struct buf *to = arena_buf(a, FIELD_MAX_BYTES);

    crypto_base64_encode(to, bytes);
    return buf_str(to);
}

static void compose(struct arena *a, struct folded *f, const struct dkim_sign *s,
                    const str_t *names, size_t count)
{
    bool is_rsa = crypto_key_kind(s->key) == CRYPTO_KEY_RSA;
    str_t hash = str_n((const char *)s->body_hash, CRYPTO_SHA256_BYTES);

    add(f, S("DKIM-Signature:"), false);
    add(f, S("v=1;"), true);
    add(f, is_rsa ? S("a=rsa-sha256;") : S("a=ed25519-sha256;"), true);
    add(f, S("c=relaxed/relaxed;"), true);
    add(f, str_of(arena_printf(a, "d=%.*s;", STR_ARG(s->domain))), true);
    add(f, str_of(arena_printf(a, "s=%.*s;", STR_ARG(s->selector))), true);
    add_number(a, f, "t", s->now_unix);
    if (s->valid_s > 0)
        add_number(a, f, "x", s->now_unix + s->valid_s);
    add_names(a, f, names, count);
    add(f, str_of(arena_printf(a, "bh=%.*s;", STR_ARG(base64(a, hash)))), true);
    add(f, S("b="), true);
}

str_t dkim_sign(struct arena *a, const struct dkim_header *header,
                const struct dkim_sign *s)
{
    struct folded f = { .to = arena_buf(a, FIELD_MAX_BYTES) };
    str_t *names = arena_array(a, NAMES_MAX, sizeof(*names));
    struct dkim_header_signed what = { .canon = DKIM_CANON_RELAXED, .names = names };
    unsigned char hash[CRYPTO_SHA256_BYTES];
    struct header_iter it;
    str_t signature;

    what.name_count = select_names(header, names);
    compose(a, &f, s, names, what.name_count);
    header_init(&it, buf_str(f.to));
    CHECK(header_next(&it, &what.own));
    dkim_header_hash(a, header, &what, hash);
    signature = base64(a, crypto_key_sign(a, s->key, hash));
    while (signature.n > 0) {
        size_t room =
            f.column < DKIM_SIGN_LINE_BYTES ? DKIM_SIGN_LINE_BYTES - f.column : 0;
        str_t piece = str_head(signature, room > 0 ? room : DKIM_SIGN_LINE_BYTES - 1);

        add(&f, piece, false);
        signature = str_skip(signature, piece.n);
    }
    buf_puts(f.to, "\r\n");
    CHECK(!f.to->full);
    return buf_str(f.to);
}
