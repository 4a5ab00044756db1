/* imap_framer.c - find the end of one IMAP command in a stream of bytes. */
#include "imap_framer.h"

#include "base/str.h"

#include <string.h>

enum { LITERAL_DIGITS_MAX = 10 };

void imap_framer_init(struct imap_framer *f, size_t max_bytes)
{
    *f = (struct imap_framer){ .max_bytes = max_bytes, .literal_accepted = true };
}

/* Where the digits of "{n}" or "{n+}" at the end of a line begin, or NULL. */
static const char *literal_digits(const char *line, const char *end, bool *plus)
{
    const char *p = end;

    if (p - line < 3 || p[-1] != '}')
        return NULL;
    p--;
    *plus = p[-1] == '+';
    if (*plus)
        p--;
    while (p > line && p[-1] >= '0' && p[-1] <= '9')
        p--;
    if (p == line || p[-1] != '{' || p[0] < '0' || p[0] > '9')
        return NULL;
    return p;
}

/* One line lies at p[f->line..end), its end of line included. */
static enum imap_frame line_done(struct imap_framer *f, const char *p, size_t end)
{
    const char *line = p + f->line;
    const char *stop = p + end - 1;
    bool plus = false;
    const char *digits;
    size_t n;

    if (stop > line && stop[-1] == '\r')
        stop--;
    digits = literal_digits(line, stop, &plus);
    if (digits == NULL)
        return FRAME_COMMAND;
    n = (size_t)(stop - digits) - (plus ? 2 : 1);
    if (n > LITERAL_DIGITS_MAX || !str_to_u64(str_n(digits, n), UINT32_MAX, &f->literal))
        return FRAME_TOO_LONG;
    f->literal_wait = !plus;
    f->literal_accepted = false;
    f->line = end;
    return FRAME_LITERAL;
}

enum imap_frame imap_framer_feed(struct imap_framer *f, const char *p, size_t n,
                                 size_t *used)
{
    enum imap_frame frame;
    const char *nl;

    if (!f->literal_accepted) {
        *used = f->line;
        return FRAME_LITERAL;
    }
    if (f->scanned > n)
        return FRAME_MORE;
    nl = memchr(p + f->scanned, '\n', n - f->scanned);
    if (nl == NULL) {
        f->scanned = n;
        return n > f->max_bytes ? FRAME_TOO_LONG : FRAME_MORE;
    }
    f->scanned = (size_t)(nl - p) + 1;
    if (f->scanned > f->max_bytes)
        return FRAME_TOO_LONG;
    frame = line_done(f, p, f->scanned);
    if (frame != FRAME_TOO_LONG)
        *used = f->scanned;
    return frame;
}

bool imap_framer_literal_fits(const struct imap_framer *f)
{
    return f->literal <= f->max_bytes && f->line + f->literal <= f->max_bytes;
}

void imap_framer_accept(struct imap_framer *f)
{
    f->literal_accepted = true;
    f->scanned = f->line + f->literal;
    f->line = f->scanned;
}
