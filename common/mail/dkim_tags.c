/* dkim_tags.c - cut at the semicolons, then at the first equals sign of each. */
#include "mail/dkim_tags.h"

#include "base/arena.h"
#include "base/crypto.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = str_lower_char((unsigned char)s.p[i]);
        bool is_letter = c >= 'a' && c <= 'z';

        if (!is_letter && (i == 0 || !(str_is_digit((char)c) || c == '_')))
            return false;
    }
    return s.n > 0;
}

static bool is_value(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' ? !is_blank(s.p[i]) : s.p[i] == 127)
            return false;
    }
    return true;
}

enum rc dkim_tags_parse(str_t text, struct dkim_tags *out)
{
    const char *end = text.p + text.n;
    struct dkim_tag tag;
    str_t part;

    out->count = 0;
    while (str_split(&text, ';', &part)) {
        size_t equals = str_find_char(part, '=');

        /* Only behind the last semicolon may nothing stand. */
        if (part.p + part.n == end && str_trim(part).n == 0)
            break;
        if (equals == SIZE_MAX)
            return RC_INVALID;
        tag.name = str_trim(str_head(part, equals));
        tag.raw = str_skip(part, equals + 1);
        tag.value = str_trim(tag.raw);
        if (!is_name(tag.name) || !is_value(tag.value) ||
            dkim_tags_find(out, tag.name) != NULL)
            return RC_INVALID;
        if (out->count == DKIM_TAGS_MAX)
            return RC_LIMIT;
        out->list[out->count++] = tag;
    }
    return out->count == 0 ? RC_INVALID : RC_OK;
}

const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, str_t name)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (str_eq(tags->list[i].name, name))
            return &tags->list[i];
    }
    return NULL;
}

bool dkim_tags_split(str_t *rest, str_t *head)
{
    if (!str_split(rest, ':', head))
        return false;
    *head = str_trim(*head);
    return true;
}

bool dkim_tags_has(str_t value, str_t word)
{
    str_t part;

    while (dkim_tags_split(&value, &part)) {
        if (str_eq(part, word))
            return true;
    }
    return false;
}

enum rc dkim_tags_base64(struct arena *a, str_t value, str_t *out)
{
    char *p = arena_alloc(a, value.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        if (!is_blank(value.p[i]))
            p[n++] = value.p[i];
    }
    return n == 0 ? RC_INVALID : crypto_base64_decode(a, str_n(p, n), out);
}
