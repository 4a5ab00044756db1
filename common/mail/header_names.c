/* header_names.c - names of header fields as an option has them. */
#include "mail/header_names.h"

#include "base/arena.h"

#include <stdio.h>
#include <string.h>

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 5322 3.6.8: visible ASCII but the colon; a star only at the end. */
static bool is_name(str_t name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':' ||
            (name.p[i] == '*' && (i + 1 < name.n || i == 0)))
            return false;
    return name.n > 0 && name.n <= 76;
}

static str_t take_name(str_t *rest)
{
    size_t n = 0;
    str_t name;

    while (rest->n > 0 && is_separator(rest->p[0]))
        *rest = str_skip(*rest, 1);
    while (n < rest->n && !is_separator(rest->p[n]))
        n++;
    name = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return name;
}

enum rc header_names_parse(struct arena *a, str_t text, struct header_names *out,
                           char *why, size_t room)
{
    str_t *names = arena_array(a, HEADER_NAMES_MAX, sizeof(*names));
    str_t rest, name;

    *out = (struct header_names){ .text = "" };
    if (text.n > HEADER_NAMES_TEXT_MAX) {
        snprintf(why, room, "longer than %d bytes", HEADER_NAMES_TEXT_MAX);
        return RC_INVALID;
    }
    text = arena_str(a, str_trim(text));
    rest = text;
    while ((name = take_name(&rest)).n > 0) {
        if (!is_name(name) || out->count == HEADER_NAMES_MAX) {
            snprintf(why, room,
                     "%.*s: not a name of a header field, or beyond %d of them",
                     (int)(name.n < 76 ? name.n : 76), name.p, HEADER_NAMES_MAX);
            return RC_INVALID;
        }
        names[out->count++] = name;
    }
    out->names = names;
    out->text = arena_cstr(a, text);
    return RC_OK;
}

bool header_names_has(const struct header_names *n, str_t name)
{
    for (size_t i = 0; i < n->count; i++) {
        str_t one = n->names[i];

        if (one.p[one.n - 1] == '*' ? str_starts_nocase(name, str_head(one, one.n - 1))
                                    : str_eq_nocase(name, one))
            return true;
    }
    return false;
}
