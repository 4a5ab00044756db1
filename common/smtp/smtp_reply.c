/* smtp_reply.c - the writing half keeps the stream in step, the reading half trusts
 * nothing.
 */
#include "smtp/smtp_reply.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CODE_BYTES = 4, LINE_END_BYTES = 2 };

static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : c == '\t' ? ' ' : '?';
}

void smtp_reply_line(struct buf *out, int code, bool last, const char *enhanced,
                     str_t text)
{
    char line[SMTP_REPLY_MAX_LINE_BYTES + 1];
    const size_t room = SMTP_REPLY_MAX_LINE_BYTES - LINE_END_BYTES;
    size_t n =
        (size_t)snprintf(line, sizeof(line), "%03d%c%s%s", code, last ? ' ' : '-',
                         enhanced == NULL ? "" : enhanced, enhanced == NULL ? "" : " ");

    for (size_t i = 0; i < text.n && n < room; i++)
        line[n++] = printable(text.p[i]);
    line[n++] = '\r';
    line[n++] = '\n';
    buf_append(out, line, n);
}

void smtp_reply_put(struct buf *out, int code, const char *enhanced, str_t text)
{
    smtp_reply_line(out, code, true, enhanced, text);
}

void smtp_reply_printf(struct buf *out, int code, const char *enhanced,
                       const char *format, ...)
{
    char text[SMTP_REPLY_MAX_LINE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    smtp_reply_put(out, code, enhanced, str_of(text));
}

void smtp_reply_rc(struct buf *out, enum rc rc)
{
    const struct rc_info *info = rc_info(rc);

    smtp_reply_put(out, info->smtp_code, info->smtp_enhanced, str_of(info->smtp_text));
}

/* ---- reading ---- */

static str_t without_line_end(str_t s)
{
    if (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

/* -1 if the line does not begin with a code and ' ', '-' or nothing. */
static int code_of(str_t line)
{
    int code = 0;

    if (line.n < CODE_BYTES - 1)
        return -1;
    for (size_t i = 0; i < CODE_BYTES - 1; i++) {
        if (!str_is_digit(line.p[i]))
            return -1;
        code = code * 10 + (line.p[i] - '0');
    }
    if (line.n >= CODE_BYTES && line.p[3] != ' ' && line.p[3] != '-')
        return -1;
    return code >= 200 && code <= 599 ? code : -1;
}

/* "5.1.1" at the beginning of text, if its class is that of the code (RFC 2034 4). */
static str_t enhanced_of(str_t text, int code)
{
    str_t word = str_head(text, str_find_char(text, ' '));
    str_t rest = word, part;
    size_t parts = 0;
    uint64_t number;

    while (str_split(&rest, '.', &part)) {
        if (part.n > 3 || !str_to_u64(part, 999, &number))
            return str_n(text.p, 0);
        if (parts++ == 0 && (part.n != 1 || number != (uint64_t)code / 100))
            return str_n(text.p, 0);
    }
    return parts == 3 && word.p[word.n - 1] != '.' ? word : str_n(text.p, 0);
}

enum smtp_reply_frame smtp_reply_parse(str_t in, struct smtp_reply *out)
{
    size_t at = 0;

    *out = (struct smtp_reply){ .code = 0 };
    while (out->lines < SMTP_REPLY_MAX_LINES) {
        str_t rest = str_skip(in, at);
        size_t lf = str_find_char(str_head(rest, SMTP_REPLY_MAX_LINE_BYTES), '\n');
        str_t line;
        int code;

        if (lf == SIZE_MAX)
            return rest.n >= SMTP_REPLY_MAX_LINE_BYTES ? SMTP_REPLY_BAD : SMTP_REPLY_MORE;
        line = without_line_end(str_head(rest, lf + 1));
        code = code_of(line);
        if (code < 0 || (out->lines > 0 && code != out->code))
            return SMTP_REPLY_BAD;
        if (out->lines++ == 0) {
            out->code = code;
            out->enhanced = enhanced_of(str_skip(line, CODE_BYTES), code);
        }
        at += lf + 1;
        if (line.n < CODE_BYTES || line.p[3] == ' ') {
            out->raw = str_head(in, at);
            return SMTP_REPLY_DONE;
        }
    }
    return SMTP_REPLY_BAD;
}

bool smtp_reply_next_line(const struct smtp_reply *r, size_t *at, str_t *text)
{
    str_t rest = str_skip(r->raw, *at);
    size_t lf = str_find_char(rest, '\n');

    if (lf == SIZE_MAX)
        return false;
    *at += lf + 1;
    *text = str_skip(without_line_end(str_head(rest, lf + 1)), CODE_BYTES);
    return true;
}

bool smtp_reply_has_keyword(const struct smtp_reply *r, const char *keyword, str_t *args)
{
    size_t at = 0;
    str_t line;

    if (!smtp_reply_next_line(r, &at, &line)) /* the first line is the greeting */
        return false;
    while (smtp_reply_next_line(r, &at, &line)) {
        str_t word = str_head(line, str_find_char(line, ' '));

        if (str_eq_nocase(word, str_of(keyword))) {
            *args = str_trim(str_skip(line, word.n));
            return true;
        }
    }
    return false;
}

str_t smtp_reply_text(struct arena *a, const struct smtp_reply *r, size_t max_bytes)
{
    struct buf *out = arena_buf(a, max_bytes);
    size_t at = 0;
    str_t line;

    buf_printf(out, "%d", r->code);
    while (smtp_reply_next_line(r, &at, &line)) {
        /* Most servers repeat the enhanced code on each line. */
        if (out->n > CODE_BYTES && r->enhanced.n > 0 && str_starts(line, r->enhanced))
            line = str_skip(line, r->enhanced.n);
        line = str_trim(line);
        for (size_t i = 0; i <= line.n && line.n > 0; i++) {
            if (buf_putc(out, i == 0 ? ' ' : printable(line.p[i - 1])) != RC_OK)
                return buf_str(out);
        }
    }
    return buf_str(out);
}
