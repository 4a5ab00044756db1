/* mime.c - a stack of open parts, fed line by line.
 *
 * Each line is compared with the boundaries of the open multiparts, from the innermost
 * outwards, and only if it begins with "--".  Nothing is scanned twice: a part's header
 * is read when its empty line was seen, line ends are counted as they pass.
 */
#include "mail/mime.h"

#include "base/arena.h"
#include "mail/header.h"

#include <string.h>

static bool is_token_char(unsigned char c)
{
    return c > ' ' && c < 127 && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Skips blanks, folds and comments. */
static str_t skip_blanks(str_t s)
{
    size_t depth = 0, i = 0;

    for (; i < s.n; i++) {
        char c = s.p[i];

        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth > 0 && c == '\\')
            i++;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    return str_skip(s, i);
}

static bool take_char(str_t *s, char c)
{
    *s = skip_blanks(*s);
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

static bool take_token(str_t *s, str_t *out)
{
    size_t n = 0;

    *s = skip_blanks(*s);
    while (n < s->n && is_token_char((unsigned char)s->p[n]))
        n++;
    *out = str_head(*s, n);
    *s = str_skip(*s, n);
    return n > 0;
}

/* Begins at the opening quote.  False if it is never closed. */
static bool take_quoted(struct arena *a, str_t *s, str_t *out)
{
    size_t end = 1, n = 0;
    char *p;

    while (end < s->n && s->p[end] != '"')
        end += s->p[end] == '\\' ? 2 : 1;
    if (end >= s->n)
        return false;
    p = arena_alloc(a, end);
    for (size_t i = 1; i < end; i++) {
        if (s->p[i] == '\\')
            i++;
        if (s->p[i] != '\r' && s->p[i] != '\n')
            p[n++] = s->p[i];
    }
    *out = str_n(p, n);
    *s = str_skip(*s, end + 1);
    return true;
}

/* What is left of a Content-Type or Content-Disposition. */
struct params {
    struct arena *arena;
    str_t rest;
    bool lost; /* a quote never ends: from there on quotes say nothing */
};

/* Unquoted values are written with characters that should be quoted often enough to take
 * everything up to a blank or the next parameter. */
static bool take_value(struct params *in, str_t *out)
{
    str_t *s = &in->rest;
    size_t n = 0;

    *s = skip_blanks(*s);
    if (s->n > 0 && s->p[0] == '"') {
        in->lost = in->lost || !take_quoted(in->arena, s, out);
        return !in->lost;
    }
    while (n < s->n && s->p[n] != '\0' && strchr("; \t\r\n\"", s->p[n]) == NULL)
        n++;
    *out = str_head(*s, n);
    *s = str_skip(*s, n);
    return n > 0;
}

/* Over a parameter that cannot be read, to the next ';' outside quotes. */
static void skip_param(struct params *in)
{
    size_t i = 0, inside = SIZE_MAX; /* the first ';' in quotes that are open */
    bool quoted = false;

    for (; i < in->rest.n; i++) {
        char c = in->rest.p[i];

        if (c == ';' && !quoted)
            break;
        if (c == ';' && inside == SIZE_MAX)
            inside = i;
        if (c == '\\') {
            i++;
        } else if (c == '"' && !in->lost) {
            quoted = !quoted;
            inside = SIZE_MAX;
        }
    }
    in->lost |= quoted;
    in->rest = str_skip(in->rest, quoted && inside != SIZE_MAX ? inside : i);
}

static enum rc take_params(struct arena *a, str_t s, struct mime_type *out)
{
    struct params in = { .arena = a, .rest = skip_blanks(s) };
    size_t room = 0;
    bool good = true;

    for (size_t i = 0; i < s.n; i++)
        room += s.p[i] == ';';
    out->params = arena_array(a, room, sizeof(*out->params));
    while (in.rest.n > 0) {
        struct mime_param *p = &out->params[out->param_count];
        bool separated = take_char(&in.rest, ';');

        in.rest = skip_blanks(in.rest);
        if (separated && (in.rest.n == 0 || in.rest.p[0] == ';'))
            continue;
        if (separated && take_token(&in.rest, &p->name) && take_char(&in.rest, '=') &&
            take_value(&in, &p->value)) {
            out->param_count++;
        } else {
            good = false;
            skip_param(&in);
        }
        in.rest = skip_blanks(in.rest);
    }
    return good ? RC_OK : RC_INVALID;
}

enum rc mime_type_parse(struct arena *a, str_t value, struct mime_type *out)
{
    *out = (struct mime_type){ .param_count = 0 };
    if (!take_token(&value, &out->type) || !take_char(&value, '/') ||
        !take_token(&value, &out->subtype)) {
        *out = (struct mime_type){ .param_count = 0 };
        return RC_INVALID;
    }
    return take_params(a, value, out);
}

enum rc mime_disposition_parse(struct arena *a, str_t value, struct mime_type *out)
{
    *out = (struct mime_type){ .param_count = 0 };
    if (!take_token(&value, &out->type))
        return RC_INVALID;
    return take_params(a, value, out);
}

bool mime_is_token(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_char((unsigned char)s.p[i]))
            return false;
    }
    return s.n > 0;
}

