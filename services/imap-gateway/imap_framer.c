/* imap_framer.c - find the end of one IMAP command in a stream of bytes. */
#include "imap_framer.h"

#include <string.h>

enum { TAIL_BYTES = 32 }; /* of a line, which tell what it announces */

void imap_framer_init(struct imap_framer *f, size_t max_bytes)
{
    *f = (struct imap_framer){ .max_bytes = max_bytes, .literal_accepted = true };
}

static size_t without_end(str_t line)
{
    size_t n = line.n;

    if (n > 0 && line.p[n - 1] == '\n')
        n--;
    if (n > 0 && line.p[n - 1] == '\r')
        n--;
    return n;
}

/* "{n}" or "{n+}" at the end of the line. */
bool imap_framer_announces(struct imap_framer *f, str_t line)
{
    size_t end = without_end(line), from;
    bool plus;

    if (end < 2 || line.p[end - 1] != '}')
        return false;
    end--;
    plus = line.p[end - 1] == '+';
    end -= plus;
    from = end;
    while (from > 0 && str_is_digit(line.p[from - 1]))
        from--;
    /* More digits than are left of a line that was cut is more than any limit. */
    if (from == end || (from == 0 ? !f->cut : line.p[from - 1] != '{'))
        return false;
    if (from == 0 ||
        !str_to_u64(str_n(line.p + from, end - from), UINT32_MAX, &f->literal))
        f->literal = FRAME_LITERAL_HUGE;
    f->literal_wait = !plus;
    return true;
}

enum imap_frame imap_framer_feed(struct imap_framer *f, const char *p, size_t n,
                                 size_t *used)
{
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
    *used = f->scanned;
    if (!imap_framer_announces(f, str_n(p + f->line, f->scanned - f->line)))
        return FRAME_COMMAND;
    f->literal_accepted = false;
    f->line = f->scanned;
    return FRAME_LITERAL;
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

void imap_framer_skip_from(struct imap_framer *f, uint64_t literal)
{
    f->literal = literal;
    f->cut = false;
}

size_t imap_framer_skip(struct imap_framer *f, const char *p, size_t n, bool *done)
{
    size_t used = 0;

    for (*done = false; !*done;) {
        size_t piece = f->literal < n - used ? (size_t)f->literal : n - used;
        const char *nl;
        str_t line;

        used += piece;
        f->literal -= piece;
        if (f->literal > 0)
            break;
        nl = memchr(p + used, '\n', n - used);
        if (nl == NULL) {
            size_t left = n - used;

            used += left > TAIL_BYTES ? left - TAIL_BYTES : 0;
            f->cut |= left > TAIL_BYTES;
            break;
        }
        line = str_n(p + used, (size_t)(nl - p) + 1 - used);
        *done = !imap_framer_announces(f, line) || f->literal_wait;
        f->cut = false;
        used += line.n;
    }
    return used;
}
