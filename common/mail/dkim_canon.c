/* dkim_canon.c - ends of lines and blanks are held until it is clear that they stay. */
#include "mail/dkim_canon.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 6376 3.4.2: unfold, make one space of many blanks, none at the ends. */
static void relaxed_value(struct buf *to, str_t value)
{
    bool blank = false;

    value = str_trim(value);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (is_blank(c)) {
            blank = true;
        } else if (c != '\r' && c != '\n') {
            if (blank)
                buf_putc(to, ' ');
            blank = false;
            buf_putc(to, c);
        }
    }
}

void dkim_canon_field(struct buf *to, enum dkim_canon canon,
                      const struct header_field *field)
{
    str_t line = field->whole;

    if (canon == DKIM_CANON_RELAXED) {
        for (size_t i = 0; i < field->name.n; i++)
            buf_putc(to, (char)str_lower_char((unsigned char)field->name.p[i]));
        buf_putc(to, ':');
        relaxed_value(to, field->value);
    } else {
        if (line.n > 0 && line.p[line.n - 1] == '\n')
            line.n--;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        buf_put(to, line);
    }
    buf_puts(to, "\r\n");
}

/* One call of feed. */
struct pass {
    struct dkim_canon_body *b;
    const char *from, *to; /* not yet given to the sink */
    const char *held_from; /* where what is held lies in the piece, when it lies there
                              just as it will be written; else NULL */
};

static void flush(struct pass *s)
{
    if (s->to > s->from)
        s->b->sink(s->b->context, str_n(s->from, (size_t)(s->to - s->from)), false);
    s->from = s->to = NULL;
}

static void write_piece(struct pass *s, const char *from, const char *to)
{
    if (s->to != from) {
        flush(s);
        s->from = from;
    }
    s->to = to;
}

static void write_text(struct pass *s, str_t text)
{
    flush(s);
    s->b->sink(s->b->context, text, false);
}

static void write_line_ends(struct pass *s, uint64_t count)
{
    static const char lines[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

    while (count > 0) {
        uint64_t n = count < sizeof(lines) / 2 ? count : sizeof(lines) / 2;

        write_text(s, str_n(lines, (size_t)n * 2));
        count -= n;
    }
}

static bool is_holding(const struct dkim_canon_body *b)
{
    return b->held_lines > 0 || b->held_blank;
}

/* at: what follows in the piece; NULL: nothing of it. */
static void write_held(struct pass *s, const char *at)
{
    struct dkim_canon_body *b = s->b;

    if (is_holding(b) && s->held_from != NULL && at != NULL) {
        write_piece(s, s->held_from, at);
    } else {
        write_line_ends(s, b->held_lines);
        if (b->held_blank)
            write_text(s, S(" "));
    }
    b->held_lines = 0;
    b->held_blank = false;
    s->held_from = NULL;
}

/* at: where the CRLF lies in the piece, NULL if it began in the last one. */
static void line_end(struct pass *s, const char *at)
{
    struct dkim_canon_body *b = s->b;

    if (b->held_lines == 0)
        s->held_from = at;
    else if (b->held_blank)
        s->held_from = NULL;
    b->held_blank = false;
    b->held_lines++;
    b->at_line_start = true;
}

static const char *blanks(struct pass *s, const char *p, const char *end)
{
    struct dkim_canon_body *b = s->b;
    const char *from = p;

    while (p < end && is_blank(*p))
        p++;
    if (!is_holding(b))
        s->held_from = from;
    if (p - from > 1 || *from != ' ')
        s->held_from = NULL;
    b->held_blank = true;
    b->at_line_start = false;
    return p;
}

static const char *text_end(enum dkim_canon canon, const char *p, const char *end)
{
    const char *cr;

    if (canon == DKIM_CANON_SIMPLE) {
        cr = memchr(p, '\r', (size_t)(end - p));
        return cr == NULL ? end : cr;
    }
    while (p < end && *p != ' ' && *p != '\t' && *p != '\r')
        p++;
    return p;
}

/* A CR alone is text.  from and to lie in the piece, or are a CR that ended the last. */
static void text(struct pass *s, const char *from, const char *to, bool in_piece)
{
    struct dkim_canon_body *b = s->b;

    write_held(s, in_piece ? from : NULL);
    if (b->at_line_start && *from == '.') {
        flush(s);
        b->sink(b->context, S("."), true);
    }
    if (in_piece)
        write_piece(s, from, to);
    else
        write_text(s, str_n(from, (size_t)(to - from)));
    b->at_line_start = false;
    b->any = true;
}

void dkim_canon_body_init(struct dkim_canon_body *b, enum dkim_canon canon,
                          dkim_canon_sink_fn sink, void *context)
{
    *b = (struct dkim_canon_body){
        .canon = canon, .sink = sink, .context = context, .at_line_start = true
    };
}

static const char carriage_return[] = "\r";

void dkim_canon_body_feed(struct dkim_canon_body *b, str_t piece)
{
    struct pass s = { .b = b };
    const char *p = piece.p, *end = piece.p + piece.n, *from;

    if (piece.n > 0 && b->after_cr) {
        b->after_cr = false;
        if (*p == '\n') {
            line_end(&s, NULL);
            p++;
        } else {
            text(&s, carriage_return, carriage_return + 1, false);
        }
    }
    while (p < end) {
        if (*p == '\r' && p + 1 == end) {
            b->after_cr = true;
            p++;
        } else if (*p == '\r' && p[1] == '\n') {
            line_end(&s, p);
            p += 2;
        } else if (b->canon == DKIM_CANON_RELAXED && is_blank(*p)) {
            p = blanks(&s, p, end);
        } else {
            from = p;
            p = text_end(b->canon, p + 1, end);
            text(&s, from, p, true);
        }
    }
    flush(&s);
}

void dkim_canon_body_end(struct dkim_canon_body *b)
{
    struct pass s = { .b = b };

    if (b->after_cr)
        text(&s, carriage_return, carriage_return + 1, false);
    b->after_cr = false;
    /* RFC 6376 3.4.3: an empty body is one CRLF; 3.4.4: it is nothing. */
    if (b->any || b->canon == DKIM_CANON_SIMPLE)
        write_text(&s, S("\r\n"));
}