bool mime_type_is(const struct mime_type *t, const char *type, const char *subtype)
{
    return str_eq_nocase(t->type, str_of(type)) &&
           str_eq_nocase(t->subtype, str_of(subtype));
}

bool mime_type_param(const struct mime_type *t, const char *name, str_t *value)
{
    for (size_t i = 0; i < t->param_count; i++) {
        if (str_eq_nocase(t->params[i].name, str_of(name))) {
            *value = t->params[i].value;
            return true;
        }
    }
    return false;
}

/* ---- the tree ---- */

/* An open part. */
struct level {
    size_t part;
    str_t boundary; /* of a multipart */
    bool in_header;
    size_t start; /* where its header, its body or what follows its delimiter began */
    size_t lines; /* line ends seen before its body */
    size_t last_child; /* 0: none */
};

struct walk {
    struct arena *arena;
    str_t message;
    struct mime_tree *tree;
    size_t cap;
    struct level stack[MIME_MAX_DEPTH + 1];
    uint32_t
        keys[MIME_MAX_DEPTH + 1]; /* of the boundaries that may still come, 0: none */
    size_t open;                  /* levels in use */
    size_t lines;                 /* line ends before the current line */
};

/* Never 0.  A line is compared with a boundary only if their keys agree, so that many
 * open multiparts do not multiply the cost of a line (FNV-1a). */
static uint32_t key_of(str_t boundary)
{
    uint32_t key = 2166136261u;

    for (size_t i = 0; i < boundary.n; i++)
        key = (key ^ (unsigned char)boundary.p[i]) * 16777619u;
    return key | 1;
}

static struct mime_part *part_at(struct walk *w, size_t level)
{
    return &w->tree->parts[w->stack[level].part];
}

static void grow(struct walk *w)
{
    size_t cap = w->cap == 0 ? 4 : w->cap * 2;
    struct mime_part *grown = arena_array(w->arena, cap, sizeof(*grown));

    if (w->cap > 0)
        memcpy(grown, w->tree->parts, w->cap * sizeof(*grown));
    w->tree->parts = grown;
    w->cap = cap;
}

static bool has_room(struct walk *w)
{
    if (w->open <= MIME_MAX_DEPTH && w->tree->count < MIME_MAX_PARTS)
        return true;
    w->tree->truncated = true;
    return false;
}

/* Open a part whose header begins at start. */
static void push(struct walk *w, size_t start)
{
    struct level *l = &w->stack[w->open];
    size_t index = w->tree->count++;
    struct mime_part *part;

    if (index == w->cap)
        grow(w);
    part = &w->tree->parts[index];
    *part = (struct mime_part){ .depth = (unsigned)w->open };
    *l = (struct level){ .part = index, .in_header = true, .start = start };
    w->keys[w->open] = 0;
    if (w->open > 0) {
        struct level *above = &w->stack[w->open - 1];

        part->parent = above->part;
        if (above->last_child == 0)
            w->tree->parts[above->part].first = index;
        else
            w->tree->parts[above->last_child].next = index;
        above->last_child = index;
        w->tree->parts[above->part].children++;
    }
    w->open++;
}

