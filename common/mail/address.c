/* address.c - the strict grammar first; the author of a message is the first of a list.
 */
#include "mail/address.h"

#include "base/arena.h"
#include "mail/address_list.h"
#include "mail/header.h"

#include <string.h>

enum { MAX_DOMAIN_LABEL_BYTES = 63, MAX_IP_LITERAL_BYTES = 64 };

static bool is_alnum(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5322 3.2.3 atext without '%' and '!', which mean routes to some servers. */
static bool is_local_char(unsigned char c, unsigned flags)
{
    if (c >= 0x80)
        return (flags & ADDRESS_UTF8) != 0;
    return is_alnum(c) || (c != '\0' && strchr("#$&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_domain_char(unsigned char c, unsigned flags)
{
    if (c >= 0x80)
        return (flags & ADDRESS_UTF8) != 0;
    return is_alnum(c) || c == '-' || c == '_';
}

static bool is_local_part(str_t s, unsigned flags)
{
    if (s.n == 0 || s.n > ADDRESS_LOCAL_MAX_BYTES || s.p[0] == '.' || s.p[s.n - 1] == '.')
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
    if (s.n == 0 || s.n > MAX_DOMAIN_LABEL_BYTES || s.p[0] == '-' || s.p[s.n - 1] == '-')
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

    if (text.n == 0 || text.n > ADDRESS_MAX_BYTES || text.p[text.n - 1] == '.')
        return false;
    while (str_split(&rest, '.', &label)) {
        if (!is_label(label, flags))
            return false;
    }
    return (flags & ADDRESS_UTF8) == 0 || address_is_utf8(text);
}

static bool is_ipv4(str_t s)
{
    size_t octets = 0;
    str_t octet;
    uint64_t value;

    if (s.n == 0 || s.p[s.n - 1] == '.')
        return false;
    while (str_split(&s, '.', &octet)) {
        if (octet.n > 3 || (octet.n > 1 && octet.p[0] == '0') ||
            !str_to_u64(octet, 255, &value))
            return false;
        octets++;
    }
    return octets == 4;
}

static bool is_bracketed(str_t s)
{
    return s.n > 2 && s.n <= MAX_IP_LITERAL_BYTES && s.p[0] == '[' && s.p[s.n - 1] == ']';
}

bool address_is_ipv4_literal(str_t text)
{
    return is_bracketed(text) && is_ipv4(str_n(text.p + 1, text.n - 2));
}

static bool is_ipv6_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
           c == ':' || c == '.';
}

/* Only the alphabet of an IPv6 literal is checked: nobody connects to it. */
bool address_is_ip_literal(str_t text)
{
    str_t inner;

    if (address_is_ipv4_literal(text))
        return true;
    if (!is_bracketed(text))
        return false;
    inner = str_n(text.p + 1, text.n - 2);
    if (!str_starts_nocase(inner, S("IPv6:")) || inner.n < 7)
        return false;
    for (size_t i = 5; i < inner.n; i++) {
        if (!is_ipv6_char((unsigned char)inner.p[i]))
            return false;
    }
    return true;
}

enum rc address_parse(str_t text, unsigned flags, struct address *out)
{
    size_t at = str_find_char(text, '@');

    *out = (struct address){ .text = text };
    if (text.n > ADDRESS_MAX_BYTES)
        return RC_LIMIT;
    if (at == SIZE_MAX)
        return RC_INVALID;
    out->local = str_head(text, at);
    out->domain = str_skip(text, at + 1);
    if (out->local.n > ADDRESS_LOCAL_MAX_BYTES)
        return RC_LIMIT;
    if (!is_local_part(out->local, flags) || !address_is_utf8(out->local))
        return RC_INVALID;
    if (!address_is_domain(out->domain, flags) && !address_is_ipv4_literal(out->domain))
        return RC_INVALID;
    return RC_OK;
}

str_t address_normalise(struct arena *a, str_t text)
{
    return arena_str_lower(a, text);
}

str_t address_untag(struct arena *a, str_t text)
{
    size_t plus = str_find_char(text, '+');
    size_t at = str_find_char(text, '@');
    char *p;

    if (plus == SIZE_MAX || at == SIZE_MAX || plus == 0 || plus > at)
        return text;
    p = arena_alloc(a, text.n);
    memcpy(p, text.p, plus);
    memcpy(p + plus, text.p + at, text.n - at);
    return str_n(p, plus + text.n - at);
}

enum rc address_from_header(struct arena *a, str_t value, struct address *out)
{
    struct address_item *items;
    size_t count = address_list_parse(a, value, &items);
    size_t i = 0;

    *out = (struct address){ .text = str_n(NULL, 0) };
    while (i < count && items[i].kind != ADDRESS_MAILBOX)
        i++;
    if (i == count || items[i].host.n == 0)
        return RC_INVALID;
    if (items[i].mailbox.n + items[i].host.n + 1 > ADDRESS_MAX_BYTES)
        return RC_INVALID;
    value = str_of(
        arena_printf(a, "%.*s@%.*s", STR_ARG(items[i].mailbox), STR_ARG(items[i].host)));
    return address_parse(value, ADDRESS_UTF8, out) == RC_OK ? RC_OK : RC_INVALID;
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
