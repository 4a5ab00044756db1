/* address.c - the strict grammar and the whole one; the author of a message is the first
 * of a list.
 */
#include "mail/address.h"

#include "base/arena.h"
#include "mail/address_list.h"
#include "mail/header.h"

#include <string.h>

enum { MAX_DOMAIN_LABEL_BYTES = 63 };

static bool is_alnum(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5322 3.2.3 atext; strictly without '%' and '!', which mean routes to some servers.
 */
static bool is_local_char(unsigned char c, unsigned flags)
{
    if (c >= 0x80)
        return (flags & ADDRESS_UTF8) != 0;
    if (c == '%' || c == '!')
        return (flags & ADDRESS_FULL) != 0;
    return is_alnum(c) || (c != '\0' && strchr("#$&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_domain_char(unsigned char c, unsigned flags)
{
    if (c >= 0x80)
        return (flags & ADDRESS_UTF8) != 0;
    return is_alnum(c) || c == '-' || c == '_';
}

static bool is_too_long(str_t s, size_t max_bytes, unsigned flags)
{
    return s.n > max_bytes && (flags & ADDRESS_FULL) == 0;
}

/* Dot-string */
static bool is_local_part(str_t s, unsigned flags)
{
    if (s.n == 0 || is_too_long(s, ADDRESS_LOCAL_MAX_BYTES, flags) || s.p[0] == '.' ||
        s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? s.p[i - 1] == '.'
                          : !is_local_char((unsigned char)s.p[i], flags))
            return false;
    }
    return true;
}

static bool is_label(str_t s, unsigned flags)
{
    if (s.n == 0 || is_too_long(s, MAX_DOMAIN_LABEL_BYTES, flags) || s.p[0] == '-' ||
        s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_domain_char((unsigned char)s.p[i], flags))
            return false;
    }
    return true;
}

bool address_is_utf8(str_t s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        uint32_t code = n == 1 ? c : c & (0xffu >> (n + 1));

        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > s.n - i)
            return false;
        for (size_t k = 1; k < n; k++) {
            if (((unsigned char)s.p[i + k] & 0xc0) != 0x80)
                return false;
            code = code << 6 | ((unsigned char)s.p[i + k] & 0x3f);
        }
        if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += n;
    }
    return true;
}

bool address_is_domain(str_t text, unsigned flags)
{
    str_t rest = text, label;

    if (text.n == 0 || is_too_long(text, ADDRESS_MAX_BYTES, flags) ||
        text.p[text.n - 1] == '.')
        return false;
    while (str_split(&rest, '.', &label)) {
        if (!is_label(label, flags))
            return false;
    }
    return (flags & ADDRESS_UTF8) == 0 || address_is_utf8(text);
}

/* zeros: may an octet have leading ones?  To some they mean an octal number. */
static bool is_ipv4(str_t s, bool zeros)
{
    size_t octets = 0;
    str_t octet;
    uint64_t value;

    if (s.n == 0 || s.p[s.n - 1] == '.')
        return false;
    while (str_split(&s, '.', &octet)) {
        if (octet.n > 3 || (octet.n > 1 && octet.p[0] == '0' && !zeros) ||
            !str_to_u64(octet, 255, &value))
            return false;
        octets++;
    }
    return octets == 4;
}

static bool is_ipv6_group(str_t s)
{
    if (s.n == 0 || s.n > 4)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return false;
    }
    return true;
}

/* RFC 4291 2.2: eight groups, "::" once for some of them, IPv4 for the last two. */
static bool is_ipv6(str_t s)
{
    size_t groups = 0;
    bool has_gap = false;

    while (s.n > 0) {
        str_t group = str_head(s, str_find_char(s, ':'));

        if (str_starts(s, S("::")) && !has_gap) {
            has_gap = true;
            s = str_skip(s, 2);
        } else if (group.n == s.n && str_find_char(group, '.') != SIZE_MAX) {
            if (!is_ipv4(group, false))
                return false;
            groups += 2;
            break;
        } else {
            if (!is_ipv6_group(group))
                return false;
            groups++;
            s = str_skip(s, group.n);
            if (s.n == 1) /* a colon at the end */
                return false;
            if (!str_starts(s, S("::")))
                s = str_skip(s, 1);
        }
    }
    return has_gap ? groups < 8 : groups == 8;
}

static bool is_bracketed(str_t s)
{
    return s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
}

static str_t within_brackets(str_t s)
{
    return str_n(s.p + 1, s.n - 2);
}

bool address_is_ipv4_literal(str_t text)
{
    return is_bracketed(text) && is_ipv4(within_brackets(text), false);
}

bool address_is_ip_literal(str_t text)
{
    if (address_is_ipv4_literal(text))
        return true;
    return is_bracketed(text) && str_starts_nocase(text, S("[IPv6:")) &&
           is_ipv6(str_skip(within_brackets(text), 5));
}

/* RFC 5321 4.1.3: a tag, a colon and anything; IPv6 is one of the tags. */
static bool is_general_literal(str_t inner)
{
    size_t colon = str_find_char(inner, ':');
    str_t tag = str_head(inner, colon);

    if (colon == SIZE_MAX || colon == 0 || colon + 1 == inner.n ||
        !is_alnum((unsigned char)tag.p[tag.n - 1]))
        return false;
    for (size_t i = 0; i < tag.n; i++)
        if (!is_alnum((unsigned char)tag.p[i]) && tag.p[i] != '-')
            return false;
    for (size_t i = colon + 1; i < inner.n; i++) {
        unsigned char c = (unsigned char)inner.p[i];

        if (c <= ' ' || c >= 127 || (c >= '[' && c <= ']'))
            return false;
    }
    return true;
}

