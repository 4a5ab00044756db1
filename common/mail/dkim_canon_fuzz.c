/* dkim_canon_fuzz.c - in pieces or at once, a body's canonical forms are the same, and
 * they are canonical.
 */
#include "mail/dkim_canon.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS = 8 };

struct out {
    struct buf *plain, *stuffed;
};

static void take(void *context, str_t piece, bool stuffing)
{
    struct out *o = context;

    CHECK(piece.n > 0);
    buf_put(o->stuffed, piece);
    if (!stuffing)
        buf_put(o->plain, piece);
}

/* The pieces are of the lengths in cuts, again and again. */
static struct out stream(struct arena *a, enum dkim_canon canon, str_t body, str_t cuts)
{
    struct out o = { arena_buf(a, SIZE_MAX / 2), arena_buf(a, SIZE_MAX / 2) };
    struct dkim_canon_body b;
    size_t n;

    dkim_canon_body_init(&b, canon, take, &o);
    for (size_t i = 0; body.n > 0; i++, body = str_skip(body, n)) {
        n = cuts.n == 0 ? body.n : 1 + (unsigned char)cuts.p[i % cuts.n];
        dkim_canon_body_feed(&b, str_head(body, n));
    }
    dkim_canon_body_end(&b);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t all = str_n((const char *)data, size);
    str_t cuts = str_head(all, CUTS), body = str_skip(all, CUTS);
    struct arena *a = arena_new();

    for (int i = 0; i < DKIM_CANON_COUNT; i++) {
        enum dkim_canon canon = (enum dkim_canon)i;
        struct out whole = stream(a, canon, body, S(""));
        struct out pieces = stream(a, canon, body, cuts);
        struct out again = stream(a, canon, buf_str(whole.plain), cuts);

        CHECK(str_eq(buf_str(whole.plain), buf_str(pieces.plain)));
        CHECK(str_eq(buf_str(whole.stuffed), buf_str(pieces.stuffed)));
        CHECK(str_eq(buf_str(whole.plain), buf_str(again.plain)));
    }
    arena_free(&a);
    return 0;
}
