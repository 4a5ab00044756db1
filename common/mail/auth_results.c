/* auth_results.c - one fact a line; its parts are folded where the line gets long. */
#include "mail/auth_results.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/mime.h"

enum { LINE_BYTES = 78, COMMENT_DEPTH_MAX = 100 };

static const char field_name[] = "Authentication-Results: ";

/* A line that is being written. */
struct writer {
    struct arena *arena;
    struct buf *out;
    size_t column;
};

const char *auth_results_word_name(enum auth_results_word w)
{
    static const char *const names[AUTH_RESULTS_WORDS] = {
        "none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"
    };

    CHECK(w < AUTH_RESULTS_WORDS);
    return names[w];
}

/* RFC 5322 3.2.3: dot-atom-text. */
static bool is_dot_atom(str_t s)
{
    bool dot = true; /* the byte before */

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_dot = c == '.';

        if (is_dot ? dot : !mime_is_token(str_n(&c, 1)))
            return false;
        dot = is_dot;
    }
    return !dot;
}

/* RFC 8601 2.2: a value is a token or quoted, or one of [[local-part] "@"] domain. */
static bool is_plain(str_t s)
{
    size_t at = str_find_char(s, '@');

    if (at == SIZE_MAX)
        return mime_is_token(s);
    return (at == 0 || is_dot_atom(str_head(s, at))) && is_dot_atom(str_skip(s, at + 1));
}

/* Besides what would end a quoted string, there are readers that know none: they look for
 * words, semicolons and comments.  What nobody needs in a value does not get there. */
static char harmless(unsigned char c, bool is_words)
{
    if (c <= ' ' || c == 127)
        return is_words ? ' ' : '?';
    return c == ';' || c == '(' || c == ')' ? '?' : (char)c;
}

static void put_quoted(struct buf *b, str_t s, bool is_words)
{
    buf_putc(b, '"');
    while (s.n > 0) {
        unsigned char c = (unsigned char)s.p[0];
        size_t n = str_utf8_bytes(s);

        if (n == 0) {
            buf_putc(b, '?');
        } else if (n > 1) {
            buf_append(b, s.p, n);
        } else {
            if (c == '"' || c == '\\')
                buf_putc(b, '\\');
            buf_putc(b, harmless(c, is_words));
        }
        s = str_skip(s, n == 0 ? 1 : n);
    }
    buf_putc(b, '"');
}

/* Without the half of a character at the end. */
static str_t cut(str_t s)
{
    if (s.n > AUTH_RESULTS_VALUE_MAX_BYTES) {
        size_t n = AUTH_RESULTS_VALUE_MAX_BYTES;

        while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
            n--;
        s = str_head(s, n);
    }
    return s;
}

/* "name=value" or, without a name, the value. */
static str_t part(struct arena *a, const char *name, str_t value)
{
    struct buf *b = arena_buf(a, 4 * AUTH_RESULTS_VALUE_MAX_BYTES);

    value = cut(value);
    if (name != NULL)
        buf_printf(b, "%s=", name);
    if (is_plain(value))
        buf_put(b, value);
    else
        put_quoted(b, value, false);
    return buf_str(b);
}

static void put_part(struct writer *w, str_t s)
{
    if (w->column + 1 + s.n > LINE_BYTES) {
        buf_puts(w->out, "\r\n\t");
        w->column = 8;
    } else {
        buf_putc(w->out, ' ');
        w->column++;
    }
    buf_put(w->out, s);
    w->column += s.n;
}

static void put_fact(struct writer *w, const struct auth_results_fact *f)
{
    str_t head = str_of(
        arena_printf(w->arena, "%s=%s", f->method, auth_results_word_name(f->result)));

    buf_puts(w->out, ";\r\n\t");
    buf_put(w->out, head);
    w->column = 8 + head.n;
    if (f->reason.n > 0) {
        struct buf *b = arena_buf(w->arena, 4 * AUTH_RESULTS_VALUE_MAX_BYTES);

        buf_puts(b, "reason=");
        put_quoted(b, cut(f->reason), true);
        put_part(w, buf_str(b));
    }
    for (size_t i = 0; i < AUTH_RESULTS_PROPERTIES_MAX; i++) {
        const struct auth_results_property *p = &f->properties[i];

        if (p->name == NULL)
            return;
        if (p->value.n > 0)
            put_part(w, part(w->arena, p->name, p->value));
    }
}

str_t auth_results_format(struct arena *a, str_t service,
                          const struct auth_results_fact *facts, size_t count)
{
    struct writer w = { .arena = a, .out = arena_buf(a, AUTH_RESULTS_MAX_BYTES) };

    buf_puts(w.out, field_name);
    buf_put(w.out, part(a, NULL, service));
    if (count == 0)
        buf_puts(w.out, "; none");
    for (size_t i = 0; i < count && i < AUTH_RESULTS_FACTS_MAX; i++)
        put_fact(&w, &facts[i]);
    buf_puts(w.out, "\r\n");
    CHECK(!w.out->full);
    return buf_str(w.out);
}

/* Blanks, folds and comments (RFC 5322 3.2.2).  False: a comment does not end. */
static bool skip_blanks(str_t *s)
{
    size_t depth = 0;

    for (; s->n > 0; *s = str_skip(*s, 1)) {
        char c = s->p[0];

        if (c == '(') {
            if (++depth > COMMENT_DEPTH_MAX)
                return false;
        } else if (depth > 0) {
            if (c == '\\')
                *s = str_skip(*s, 1);
            else if (c == ')')
                depth--;
        } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            return true;
        }
    }
    return depth == 0;
}

/* False: it does not end, or there is nothing. */
static bool take_word(struct arena *a, str_t *s, str_t *out)
{
    struct buf *b;
    size_t n = 0;

    if (s->n == 0 || s->p[0] != '"') {
        while (n < s->n && mime_is_token(str_n(s->p + n, 1)))
            n++;
        *out = str_head(*s, n);
        *s = str_skip(*s, n);
        return n > 0;
    }
    b = arena_buf(a, s->n);
    for (*s = str_skip(*s, 1); s->n > 0; *s = str_skip(*s, 1)) {
        if (s->p[0] == '"') {
            *s = str_skip(*s, 1);
            *out = buf_str(b);
            return true;
        }
        if (s->p[0] == '\\')
            *s = str_skip(*s, 1);
        if (s->n > 0 && s->p[0] != '\r' && s->p[0] != '\n')
            buf_putc(b, s->p[0]);
    }
    return false;
}

static str_t without_final_dot(str_t s)
{
    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    return s;
}

bool auth_results_claims(struct arena *a, str_t value, str_t service)
{
    str_t word, version;

    if (!skip_blanks(&value) || !take_word(a, &value, &word) || !skip_blanks(&value))
        return true;
    /* A version may stand behind it, and then the first semicolon.  Anything else ("a b",
     * "a@b", "a/1") is read in more than one way. */
    if (value.n > 0 && str_is_digit(value.p[0]) &&
        (!take_word(a, &value, &version) || !skip_blanks(&value)))
        return true;
    if (value.n > 0 && value.p[0] != ';')
        return true;
    for (size_t i = 0; i < word.n; i++)
        if ((unsigned char)word.p[i] < ' ' || word.p[i] == 127)
            return true;
    return str_eq_nocase(without_final_dot(str_trim(word)), without_final_dot(service));
}
