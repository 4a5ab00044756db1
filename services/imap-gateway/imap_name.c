/* imap_name.c - names of mailboxes: modified UTF-7 on the wire, UTF-8 in the store. */
#include "imap_name.h"

#include "base/arena.h"
#include "base/buf.h"

#include <string.h>

static const str_t alphabet =
    STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,");

enum { WIRE_MAX = 4 * IMAP_NAME_MAX };

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_putc(out, (char)c);
    } else if (c < 0x800) {
        buf_putc(out, (char)(0xc0 | (c >> 6)));
        buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_putc(out, (char)(0xe0 | (c >> 12)));
        buf_putc(out, (char)(0x80 | ((c >> 6) & 0x3f)));
        buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_putc(out, (char)(0xf0 | (c >> 18)));
        buf_putc(out, (char)(0x80 | ((c >> 12) & 0x3f)));
        buf_putc(out, (char)(0x80 | ((c >> 6) & 0x3f)));
        buf_putc(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* One UTF-16 unit; *high holds a first surrogate that waits for its second. */
static bool put_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    if (*high != 0) {
        if (unit < 0xdc00 || unit > 0xdfff)
            return false;
        put_utf8(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
        *high = 0;
        return true;
    }
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return false;
    if (unit >= 0xd800 && unit <= 0xdbff)
        *high = unit;
    else
        put_utf8(out, unit);
    return true;
}

/* text: what stands between '&' and '-'. */
static bool decode_shifted(struct buf *out, str_t text)
{
    uint32_t bits = 0, high = 0;
    unsigned have = 0;

    for (size_t i = 0; i < text.n; i++) {
        size_t value = str_find_char(alphabet, text.p[i]);

        if (value >= 64)
            return false;
        bits = (bits << 6) | (uint32_t)value;
        have += 6;
        if (have >= 16) {
            have -= 16;
            if (!put_unit(out, (bits >> have) & 0xffff, &high))
                return false;
        }
    }
    return high == 0 && have < 6 && (bits & ((1u << have) - 1)) == 0;
}

static bool decode(struct buf *out, str_t wire)
{
    while (wire.n > 0) {
        unsigned char c = (unsigned char)wire.p[0];
        size_t end;

        wire = str_skip(wire, 1);
        if (c < 0x20 || c >= 0x7f)
            return false;
        if (c != '&') {
            buf_putc(out, (char)c);
            continue;
        }
        end = str_find_char(wire, '-');
        if (end == SIZE_MAX)
            return false;
        if (end == 0)
            buf_putc(out, '&');
        else if (!decode_shifted(out, str_head(wire, end)))
            return false;
        wire = str_skip(wire, end + 1);
    }
    return true;
}

/* The next character of valid UTF-8 text that came out of decode or the store. */
static uint32_t next_char(str_t *s)
{
    unsigned char c = (unsigned char)s->p[0];
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t value = n == 1 ? c : c & (0x7fu >> n);

    for (size_t i = 1; i < n && i < s->n; i++)
        value = (value << 6) | ((unsigned char)s->p[i] & 0x3f);
    *s = str_skip(*s, n);
    return value;
}

struct shift {
    uint32_t bits;
    unsigned have;
};

static void shift_unit(struct buf *out, struct shift *shift, uint32_t unit)
{
    shift->bits = (shift->bits << 16) | unit;
    shift->have += 16;
    while (shift->have >= 6) {
        shift->have -= 6;
        buf_putc(out, alphabet.p[(shift->bits >> shift->have) & 0x3f]);
    }
}

static void shift_end(struct buf *out, struct shift *shift)
{
    if (shift->have > 0)
        buf_putc(out, alphabet.p[(shift->bits << (6 - shift->have)) & 0x3f]);
    buf_putc(out, '-');
    *shift = (struct shift){ 0 };
}

str_t imap_name_encode(struct arena *a, str_t utf8)
{
    struct buf *out = arena_buf(a, WIRE_MAX);
    struct shift shift = { 0 };
    bool shifted = false;

    while (utf8.n > 0) {
        uint32_t c = next_char(&utf8);
        bool plain = c >= 0x20 && c < 0x7f;

        if (plain && shifted)
            shift_end(out, &shift);
        else if (!plain && !shifted)
            buf_putc(out, '&');
        shifted = !plain;
        if (plain) {
            buf_putc(out, (char)c);
            if (c == '&')
                buf_putc(out, '-');
        } else if (c >= 0x10000) {
            shift_unit(out, &shift, 0xd800 + ((c - 0x10000) >> 10));
            shift_unit(out, &shift, 0xdc00 + ((c - 0x10000) & 0x3ff));
        } else {
            shift_unit(out, &shift, c);
        }
    }
    if (shifted)
        shift_end(out, &shift);
    return buf_str(out);
}

static bool levels_good(str_t name)
{
    size_t levels = 0;
    str_t level;

    if (name.n == 0 || name.p[name.n - 1] == IMAP_NAME_SEPARATOR)
        return false;
    while (str_split(&name, IMAP_NAME_SEPARATOR, &level))
        if (level.n == 0 || ++levels > IMAP_NAME_LEVELS)
            return false;
    return true;
}

enum rc imap_name_decode(struct arena *a, str_t wire, str_t *out)
{
    struct buf *name = arena_buf(a, IMAP_NAME_MAX);
    str_t inbox = S("INBOX");

    if (wire.n > WIRE_MAX)
        return RC_LIMIT;
    if (!decode(name, wire))
        return RC_INVALID;
    if (name->full)
        return RC_LIMIT;
    *out = buf_str(name);
    if (!levels_good(*out) || !str_eq(imap_name_encode(a, *out), wire))
        return RC_INVALID;
    if (str_starts_nocase(*out, inbox) &&
        (out->n == inbox.n || out->p[inbox.n] == IMAP_NAME_SEPARATOR))
        for (size_t i = 0; i < inbox.n; i++)
            name->p[i] = inbox.p[i];
    return RC_OK;
}

/* Row by row over the pattern, because to try and go back is cubic: "*%" before a long
 * text that does not match walks the name anew from each of its characters. */
bool imap_name_match(str_t pattern, str_t name)
{
    bool at[WIRE_MAX + 1] = { true }; /* [i]: the pattern so far matches i characters */
    size_t low = 0;                   /* none below it does */

    if (name.n > WIRE_MAX)
        return false;
    for (size_t p = 0; p < pattern.n; p++) {
        char c = pattern.p[p];

        if (c == '*') {
            memset(at + low, true, name.n + 1 - low);
        } else if (c == '%') {
            for (size_t i = low; i < name.n; i++)
                at[i + 1] |= at[i] && name.p[i] != IMAP_NAME_SEPARATOR;
        } else {
            for (size_t i = name.n; i > low; i--)
                at[i] = at[i - 1] && name.p[i - 1] == c;
            at[low++] = false;
        }
        while (low <= name.n && !at[low])
            low++;
        if (low > name.n)
            return false;
    }
    return at[name.n];
}