static enum mime_encoding encoding_of(str_t value)
{
    value = str_trim(value);
    if (value.n == 0 || str_eq_nocase(value, S("7bit")) ||
        str_eq_nocase(value, S("8bit")) || str_eq_nocase(value, S("binary")))
        return MIME_IDENTITY;
    if (str_eq_nocase(value, S("base64")))
        return MIME_BASE64;
    if (str_eq_nocase(value, S("quoted-printable")))
        return MIME_QUOTED_PRINTABLE;
    return MIME_UNKNOWN;
}

static void set_default_type(struct walk *w, struct mime_part *part)
{
    const struct mime_part *above = &w->tree->parts[part->parent];
    bool digest = part != above && mime_type_is(&above->type, "multipart", "digest");

    part->type = (struct mime_type){ .type = digest ? S("message") : S("text"),
                                     .subtype = digest ? S("rfc822") : S("plain") };
}

/* Read the header: what type is it, and does it have parts of its own? */
static void read_header(struct walk *w, struct mime_part *part, str_t *boundary)
{
    struct header_field field;

    if (header_find(part->header, S("Content-Type"), &field)) {
        /* Rubbish behind the type does not hide the type. */
        part->type_given = mime_type_parse(w->arena, field.value, &part->type) == RC_OK ||
                           part->type.type.n > 0;
    }
    if (!part->type_given)
        set_default_type(w, part);
    if (header_find(part->header, S("Content-Transfer-Encoding"), &field))
        part->encoding = encoding_of(header_unfold(w->arena, field.value));
    part->is_message = part->encoding == MIME_IDENTITY &&
                       (mime_type_is(&part->type, "message", "rfc822") ||
                        mime_type_is(&part->type, "message", "global"));
    /* Whatever its encoding is said to be: RFC 2045 6.4 forbids to encode a multipart,
     * and who says it all the same has not done it. */
    part->is_multipart = str_eq_nocase(part->type.type, S("multipart")) &&
                         mime_type_param(&part->type, "boundary", boundary) &&
                         boundary->n > 0 && boundary->n <= MIME_MAX_BOUNDARY_BYTES;
}

/* The innermost part's header ends at `end`. */
static void finish_header(struct walk *w, size_t end)
{
    struct level *l = &w->stack[w->open - 1];
    struct mime_part *part = part_at(w, w->open - 1);

    part->header = str_n(w->message.p + l->start, end - l->start);
    part->body = str_n(w->message.p + end, 0);
    read_header(w, part, &l->boundary);
    l->in_header = false;
    l->start = end;
    l->lines = w->lines;
    if ((part->is_multipart || part->is_message) && !has_room(w)) {
        part->is_multipart = part->is_message = false;
        return;
    }
    if (part->is_multipart)
        w->keys[w->open - 1] = key_of(l->boundary);
    if (part->is_message)
        push(w, end);
}

/* Offset of the end of what stands before a delimiter line at `at`: the line end in
 * between belongs to the delimiter. */
static size_t before_delimiter(const struct walk *w, size_t at, size_t start)
{
    if (at > start && w->message.p[at - 1] == '\n')
        at--;
    if (at > start && w->message.p[at - 1] == '\r')
        at--;
    return at;
}

/* Close an innermost part that was just opened at the end of everything. */
static void pop_empty(struct walk *w)
{
    finish_header(w, w->stack[w->open - 1].start);
    w->open--;
}

/* Close the innermost part; its last byte is before `end`, `lines` were seen up to there.
 */
