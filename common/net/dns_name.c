/* dns_name.c - host names, as text and in wire form. */
#include "net/dns_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/idn.h"

#include <stdio.h>

enum { LABEL_MAX_BYTES = 63 };

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

static bool is_label(str_t label, enum dns_name_kind kind)
{
    if (label.n == 0 || label.n > LABEL_MAX_BYTES)
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (kind == DNS_NAME_HOST ? !is_name_char(label.p[i])
                                  : label.p[i] < ' ' || label.p[i] > '~')
            return false;
    return true;
}

enum rc dns_name_to_ascii(struct arena *a, str_t name, str_t *out)
{
    struct idn_name ascii;

    *out = name;
    if (idn_is_ascii(name))
        return RC_OK;
    if (idn_to_ascii(name, &ascii) != RC_OK)
        return RC_INVALID;
    *out = arena_str(a, str_n(ascii.text, ascii.n));
    return RC_OK;
}

enum rc dns_name_to_ask(str_t name, enum dns_name_kind kind,
                        char out[DNS_NAME_ASKED_BYTES])
{
    str_t rest, label;

    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > DNS_NAME_MAX_BYTES || name.p[name.n - 1] == '.')
        return RC_INVALID;
    rest = name;
    while (str_split(&rest, '.', &label))
        if (!is_label(label, kind))
            return RC_INVALID;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (is_name_char(c) || c == '.')
            *out++ = c;
        else
            out += snprintf(out, 5, "\\%03d", c);
    }
    *out = '\0';
    return RC_OK;
}

bool dns_name_of_wire(struct arena *a, str_t wire, str_t *out)
{
    struct buf *text = arena_buf(a, DNS_NAME_MAX_BYTES);

    while (wire.n > 0 && wire.p[0] != '\0') {
        size_t n = (unsigned char)wire.p[0];

        if (n + 1 > wire.n || !is_label(str_n(wire.p + 1, n), DNS_NAME_HOST))
            return false;
        if (text->n > 0)
            buf_putc(text, '.');
        buf_append(text, wire.p + 1, n);
        wire = str_skip(wire, n + 1);
    }
    *out = arena_str_lower(a, buf_str(text));
    return wire.n == 1 && !text->full;
}
