/* template.c - one pass over the template, with a small stack of open sections. */
#include "template.h"

#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum { SECTIONS_MAX = 8 };

struct sections {
    bool shown[SECTIONS_MAX + 1]; /* [0]: the whole template */
    unsigned depth;
};

static str_t value_of(str_t name, const struct template_value *values, size_t count)
{
    size_t i = 0;

    while (i < count && !str_eq(str_of(values[i].name), name))
        i++;
    CHECK(i < count);
    return values[i].text;
}

static void section_open(struct sections *s, bool wanted)
{
    CHECK(s->depth < SECTIONS_MAX);
    s->shown[s->depth + 1] = s->shown[s->depth] && wanted;
    s->depth++;
}

static void section_close(struct sections *s)
{
    CHECK(s->depth > 0);
    s->depth--;
}

/* tag: what stands between the braces. */
static void render_tag(str_t tag, const struct template_value *values, size_t count,
                       struct sections *s, struct buf *out)
{
    CHECK(tag.n > 0);
    switch (tag.p[0]) {
    case '#':
        section_open(s, value_of(str_skip(tag, 1), values, count).n > 0);
        return;
    case '^':
        section_open(s, value_of(str_skip(tag, 1), values, count).n == 0);
        return;
    case '/':
        section_close(s);
        return;
    case '&':
        if (s->shown[s->depth])
            buf_put(out, value_of(str_skip(tag, 1), values, count));
        return;
    default:
        if (s->shown[s->depth])
            template_escape(value_of(tag, values, count), out);
    }
}

void template_render(str_t text, const struct template_value *values, size_t count,
                     struct buf *out)
{
    struct sections s = { .shown = { true } };

    while (text.n > 0) {
        size_t open = str_find(text, S("{{"));
        size_t end;

        if (s.shown[s.depth])
            buf_put(out, str_head(text, open));
        if (open == SIZE_MAX)
            break;
        text = str_skip(text, open + 2);
        end = str_find(text, S("}}"));
        CHECK(end != SIZE_MAX);
        render_tag(str_head(text, end), values, count, &s, out);
        text = str_skip(text, end + 2);
    }
    CHECK(s.depth == 0);
}

void template_escape(str_t text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        case '\'':
            buf_puts(out, "&#39;");
            break;
        default:
            buf_putc(out, text.p[i]);
        }
    }
}
