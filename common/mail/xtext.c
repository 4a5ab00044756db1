/* xtext.c - XTEXT of RFC 3461 4. */
#include "mail/xtext.h"

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <string.h>

/* Upper case only. */
static int value_of(char c)
{
    return c >= 'a' ? -1 : str_hex_value(c);
}

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 127 && c != '+' && c != '=';
}

enum rc xtext_decode(struct arena *a, str_t text, str_t *out)
{
    char *p = arena_alloc(a, text.n);
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (is_plain((unsigned char)text.p[i])) {
            p[n++] = text.p[i];
            continue;
        }
        if (text.p[i] != '+' || text.n - i < 3 || value_of(text.p[i + 1]) < 0 ||
            value_of(text.p[i + 2]) < 0)
            return RC_INVALID;
        p[n++] = (char)(value_of(text.p[i + 1]) * 16 + value_of(text.p[i + 2]));
        i += 2;
    }
    *out = str_n(p, n);
    return RC_OK;
}

static void put(struct buf *out, str_t bytes, const char *also)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];

        if (is_plain(c) && strchr(also, c) == NULL)
            buf_putc(out, (char)c);
        else
            buf_printf(out, "+%02X", c);
    }
}

void xtext_put(struct buf *out, str_t bytes)
{
    put(out, bytes, "");
}

void xtext_put_quotable(struct buf *out, str_t bytes)
{
    put(out, bytes, "\"\\");
}
