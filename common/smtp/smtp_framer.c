/* smtp_framer.c - looks at each byte once, also when a line arrives in many pieces. */
#include "smtp/smtp_framer.h"

#include <stdbool.h>

void smtp_framer_init(struct smtp_framer *f, size_t max_bytes)
{
    f->scanned = 0;
    f->max_bytes = max_bytes;
}

/* The first offence among the bytes of a line without its LF; a CR as the last byte may
 * yet become a CRLF. */
static enum smtp_frame judge(str_t line)
{
    size_t cr = str_find_char(line, '\r');
    size_t nul = str_find_char(line, '\0');
    bool has_bare_cr = cr != SIZE_MAX && cr + 1 != line.n;

    if (nul != SIZE_MAX && (!has_bare_cr || nul < cr))
        return SMTP_FRAME_NUL;
    return has_bare_cr ? SMTP_FRAME_BARE_CR : SMTP_FRAME_MORE;
}

enum smtp_frame smtp_framer_feed(struct smtp_framer *f, str_t in, size_t *used,
                                 str_t *line)
{
    str_t window = str_head(in, f->max_bytes);
    size_t lf = str_find_char(str_skip(window, f->scanned), '\n');
    size_t end = lf == SIZE_MAX ? window.n : f->scanned + lf;
    size_t from = f->scanned;
    enum smtp_frame bad = judge(str_skip(str_head(window, end), from));

    if (bad != SMTP_FRAME_MORE)
        return bad;
    if (lf == SIZE_MAX) {
        if (in.n >= f->max_bytes)
            return SMTP_FRAME_TOO_LONG;
        /* A CR at the end is looked at again together with what follows it. */
        f->scanned = end > from && window.p[end - 1] == '\r' ? end - 1 : end;
        return SMTP_FRAME_MORE;
    }
    if (end == 0 || window.p[end - 1] != '\r')
        return SMTP_FRAME_BARE_LF;
    f->scanned = 0;
    *used = end + 1;
    *line = str_head(window, end - 1);
    return SMTP_FRAME_LINE;
}
