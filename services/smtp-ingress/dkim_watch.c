/* dkim_watch.c - look for the empty line, then hash. */
#include "dkim_watch.h"

#include "base/arena.h"
#include "mail/header.h"
#include "net/spool.h"

static const char header_ends[] = { '\r', '\n', '\r', '\n' };

struct dkim_watch *dkim_watch_new(struct arena *a, struct spool *spool)
{
    struct dkim_watch *w = arena_alloc(a, sizeof(*w));

    w->arena = a;
    w->spool = spool;
    w->in_header = true;
    return w;
}

void dkim_watch_free(struct dkim_watch **w)
{
    if (*w != NULL)
        dkim_body_fini(&(*w)->body);
    *w = NULL;
}

/* A signature points into the header, and what is in the spool moves when it grows. */
static void read_header(struct dkim_watch *w)
{
    str_t header = str_head(spool_so_far(w->spool), w->header_bytes);
    struct dkim_signature found[DKIM_SIGNATURE_MAX];
    struct header_field field;

    w->in_header = false;
    if (!header_find(header, S("DKIM-Signature"), &field))
        return;
    w->header = arena_str(w->arena, header);
    w->count = dkim_signature_find(w->arena, w->header, found);
    w->signatures = arena_copy(w->arena, found, w->count * sizeof(*found));
    dkim_body_init(&w->body, dkim_signature_canons(found, w->count));
}

/* How much of the piece belongs to the header, its empty line included. */
static size_t take_header(struct dkim_watch *w, str_t piece)
{
    size_t n = 0;

    while (n < piece.n && w->matched < sizeof(header_ends)) {
        if (piece.p[n] == header_ends[w->matched])
            w->matched++;
        else
            w->matched = piece.p[n] == header_ends[0];
        n++;
    }
    w->header_bytes += n;
    return n;
}

void dkim_watch_append(void *context, const char *p, size_t n)
{
    struct dkim_watch *w = context;
    str_t piece = str_n(p, n);

    spool_append(w->spool, p, n);
    if (w->in_header) {
        piece = str_skip(piece, take_header(w, piece));
        if (w->header_bytes > HEADER_MAX_BYTES)
            w->in_header = false;
        else if (w->matched == sizeof(header_ends))
            read_header(w);
    }
    if (w->count > 0)
        dkim_body_feed(&w->body, piece);
}

void dkim_watch_end(struct dkim_watch *w)
{
    if (w->in_header)
        read_header(w);
    dkim_body_end(&w->body);
}