static void pop(struct walk *w, size_t end, size_t lines)
{
    size_t level = w->open - 1, start;
    struct level *l = &w->stack[level];
    struct mime_part *part;

    if (l->in_header) { /* ended by a delimiter instead of the empty line */
        finish_header(w, end > l->start ? end : l->start);
        if (w->open > level + 1) /* it holds a message, which has no bytes at all */
            pop_empty(w);
    }
    part = part_at(w, level);
    start = (size_t)(part->body.p - w->message.p);
    end = end > start ? end : start;
    part->body.n = end - start;
    part->lines = lines > l->lines ? lines - l->lines : 0;
    w->open--;
}

/* The line without "--" in front and blanks behind; false if it can be no delimiter. */
static bool delimiter_text(str_t line, str_t *text)
{
    if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
        return false;
    *text = str_skip(line, 2);
    while (text->n > 0 && (text->p[text->n - 1] == ' ' || text->p[text->n - 1] == '\t' ||
                           text->p[text->n - 1] == '\r' || text->p[text->n - 1] == '\n'))
        text->n--;
    return text->n > 0 && text->n <= MIME_MAX_BOUNDARY_BYTES + 2;
}

/* Which open multipart does this line delimit?  Returns its level + 1, 0 for none. */
static size_t find_delimiter(struct walk *w, str_t line, bool *closes)
{
    uint32_t key, closing_key = 0;
    str_t text, closing;

    if (!delimiter_text(line, &text))
        return 0;
    key = key_of(text);
    closing = str_head(text, text.n - (text.n > 2 ? 2 : text.n));
    if (closing.n > 0 && text.p[text.n - 1] == '-' && text.p[text.n - 2] == '-')
        closing_key = key_of(closing);
    for (size_t i = w->open; i > 0; i--) {
        uint32_t expected = w->keys[i - 1];

        if (expected == 0 || (expected != key && expected != closing_key))
            continue;
        *closes = !str_eq(text, w->stack[i - 1].boundary);
        if (!*closes || (closing_key != 0 && str_eq(closing, w->stack[i - 1].boundary)))
            return i;
    }
    return 0;
}

/* A delimiter of the multipart at `level` stands at offset `at`, `line_bytes` long. */
static void take_delimiter(struct walk *w, size_t level, size_t at, size_t line_bytes,
                           bool closes)
{
    struct level *l = &w->stack[level];
    size_t end = before_delimiter(w, at, l->start);
    struct mime_part *part;

    while (w->open > level + 1)
        pop(w, end, w->lines - (end < at));
    part = part_at(w, level); /* not earlier: pop may move the array */
    l->start = at + line_bytes;
    part->closed = closes;
    if (closes)
        w->keys[level] = 0;
    if (!closes && has_room(w))
        push(w, at + line_bytes);
}

static void take_line(struct walk *w, size_t at, str_t line)
{
    struct level *top = &w->stack[w->open - 1];
    bool closes = false;
    size_t level = find_delimiter(w, line, &closes);
    bool ends_line = line.n > 0 && line.p[line.n - 1] == '\n';

    if (level > 0) {
        take_delimiter(w, level - 1, at, line.n, closes);
        w->lines += ends_line;
        return;
    }
    w->lines += ends_line;
    if (!top->in_header)
        return;
    if (str_trim(line).n == 0 && line.p[0] != ' ' && line.p[0] != '\t')
        finish_header(w, at + line.n);
    else if (at + line.n - top->start > HEADER_MAX_BYTES)
        finish_header(w, at + line.n);
}

void mime_tree_parse(struct arena *a, str_t message, struct mime_tree *out)
{
    struct walk w = { .arena = a, .message = message, .tree = out };
    size_t at = 0;

    *out = (struct mime_tree){ .count = 0 };
    push(&w, 0);
    while (at < message.n) {
        str_t rest = str_skip(message, at);
        size_t lf = str_find_char(rest, '\n');
        str_t line = str_head(rest, lf == SIZE_MAX ? rest.n : lf + 1);

        take_line(&w, at, line);
        at += line.n;
    }
    while (w.open > 0)
        pop(&w, message.n, w.lines);
}
