/* spf_macro.c - a text is pieces: bytes that stand for themselves, and macros. */
#include "mail/spf_macro.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/dns_table.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    EXPANDED_MAX_BYTES = 64 * 1024, /* before a domain is cut */
    PARTS_MAX = 256, /* an IPv6 address has 32; what follows stays one part */
    KEEP_MAX = 9999, /* of %{d9999}: all parts */
};

struct piece {
    str_t literal;    /* stands for itself; else a letter */
    bool is_macro;    /* also "%%", "%_" and "%-" */
    char letter;      /* in lower case */
    bool is_escaped;  /* it was in upper case */
    unsigned keep;    /* parts at the right; 0: all */
    bool is_reversed; /* the parts */
    str_t delimiters;
};

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alphanum(char c)
{
    return is_alpha(c) || str_is_digit(c);
}

static bool contains(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool take_char(str_t *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

/* Behind "%{". */
static bool take_letter(str_t *s, struct piece *out)
{
    const char *begin;
    bool has_digits = false;

    if (s->n == 0 || !is_alpha(s->p[0]))
        return false;
    out->letter = (char)str_lower_char((unsigned char)s->p[0]);
    out->is_escaped = out->letter != s->p[0];
    if (!contains("slodiphcrtv", out->letter))
        return false;
    *s = str_skip(*s, 1);
    for (; s->n > 0 && str_is_digit(s->p[0]); *s = str_skip(*s, 1)) {
        has_digits = true;
        out->keep = out->keep * 10 + (unsigned)(s->p[0] - '0');
        if (out->keep > KEEP_MAX)
            out->keep = KEEP_MAX;
    }
    if (has_digits && out->keep == 0)
        return false;
    out->is_reversed = take_char(s, 'r') || take_char(s, 'R');
    begin = s->p;
    while (s->n > 0 && contains(".-+,/_=", s->p[0]))
        *s = str_skip(*s, 1);
    out->delimiters = s->p == begin ? S(".") : str_n(begin, (size_t)(s->p - begin));
    return take_char(s, '}');
}

/* False at a syntax error; not to be called at the end. */
static bool take_piece(str_t *s, struct piece *out)
{
    char c = s->p[0];

    *out = (struct piece){ .literal = str_head(*s, 1) };
    *s = str_skip(*s, 1);
    if (c != '%')
        return c >= '!' && c <= '~';
    out->is_macro = true;
    if (take_char(s, '%'))
        return true;
    out->literal = S(" ");
    if (take_char(s, '_'))
        return true;
    out->literal = S("%20");
    if (take_char(s, '-'))
        return true;
    out->literal = S("");
    return take_char(s, '{') && take_letter(s, out);
}

/* RFC 7208 12: toplabel. */
static bool is_top_label(str_t s)
{
    bool has_alpha = false, has_hyphen = false;

    if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alphanum(s.p[i]) && s.p[i] != '-')
            return false;
        has_alpha = has_alpha || is_alpha(s.p[i]);
        has_hyphen = has_hyphen || s.p[i] == '-';
    }
    return has_alpha || has_hyphen;
}

static bool ends_in_top_label(str_t literal)
{
    size_t i;

    if (literal.n > 0 && literal.p[literal.n - 1] == '.')
        literal.n--;
    for (i = literal.n; i > 0; i--)
        if (literal.p[i - 1] == '.')
            return is_top_label(str_skip(literal, i));
    return false;
}

bool spf_macro_is_domain_spec(str_t text)
{
    str_t rest = text, tail = text;
    struct piece piece;

    if (text.n == 0)
        return false;
    while (rest.n > 0) {
        if (!take_piece(&rest, &piece))
            return false;
        /* 7.2: these are for explanations only. */
        if (piece.letter != '\0' && contains("crt", piece.letter))
            return false;
        if (piece.is_macro)
            tail = rest;
    }
    return tail.n == 0 || ends_in_top_label(tail);
}

bool spf_macro_is_string(str_t text)
{
    struct piece piece;

    while (text.n > 0)
        if (!take_piece(&text, &piece))
            return false;
    return true;
}

bool spf_macro_has_p(str_t text)
{
    struct piece piece;

    while (text.n > 0) {
        if (take_char(&text, ' '))
            continue;
        if (!take_piece(&text, &piece))
            return false;
        if (piece.letter == 'p')
            return true;
    }
    return false;
}

