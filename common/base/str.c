/* str.c - comparisons and cuts on borrowed bytes. */
#include "base/str.h"

#include "base/log.h"

#include <string.h>

unsigned char str_lower_char(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static bool equal_nocase(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_lower_char((unsigned char)a[i]) != str_lower_char((unsigned char)b[i]))
            return false;
    }
    return true;
}

str_t str_of(const char *c_string)
{
    return (str_t){ c_string, c_string == NULL ? 0 : strlen(c_string) };
}

str_t str_n(const char *p, size_t n)
{
    return (str_t){ p, n };
}

bool str_eq(str_t a, str_t b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_nocase(str_t a, str_t b)
{
    return a.n == b.n && equal_nocase(a.p, b.p, a.n);
}

bool str_starts(str_t s, str_t prefix)
{
    return s.n >= prefix.n && str_eq(str_head(s, prefix.n), prefix);
}

bool str_starts_nocase(str_t s, str_t prefix)
{
    return s.n >= prefix.n && equal_nocase(s.p, prefix.p, prefix.n);
}

bool str_ends_nocase(str_t s, str_t suffix)
{
    return s.n >= suffix.n && str_eq_nocase(str_skip(s, s.n - suffix.n), suffix);
}

int str_compare(str_t a, str_t b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (order != 0)
        return order;
    return a.n < b.n ? -1 : a.n > b.n;
}

size_t str_find_char(str_t s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

    return at == NULL ? SIZE_MAX : (size_t)(at - s.p);
}

size_t str_find(str_t s, str_t needle)
{
    const char *at;

    if (needle.n == 0)
        return 0;
    at = s.n == 0 ? NULL : memmem(s.p, s.n, needle.p, needle.n);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.p);
}

static void lower(char *to, str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        to[i] = (char)str_lower_char((unsigned char)s.p[i]);
}

/* In lower case, window by window; they overlap, so that no match falls between two. */
size_t str_find_nocase(str_t s, str_t needle)
{
    enum { WINDOW_BYTES = 16 * STR_NEEDLE_MAX };
    char low[STR_NEEDLE_MAX], window[WINDOW_BYTES];
    size_t at = 0;

    CHECK(needle.n <= STR_NEEDLE_MAX);
    lower(low, needle);
    while (s.n - at >= needle.n) {
        str_t piece = str_head(str_skip(s, at), WINDOW_BYTES);
        size_t found;

        lower(window, piece);
        found = str_find(str_n(window, piece.n), str_n(low, needle.n));
        if (found != SIZE_MAX)
            return at + found;
        if (piece.n < WINDOW_BYTES)
            break;
        at += WINDOW_BYTES - needle.n + 1;
    }
    return SIZE_MAX;
}

str_t str_skip(str_t s, size_t n)
{
    if (n > s.n)
        n = s.n;
    return (str_t){ s.p == NULL ? NULL : s.p + n, s.n - n };
}

str_t str_head(str_t s, size_t n)
{
    return (str_t){ s.p, n < s.n ? n : s.n };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

str_t str_trim(str_t s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = str_skip(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_split(str_t *s, char sep, str_t *head)
{
    size_t at;

    if (s->n == 0)
        return false;
    at = str_find_char(*s, sep);
    if (at == SIZE_MAX)
        at = s->n;
    *head = str_head(*s, at);
    *s = str_skip(*s, at + 1);
    return true;
}

bool str_to_u64(str_t s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

        if (digit > 9 || value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool str_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int str_hex_value(char c)
{
    if (str_is_digit(c))
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t str_utf8_bytes(str_t s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char c = s.n > 0 ? (unsigned char)s.p[0] : 0xff;
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    uint32_t code = n == 1 ? c : c & (0xffu >> (n + 1));

    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > s.n)
        return 0;
    for (size_t k = 1; k < n; k++) {
        if (((unsigned char)s.p[k] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)s.p[k] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return n;
}
