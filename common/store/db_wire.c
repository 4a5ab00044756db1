/* db_wire.c - binary instead of text: no quoting, no parsing of numbers, bytea as it is.
 */
#include "store/db_wire.h"

#include "base/log.h"

#include <string.h>

enum { ARRAY_HEAD = 20 }; /* dimensions, has NULLs, element type, length, lower bound */

static const struct {
    unsigned oid, element; /* of pg_type, fixed for ever */
} types[] = {
    [DB_INT2] = { 21, 0 },     [DB_INT4] = { 23, 0 },     [DB_INT8] = { 20, 0 },
    [DB_BOOL] = { 16, 0 },     [DB_TEXT] = { 25, 0 },     [DB_BYTES] = { 17, 0 },
    [DB_INT4S] = { 1007, 23 }, [DB_INT8S] = { 1016, 20 }, [DB_TEXTS] = { 1009, 25 },
};

static char *put_int(char *to, int64_t value, size_t width)
{
    for (size_t i = width; i-- > 0; value >>= 8)
        to[i] = (char)(value & 0xff);
    return to + width;
}

static str_t encode_int(struct arena *a, int64_t value, size_t width)
{
    char *p = arena_alloc(a, width);

    put_int(p, value, width);
    return str_n(p, width);
}

static char *put_array_head(char *to, enum db_type type, size_t n)
{
    to = put_int(to, 1, 4);
    to = put_int(to, 0, 4);
    to = put_int(to, types[type].element, 4);
    to = put_int(to, (int64_t)n, 4);
    return put_int(to, 1, 4);
}

static str_t encode_ints(struct arena *a, const struct db_param *p, size_t width)
{
    size_t bytes = ARRAY_HEAD + p->n * (4 + width);
    char *start = arena_alloc(a, bytes), *at = put_array_head(start, p->type, p->n);

    for (size_t i = 0; i < p->n; i++) {
        at = put_int(at, (int64_t)width, 4);
        at = put_int(at,
                     width == 4 ? ((const int32_t *)p->list)[i]
                                : ((const int64_t *)p->list)[i],
                     width);
    }
    return str_n(start, bytes);
}

static str_t encode_texts(struct arena *a, const struct db_param *p)
{
    const str_t *list = p->list;
    size_t bytes = ARRAY_HEAD;
    char *start, *at;

    for (size_t i = 0; i < p->n; i++)
        bytes += 4 + list[i].n;
    start = arena_alloc(a, bytes);
    at = put_array_head(start, p->type, p->n);
    for (size_t i = 0; i < p->n; i++) {
        at = put_int(at, (int64_t)list[i].n, 4);
        if (list[i].n > 0)
            memcpy(at, list[i].p, list[i].n);
        at += list[i].n;
    }
    return str_n(start, bytes);
}

/* A NULL has p == NULL, and only a NULL has. */
static str_t encode(struct arena *a, const struct db_param *p)
{
    if (p->null)
        return str_n(NULL, 0);
    switch (p->type) {
    case DB_INT2:
        return encode_int(a, p->i, 2);
    case DB_INT4:
        return encode_int(a, p->i, 4);
    case DB_INT8:
        return encode_int(a, p->i, 8);
    case DB_BOOL:
        return encode_int(a, p->i, 1);
    case DB_TEXT:
    case DB_BYTES:
        return p->s.n == 0 ? S("") : p->s;
    case DB_INT4S:
        return encode_ints(a, p, 4);
    case DB_INT8S:
        return encode_ints(a, p, 8);
    case DB_TEXTS:
        return encode_texts(a, p);
    }
    log_check_failed("known parameter type", __FILE__, __LINE__);
}

size_t db_wire_bind(struct arena *a, const struct db_param *params, size_t n,
                    struct db_wire_bound *out)
{
    size_t all = 0;

    CHECK(n <= DB_PARAMS_MAX);
    for (size_t i = 0; i < n; i++) {
        str_t bytes = encode(a, &params[i]);

        out->values[i] = bytes.p;
        out->lengths[i] = (int)bytes.n;
        out->formats[i] = 1;
        out->types[i] = types[params[i].type].oid;
        all += bytes.n;
    }
    return all;
}

int64_t db_wire_int(str_t bytes)
{
    uint64_t v = 0;

    CHECK(bytes.n == 1 || bytes.n == 2 || bytes.n == 4 || bytes.n == 8);
    for (size_t i = 0; i < bytes.n; i++)
        v = v << 8 | (unsigned char)bytes.p[i];
    switch (bytes.n) {
    case 2:
        return (int16_t)v;
    case 4:
        return (int32_t)v;
    default:
        return (int64_t)v;
    }
}

static bool take_int4(str_t *s, int64_t *out)
{
    if (s->n < 4)
        return false;
    *out = db_wire_int(str_head(*s, 4));
    *s = str_skip(*s, 4);
    return true;
}

/* Leaves s at the first element; an empty array has no dimension at all. */
static bool take_head(str_t *s, unsigned element, size_t *n)
{
    int64_t dimensions, nulls, oid, count, lower;

    *n = 0;
    if (!take_int4(s, &dimensions) || !take_int4(s, &nulls) || !take_int4(s, &oid))
        return false;
    if (dimensions == 0)
        return true;
    if (dimensions != 1 || nulls != 0 || oid != element || !take_int4(s, &count) ||
        !take_int4(s, &lower) || count < 0 || (size_t)count > s->n / 4)
        return false;
    *n = (size_t)count;
    return true;
}

bool db_wire_texts(struct arena *a, str_t bytes, str_t **texts, size_t *n)
{
    int64_t length;

    if (!take_head(&bytes, 25, n))
        return false;
    *texts = arena_array(a, *n + 1, sizeof(str_t));
    for (size_t i = 0; i < *n; i++) {
        if (!take_int4(&bytes, &length) || length < 0 || (size_t)length > bytes.n)
            return false;
        (*texts)[i] = arena_str(a, str_head(bytes, (size_t)length));
        bytes = str_skip(bytes, (size_t)length);
    }
    return true;
}

bool db_wire_int4s(struct arena *a, str_t bytes, int32_t **ints, size_t *n)
{
    int64_t length, value;

    if (!take_head(&bytes, 23, n))
        return false;
    *ints = arena_array(a, *n + 1, sizeof(int32_t));
    for (size_t i = 0; i < *n; i++) {
        if (!take_int4(&bytes, &length) || length != 4 || !take_int4(&bytes, &value))
            return false;
        (*ints)[i] = (int32_t)value;
    }
    return true;
}
