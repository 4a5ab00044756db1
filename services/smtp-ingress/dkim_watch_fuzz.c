/* dkim_watch_fuzz.c - in whatever pieces a message comes, what is seen of it is what
 * stands in the whole.
 */
#include "dkim_watch.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/header.h"
#include "net/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS = 8 };

/* A bare CR or LF never comes this far. */
static str_t with_line_ends(struct arena *a, str_t text)
{
    struct buf *out = arena_buf(a, HEADER_MAX_BYTES);

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n')
            buf_putc(out, '\r');
        if (text.p[i] != '\r')
            buf_putc(out, text.p[i]);
    }
    return buf_str(out);
}

static void compare(struct arena *a, const struct dkim_watch *w, str_t message)
{
    str_t header = str_head(message, header_end(message));
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    size_t count = dkim_signature_find(a, header, list);
    unsigned canons = dkim_signature_canons(list, count);
    struct dkim_body body;

    CHECK(w->count == count);
    CHECK(str_eq(w->header, count > 0 ? header : S("")));
    dkim_body_init(&body, canons);
    dkim_body_feed(&body, str_skip(message, header.n));
    dkim_body_end(&body);
    for (unsigned i = 0; i < DKIM_CANON_COUNT; i++) {
        if ((canons & 1U << i) != 0)
            CHECK(dkim_body_matches(
                &w->body, (enum dkim_canon)i,
                str_n((const char *)dkim_body_get(&body, (enum dkim_canon)i),
                      CRYPTO_SHA256_BYTES)));
    }
    dkim_body_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t all = str_n((const char *)data, size), cuts = str_head(all, CUTS);
    struct spool_room room = { .small_bytes = HEADER_MAX_BYTES };
    struct arena *a = arena_new();
    str_t message = with_line_ends(a, str_skip(all, CUTS)), rest = message;
    struct spool *spool = spool_new(&room, 0);
    struct dkim_watch *w = dkim_watch_new(a, spool);
    size_t n;

    for (size_t i = 0; rest.n > 0; i++, rest = str_skip(rest, n)) {
        n = 1 + (unsigned char)cuts.p[i % cuts.n];
        if (n > rest.n)
            n = rest.n;
        dkim_watch_append(w, rest.p, n);
    }
    dkim_watch_end(w);
    compare(a, w, message);
    dkim_watch_free(&w);
    spool_free(&spool);
    arena_free(&a);
    return 0;
}
