/* dot_stuff.c - make the bytes of a message fit for SMTP's DATA. */
#include "dot_stuff.h"

#include <string.h>

static bool is_special(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

/* Length of the run at the head of s that can be copied as it is. */
static size_t plain_run(str_t s)
{
    size_t n = s.n;
    const char *lf = memchr(s.p, '\n', n);
    const char *other;

    if (lf != NULL)
        n = (size_t)(lf - s.p);
    other = memchr(s.p, '\r', n);
    if (other != NULL)
        n = (size_t)(other - s.p);
    other = memchr(s.p, '\0', n);
    return other != NULL ? (size_t)(other - s.p) : n;
}

static void end_line(struct dot_stuff *d, struct buf *out)
{
    buf_append(out, "\r\n", 2);
    d->at_line_start = true;
    d->after_cr = false;
}

static void feed_special(struct dot_stuff *d, char c, struct buf *out)
{
    if (c == '\n') {
        end_line(d, out); /* CRLF, or a lone LF */
    } else if (c == '\r') {
        if (d->after_cr)
            end_line(d, out);
        d->after_cr = true;
    }
}

static void feed_run(struct dot_stuff *d, str_t run, struct buf *out)
{
    if (d->after_cr)
        end_line(d, out);
    if (d->at_line_start && run.p[0] == '.')
        buf_putc(out, '.');
    buf_put(out, run);
    d->at_line_start = false;
}

void dot_stuff_init(struct dot_stuff *d)
{
    *d = (struct dot_stuff){ .at_line_start = true };
}

enum rc dot_stuff_feed(struct dot_stuff *d, str_t piece, struct buf *out)
{
    while (piece.n > 0) {
        size_t n = 1;

        if (is_special(piece.p[0])) {
            feed_special(d, piece.p[0], out);
        } else {
            n = plain_run(piece);
            feed_run(d, str_head(piece, n), out);
        }
        piece = str_skip(piece, n);
    }
    return out->full ? RC_LIMIT : RC_OK;
}

enum rc dot_stuff_end(struct dot_stuff *d, struct buf *out)
{
    if (d->after_cr || !d->at_line_start)
        end_line(d, out);
    buf_puts(out, ".\r\n");
    return out->full ? RC_LIMIT : RC_OK;
}