static bool is_host(str_t s, unsigned flags)
{
    if (address_is_domain(s, flags) || address_is_ipv4_literal(s))
        return true;
    return (flags & ADDRESS_FULL) != 0 && is_bracketed(s) &&
           (is_ipv4(within_brackets(s), true) || is_general_literal(within_brackets(s)));
}

/* RFC 5321 4.1.2: printable characters, those with a backslash as well. */
static bool is_quoted_char(unsigned char c, unsigned flags)
{
    return c >= 0x80 ? (flags & ADDRESS_UTF8) != 0 : c >= ' ' && c < 127;
}

/* Length of the quoted string that text begins with, 0 if it never ends or holds what it
 * may not. */
static size_t quoted_string_bytes(str_t text, unsigned flags)
{
    size_t i = 1;

    while (i < text.n && text.p[i] != '"') {
        bool is_pair = text.p[i] == '\\';

        i += is_pair;
        if (i == text.n || !is_quoted_char((unsigned char)text.p[i], is_pair ? 0 : flags))
            return 0;
        i++;
    }
    return i < text.n ? i + 1 : 0;
}

static bool is_quoted(str_t text)
{
    return text.n > 0 && text.p[0] == '"';
}

/* Where the '@' is, or SIZE_MAX.  *good: what stands before it is a local part. */
static size_t find_at(str_t text, unsigned flags, bool *good)
{
    size_t at = str_find_char(text, '@');

    if (is_quoted(text) && (flags & ADDRESS_FULL) != 0) {
        at = quoted_string_bytes(text, flags);
        *good = at > 0 && at < text.n && text.p[at] == '@';
        return *good ? at : SIZE_MAX;
    }
    *good = is_local_part(str_head(text, at), flags);
    return at;
}

enum rc address_parse(str_t text, unsigned flags, struct address *out)
{
    bool good;
    size_t at = find_at(text, flags, &good);

    *out = (struct address){ .text = text };
    if (is_too_long(text, ADDRESS_MAX_BYTES, flags))
        return RC_LIMIT;
    if (at == SIZE_MAX)
        return RC_INVALID;
    out->local = str_head(text, at);
    out->domain = str_skip(text, at + 1);
    if (is_too_long(out->local, ADDRESS_LOCAL_MAX_BYTES, flags))
        return RC_LIMIT;
    return good && address_is_utf8(out->local) && is_host(out->domain, flags)
               ? RC_OK
               : RC_INVALID;
}

str_t address_unquote(struct arena *a, str_t text)
{
    struct address quoted;
    size_t n = 0;
    char *p;

    if (!is_quoted(text) ||
        address_parse(text, ADDRESS_UTF8 | ADDRESS_FULL, &quoted) != RC_OK)
        return text;
    p = arena_alloc(a, text.n);
    for (size_t i = 1; i + 1 < quoted.local.n; i++) {
        if (text.p[i] == '\\')
            i++;
        p[n++] = text.p[i];
    }
    if (!is_local_part(str_n(p, n), ADDRESS_UTF8 | ADDRESS_FULL))
        return text;
    memcpy(p + n, text.p + quoted.local.n, text.n - quoted.local.n);
    return str_n(p, n + text.n - quoted.local.n);
}

str_t address_normalise(struct arena *a, str_t text)
{
    return arena_str_lower(a, text);
}

str_t address_untag(struct arena *a, str_t text, str_t delimiters)
{
    size_t at = str_find_char(text, '@'), end = 0;
    char *p;

    if (at == SIZE_MAX || is_quoted(text))
        return text;
    while (end < at && str_find_char(delimiters, text.p[end]) == SIZE_MAX)
        end++;
    if (end == 0 || end == at)
        return text;
    p = arena_alloc(a, text.n);
    memcpy(p, text.p, end);
    memcpy(p + end, text.p + at, text.n - at);
    return str_n(p, end + text.n - at);
}

/* As an envelope would have it: the local part in quotes if it needs them. */
static str_t envelope_form(struct arena *a, const struct address_item *item)
{
    str_t local = item->mailbox;
    bool quotes = !is_local_part(local, ADDRESS_UTF8 | ADDRESS_FULL);
    struct buf *b = arena_buf(a, 2 * local.n + item->host.n + 3);

    if (quotes)
        buf_putc(b, '"');
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"' || local.p[i] == '\\')
            buf_putc(b, '\\');
        buf_putc(b, local.p[i]);
    }
    buf_puts(b, quotes ? "\"@" : "@");
    buf_put(b, item->host);
    return buf_str(b);
}

enum rc address_from_header(struct arena *a, str_t value, struct address *out)
{
    const unsigned flags = ADDRESS_UTF8 | ADDRESS_FULL;
    struct address_item item;

    *out = (struct address){ .text = str_n(NULL, 0) };
    if (!address_list_single(a, value, &item) || item.host.n == 0 || item.spoiled)
        return RC_INVALID;
    return address_parse(envelope_form(a, &item), flags, out) == RC_OK ? RC_OK
                                                                       : RC_INVALID;
}

enum rc address_author(struct arena *a, str_t message, struct address *out)
{
    struct header_field field;

    *out = (struct address){ .text = str_n(NULL, 0) };
    switch (header_count(message, S("From"))) {
    case 0:
        return RC_NOT_FOUND;
    case 1:
        header_find(message, S("From"), &field);
        return address_from_header(a, field.value, out);
    default:
        return RC_CONFLICT;
    }
}