static str_t ip_in_parts(struct arena *a, const struct spf_macro_values *v)
{
    struct buf *b = arena_buf(a, 64);

    for (unsigned i = 0; i < v->ip_bytes; i++) {
        if (i > 0)
            buf_putc(b, '.');
        if (v->ip_bytes == 4)
            buf_printf(b, "%u", v->ip[i]);
        else
            buf_printf(b, "%X.%X", v->ip[i] >> 4, v->ip[i] & 15U);
    }
    return buf_str(b);
}

static str_t ip_readable(struct arena *a, const struct spf_macro_values *v)
{
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(v->ip_bytes == 4 ? AF_INET : AF_INET6, v->ip, text, sizeof(text));
    return arena_str(a, str_of(text));
}

static str_t value_of(struct arena *a, const struct spf_macro_values *v, char letter)
{
    switch (letter) {
    case 's':
        return str_of(
            arena_printf(a, "%.*s@%.*s", STR_ARG(v->local), STR_ARG(v->sender_domain)));
    case 'l':
        return v->local;
    case 'o':
        return v->sender_domain;
    case 'd':
        return v->domain;
    case 'i':
        return ip_in_parts(a, v);
    case 'c':
        return ip_readable(a, v);
    case 'p':
        return v->validated.n > 0 ? v->validated : S("unknown");
    case 'v':
        return v->ip_bytes == 4 ? S("in-addr") : S("ip6");
    case 'h':
        return v->helo;
    case 'r':
        return v->receiver.n > 0 ? v->receiver : S("unknown");
    default:
        return str_of(arena_printf(a, "%" PRId64, v->now_unix));
    }
}

static void put_escaped(struct buf *b, str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_alphanum(s.p[i]) || contains("-._~", s.p[i]))
            buf_putc(b, s.p[i]);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)s.p[i]);
    }
}

static size_t split(str_t value, str_t delimiters, str_t parts[PARTS_MAX])
{
    size_t count = 0, begin = 0;

    for (size_t i = 0; i < value.n && count < PARTS_MAX - 1; i++)
        if (str_find_char(delimiters, value.p[i]) != SIZE_MAX) {
            parts[count++] = str_n(value.p + begin, i - begin);
            begin = i + 1;
        }
    parts[count++] = str_skip(value, begin);
    return count;
}

static void put_piece(struct arena *a, const struct spf_macro_values *v,
                      const struct piece *piece, struct buf *b)
{
    str_t parts[PARTS_MAX], part;
    size_t count, first;

    if (piece->letter == '\0') {
        buf_put(b, piece->literal);
        return;
    }
    count = split(value_of(a, v, piece->letter), piece->delimiters, parts);
    first = piece->keep > 0 && piece->keep < count ? count - piece->keep : 0;
    for (size_t i = first; i < count; i++) {
        if (i > first)
            buf_putc(b, '.');
        part = parts[piece->is_reversed ? count - 1 - i : i];
        if (piece->is_escaped)
            put_escaped(b, part);
        else
            buf_put(b, part);
    }
}

str_t spf_macro_domain(struct arena *a, const struct spf_macro_values *v, str_t spec)
{
    struct buf *b = arena_buf(a, EXPANDED_MAX_BYTES);
    struct piece piece;
    str_t name;

    while (spec.n > 0 && take_piece(&spec, &piece)) {
        put_piece(a, v, &piece, b);
        /* What is that far from the end is cut anyway. */
        if (b->n > SPF_MACRO_MAX_BYTES)
            buf_consume(b, b->n - SPF_MACRO_MAX_BYTES);
    }
    name = b->full ? S("") : buf_str(b);
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    while (name.n > DNS_TABLE_NAME_MAX_BYTES) {
        size_t dot = str_find_char(name, '.');

        if (dot == SIZE_MAX)
            return S("");
        name = str_skip(name, dot + 1);
    }
    return name;
}

enum rc spf_macro_explain(struct arena *a, const struct spf_macro_values *v, str_t text,
                          str_t *out)
{
    struct buf *b = arena_buf(a, SPF_MACRO_MAX_BYTES);
    struct piece piece;

    while (text.n > 0 && !b->full) {
        if (take_char(&text, ' ')) {
            buf_putc(b, ' ');
            continue;
        }
        if (!take_piece(&text, &piece))
            return RC_INVALID;
        put_piece(a, v, &piece, b);
    }
    *out = buf_str(b);
    for (size_t i = 0; i < out->n; i++)
        if (out->p[i] < ' ' || out->p[i] > '~')
            return RC_LIMIT;
    return b->full ? RC_LIMIT : RC_OK;
}
