/* route_path.c - segment by segment, from the left. */
#include "route_path.h"

#include "base/arena.h"
#include "base/log.h"

/* What stands up to the next slash, which is taken off, too. */
static str_t next_segment(str_t *rest)
{
    size_t n = str_find_char(*rest, '/');
    str_t segment = str_head(*rest, n);

    *rest = str_skip(*rest, n == SIZE_MAX ? rest->n : n + 1);
    return segment;
}

static bool is_parameter(str_t row_segment)
{
    return row_segment.n > 2 && row_segment.p[0] == '{';
}

/* One character from *at on, which moves behind it; -1: malformed. */
static int decode_one(str_t text, size_t *at)
{
    int high, low;

    if (text.p[*at] != '%')
        return (unsigned char)text.p[(*at)++];
    if (text.n - *at < 3)
        return -1;
    high = str_hex_value(text.p[*at + 1]);
    low = str_hex_value(text.p[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_text(str_t s)
{
    while (s.n > 0) {
        size_t n = str_utf8_bytes(s);

        if (n == 0 || (unsigned char)s.p[0] < ' ' || s.p[0] == 127)
            return false;
        s = str_skip(s, n);
    }
    return true;
}

static bool decode(struct arena *a, str_t text, str_t *out)
{
    size_t n = 0, at = 0;
    char *to;

    if (text.n > 3 * ROUTE_PATH_VALUE_MAX_BYTES)
        return false;
    to = arena_alloc(a, text.n + 1);
    while (at < text.n) {
        int c = decode_one(text, &at);

        if (c < 0)
            return false;
        to[n++] = (char)c;
    }
    *out = str_n(to, n);
    return n <= ROUTE_PATH_VALUE_MAX_BYTES && is_text(*out);
}

static bool do_names_fit(str_t row, str_t path)
{
    while (row.n > 0 && path.n > 0) {
        str_t want = next_segment(&row), have = next_segment(&path);

        if (is_parameter(want) ? have.n == 0 : !str_eq(want, have))
            return false;
    }
    return row.n == 0 && path.n == 0;
}

enum route_path_fit route_path_match(struct arena *a, str_t row, str_t path,
                                     struct route_path_params *out)
{
    out->count = 0;
    if (str_find_char(row, '{') == SIZE_MAX)
        return str_eq(row, path) ? ROUTE_PATH_FITS : ROUTE_PATH_OTHER;
    /* A slash at the end would be cut off unseen. */
    if (path.n == 0 || path.p[path.n - 1] == '/' || !do_names_fit(row, path))
        return ROUTE_PATH_OTHER;
    while (row.n > 0) {
        str_t want = next_segment(&row), have = next_segment(&path);

        if (!is_parameter(want))
            continue;
        CHECK(out->count < ROUTE_PATH_PARAMS_MAX);
        out->list[out->count].name = str_n(want.p + 1, want.n - 2);
        if (!decode(a, have, &out->list[out->count].value))
            return ROUTE_PATH_MALFORMED;
        out->count++;
    }
    return ROUTE_PATH_FITS;
}

str_t route_path_get(const struct route_path_params *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (str_eq(p->list[i].name, str_of(name)))
            return p->list[i].value;
    return S("");
}
