/* smtp_data.c - DATA as a small machine at the edges of pieces and a fast walk over whole
 * lines in between.
 */
#include "smtp/smtp_data.h"

#include "base/log.h"

#include <string.h>

enum {
    LINE_START, /* nothing of the line was seen */
    DOT,        /* "." at the start of the line; it is not part of the message */
    DOT_CR,     /* ".\r" */
    IN_LINE,
    IN_LINE_CR, /* "...\r"; the CR was not given to the sink yet */
};

/* One call of smtp_data_feed. */
struct run {
    struct smtp_data *d;
    smtp_data_sink_fn sink;
    void *context;
};

void smtp_data_init(struct smtp_data *d, uint64_t max_bytes, size_t max_line_bytes)
{
    *d = (struct smtp_data){ .state = LINE_START,
                             .max_bytes = max_bytes,
                             .max_line_bytes = max_line_bytes };
}

void smtp_data_init_chunked(struct smtp_data *d, uint64_t max_bytes,
                            size_t max_line_bytes)
{
    smtp_data_init(d, max_bytes, max_line_bytes);
    d->is_chunked = true;
}

static void give(const struct run *r, const char *p, size_t n)
{
    struct smtp_data *d = r->d;

    d->bytes += n;
    if (d->bytes > d->max_bytes)
        d->faults |= SMTP_DATA_TOO_BIG;
    if (d->faults == 0 && n > 0)
        r->sink(r->context, p, n);
}

/* Judge n bytes that stand inside a line and hold no LF and no trailing CR. */
static void judge(struct smtp_data *d, const char *p, size_t n)
{
    if (n == 0)
        return;
    d->line_bytes += n;
    if (d->line_bytes > d->max_line_bytes)
        d->faults |= SMTP_DATA_LONG_LINE;
    if (memchr(p, '\r', n) != NULL)
        d->faults |= SMTP_DATA_BARE_CR;
    if (memchr(p, '\0', n) != NULL)
        d->faults |= SMTP_DATA_NUL;
}

static void end_line(struct smtp_data *d)
{
    d->state = LINE_START;
    d->line_bytes = 0;
}

/* The states in which the next byte alone decides.  Returns how many bytes were used (0
 * or 1) and sets *end at CRLF.CRLF. */
static size_t edge(const struct run *r, char c, bool *end)
{
    struct smtp_data *d = r->d;

    switch (d->state) {
    case LINE_START:
        d->state = c == '.' && !d->is_chunked ? DOT : IN_LINE;
        return d->state == DOT;
    case DOT:
        d->state = c == '\r' ? DOT_CR : IN_LINE;
        return c == '\r';
    case DOT_CR:
        if (c == '\n') {
            *end = true;
            return 1;
        }
        d->faults |= SMTP_DATA_BARE_CR;
        d->state = IN_LINE;
        return 0;
    default: /* IN_LINE_CR */
        if (c == '\n') {
            give(r, "\r\n", 2);
            end_line(d);
            return 1;
        }
        judge(d, "\r", 1); /* it was inside the line after all */
        give(r, "\r", 1);
        d->state = IN_LINE;
        return 0;
    }
}

/* From inside a line to the first place where a byte has to be taken out (a dot) or where
 * the piece ends.  Everything on the way goes to the sink as one run. */
static size_t walk(const struct run *r, str_t in)
{
    struct smtp_data *d = r->d;
    size_t at = 0, keep;

    for (;;) {
        size_t lf = str_find_char(str_skip(in, at), '\n');
        size_t n = lf == SIZE_MAX ? in.n - at : lf;
        bool cr = n > 0 && in.p[at + n - 1] == '\r';

        judge(d, in.p + at, n - cr);
        keep = at + n - cr;
        at += n;
        if (lf == SIZE_MAX) {
            d->state = cr ? IN_LINE_CR : IN_LINE;
            break;
        }
        if (!cr)
            d->faults |= SMTP_DATA_BARE_LF;
        at++;
        keep = at;
        end_line(d);
        if (at == in.n || (in.p[at] == '.' && !d->is_chunked))
            break;
        d->state = IN_LINE;
    }
    give(r, in.p, keep);
    return at;
}

bool smtp_data_feed(struct smtp_data *d, str_t in, size_t *used, smtp_data_sink_fn sink,
                    void *context)
{
    struct run r = { d, sink, context };
    bool end = false;
    size_t at = 0;

    while (at < in.n && !end) {
        if (d->state == IN_LINE)
            at += walk(&r, str_skip(in, at));
        else
            at += edge(&r, in.p[at], &end);
    }
    *used = at;
    if (end)
        end_line(d);
    return end;
}

void smtp_data_finish_chunks(struct smtp_data *d, smtp_data_sink_fn sink, void *context)
{
    struct run r = { d, sink, context };

    CHECK(d->is_chunked);
    if (d->state == IN_LINE_CR)
        judge(d, "\r", 1);
    if (d->state != LINE_START)
        give(&r, "\r\n", 2);
    end_line(d);
}

void smtp_data_encoder_init(struct smtp_data_encoder *e)
{
    e->at_line_start = true;
    e->after_cr = false;
}

static void encode_char(struct smtp_data_encoder *e, char c, smtp_data_sink_fn sink,
                        void *context)
{
    bool completes_crlf = e->after_cr && c == '\n';

    e->after_cr = c == '\r';
    if (completes_crlf || c == '\0')
        return;
    sink(context, "\r\n", 2);
    e->at_line_start = true;
}

/* How many bytes of s may go out as they are: up to something other than a clean CRLF, or
 * to a line that begins with a dot.  *at_line_start says how they end. */
static size_t clean_bytes(str_t s, bool *at_line_start)
{
    size_t at = 0;

    for (;;) {
        str_t rest = str_skip(s, at);
        size_t lf = str_find_char(rest, '\n');
        str_t line = str_head(rest, lf == SIZE_MAX ? rest.n : lf);
        size_t cr = str_find_char(line, '\r');
        size_t nul = str_find_char(line, '\0');
        size_t clean = cr < nul ? cr : nul;

        if (lf == SIZE_MAX || cr == SIZE_MAX || clean != cr || cr + 1 != line.n) {
            clean = clean < line.n ? clean : line.n;
            *at_line_start = at > 0 && clean == 0;
            return at + clean;
        }
        at += lf + 1;
        if (at == s.n || s.p[at] == '.') {
            *at_line_start = true;
            return at;
        }
    }
}

void smtp_data_encode(struct smtp_data_encoder *e, str_t piece, smtp_data_sink_fn sink,
                      void *context)
{
    while (piece.n > 0) {
        bool ends_line;
        size_t n;

        if (strchr("\r\n", piece.p[0]) != NULL) { /* also NUL */
            encode_char(e, piece.p[0], sink, context);
            piece = str_skip(piece, 1);
            continue;
        }
        if (e->at_line_start && piece.p[0] == '.')
            sink(context, ".", 1);
        n = clean_bytes(piece, &ends_line);
        sink(context, piece.p, n);
        e->at_line_start = ends_line;
        e->after_cr = false;
        piece = str_skip(piece, n);
    }
}

void smtp_data_encode_end(struct smtp_data_encoder *e, smtp_data_sink_fn sink,
                          void *context)
{
    if (!e->at_line_start)
        sink(context, "\r\n", 2);
    sink(context, ".\r\n", 3);
}
