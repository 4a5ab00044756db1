/* header.c - one pass over the header, field by field. */
#include "mail/header.h"

#include "base/arena.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of the first line with its end. */
static size_t line_bytes(str_t s)
{
    size_t at = str_find_char(s, '\n');

    return at == SIZE_MAX ? s.n : at + 1;
}

static bool is_empty_line(str_t s)
{
    return s.n > 0 && (s.p[0] == '\n' || (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n'));
}

static str_t without_line_end(str_t s)
{
    if (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

/* Length of a field with its folds. */
static size_t field_bytes(str_t s)
{
    size_t n = line_bytes(s);

    while (n < s.n && is_blank(s.p[n]))
        n += line_bytes(str_skip(s, n));
    return n;
}

/* Blanks before the colon are an old form that some readers still accept, so the name is
 * found behind them too: "Subject : x" must not slip through as something else. */
static str_t name_of(str_t line, size_t colon)
{
    str_t name = str_head(line, colon);

    while (name.n > 0 && is_blank(name.p[name.n - 1]))
        name.n--;
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 127)
            return str_n(line.p, 0);
    }
    return name;
}

void header_init(struct header_iter *it, str_t message)
{
    it->rest = str_head(message, HEADER_MAX_BYTES);
    it->fields = 0;
}

bool header_next(struct header_iter *it, struct header_field *out)
{
    size_t colon;
    str_t line;

    if (it->rest.n == 0 || it->fields == HEADER_MAX_FIELDS || is_empty_line(it->rest))
        return false;
    out->whole = str_head(it->rest, field_bytes(it->rest));
    it->rest = str_skip(it->rest, out->whole.n);
    it->fields++;
    line = without_line_end(out->whole);
    colon = str_find_char(str_head(line, line_bytes(out->whole)), ':');
    if (colon == SIZE_MAX) {
        out->name = str_n(line.p, 0);
        out->value = line;
        return true;
    }
    out->name = name_of(line, colon);
    out->value = str_skip(line, colon + 1);
    return true;
}

size_t header_end(str_t message)
{
    str_t rest = str_head(message, HEADER_MAX_BYTES);

    while (rest.n > 0 && !is_empty_line(rest))
        rest = str_skip(rest, line_bytes(rest));
    return (size_t)(rest.p - message.p) + (rest.n == 0 ? 0 : line_bytes(rest));
}

bool header_find(str_t message, str_t name, struct header_field *out)
{
    struct header_iter it;

    header_init(&it, message);
    while (header_next(&it, out)) {
        if (str_eq_nocase(out->name, name))
            return true;
    }
    return false;
}

size_t header_count(str_t message, str_t name)
{
    struct header_field field;
    struct header_iter it;
    size_t count = 0;

    header_init(&it, message);
    while (header_next(&it, &field))
        count += str_eq_nocase(field.name, name);
    return count;
}

enum rc header_check(str_t message)
{
    struct header_field field;
    struct header_iter it;

    header_init(&it, message);
    while (header_next(&it, &field)) {
        /* "Name :" ends the header to some and is a field to others. */
        if (field.name.n == 0 || field.whole.p[field.name.n] != ':' ||
            str_find_char(field.whole, '\0') != SIZE_MAX)
            return RC_INVALID;
    }
    if (it.rest.n > 0)
        return is_empty_line(it.rest) ? RC_OK : RC_LIMIT;
    return message.n > HEADER_MAX_BYTES ? RC_LIMIT : RC_OK;
}

str_t header_unfold(struct arena *a, str_t value)
{
    size_t n = 0;
    char *p;

    value = str_trim(value);
    if (str_find_char(value, '\n') == SIZE_MAX && str_find_char(value, '\r') == SIZE_MAX)
        return value;
    p = arena_alloc(a, value.n);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] != '\r' && value.p[i] != '\n')
            p[n++] = value.p[i];
    }
    return str_n(p, n);
}

str_t header_value(struct arena *a, str_t message, str_t name)
{
    struct header_field field;

    return header_find(message, name, &field) ? header_unfold(a, field.value)
                                              : str_n(NULL, 0);
}
