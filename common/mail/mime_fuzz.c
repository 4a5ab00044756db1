/* mime_fuzz.c - every part lies within the part around it. */
#include "mail/mime.h"
#include "mail/mime_decode.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_within(str_t inner, str_t outer)
{
    return inner.n == 0 || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

/* Where a body is cut makes no difference, and decoding never makes it longer. */
static void check_decoding(struct arena *a, const struct mime_part *p)
{
    struct mime_decoder whole = { .encoding = p->encoding }, cut = whole;
    char *one = arena_alloc(a, p->body.n + 1), *two = arena_alloc(a, p->body.n + 1);
    size_t n = mime_decoder_feed(&whole, p->body, one), m = 0;

    CHECK(n <= p->body.n);
    for (size_t i = 0; i < p->body.n; i += 1 + i % 3)
        m += mime_decoder_feed(&cut, str_head(str_skip(p->body, i), 1 + i % 3), two + m);
    CHECK(mime_decoder_end(&whole) == mime_decoder_end(&cut));
    if (mime_decoder_end(&whole))
        CHECK(str_eq(str_n(one, n), str_n(two, m)));
}

static void check_part(struct arena *a, str_t message, const struct mime_tree *t,
                       size_t i)
{
    const struct mime_part *p = &t->parts[i];
    size_t children = 0;

    CHECK(p->depth <= MIME_MAX_DEPTH && (i == 0 || p->parent < i));
    CHECK(lies_within(p->header, message) && lies_within(p->body, message));
    /* A header's empty line may at the same time be the line end before a delimiter. */
    if (i > 0)
        CHECK(p->header.p >= t->parts[p->parent].body.p &&
              lies_within(p->body, t->parts[p->parent].body));
    CHECK(p->lines <= p->body.n);
    for (size_t c = p->first; c != 0; c = t->parts[c].next) {
        CHECK(c < t->count && t->parts[c].parent == i);
        children++;
    }
    CHECK(children == p->children);
    check_decoding(a, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t message = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct mime_tree t;
    struct mime_type type;

    mime_tree_parse(a, message, &t);
    CHECK(t.count >= 1 && t.count <= MIME_MAX_PARTS);
    for (size_t i = 0; i < t.count; i++)
        check_part(a, message, &t, i);
    if (mime_type_parse(a, message, &type) == RC_OK)
        CHECK(type.param_count <= message.n && type.subtype.n > 0);
    arena_free(&a);
    return 0;
}
