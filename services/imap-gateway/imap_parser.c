/* imap_parser.c - read the words of one framed IMAP command from left to right. */
#include "imap_parser.h"

#include "base/arena.h"

#include <string.h>

enum char_class {
    CH_ATOM = 1,    /* ATOM-CHAR */
    CH_ASTRING = 2, /* ASTRING-CHAR */
    CH_TAG = 4,     /* tag */
    CH_PATTERN = 8, /* list-char */
    CH_NAME = 16,   /* names of FETCH items */
    CH_SET = 32,    /* sequence-set */
    CH_MAILBOX = 64,
};

static bool is_atom_special(unsigned char c)
{
    return c <= 0x20 || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL;
}

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static unsigned classes_of(unsigned char c)
{
    unsigned bits = 0;

    if (!is_atom_special(c))
        bits |= CH_ATOM | CH_ASTRING | CH_PATTERN | CH_MAILBOX | (c == '+' ? 0 : CH_TAG);
    if (c == ']')
        bits |= CH_ASTRING | CH_PATTERN | CH_MAILBOX | CH_TAG;
    if (c >= 0x80)
        bits |= CH_MAILBOX;
    if (c == '%' || c == '*')
        bits |= CH_PATTERN;
    if (is_alnum(c) || c == '.' || c == '-' || c == '_')
        bits |= CH_NAME;
    if ((c >= '0' && c <= '9') || c == ':' || c == ',' || c == '*')
        bits |= CH_SET;
    return bits;
}

static bool take_run(struct imap_parser *in, enum char_class class, str_t *out)
{
    const char *p = in->p;

    while (p < in->end && (classes_of((unsigned char)*p) & (unsigned)class))
        p++;
    if (p == in->p)
        return false;
    *out = str_n(in->p, (size_t)(p - in->p));
    in->p = p;
    return true;
}

void imap_parser_init(struct imap_parser *in, struct arena *a, str_t command)
{
    *in = (struct imap_parser){
        .p = command.p,
        .end = command.p + command.n,
        .arena = a,
        .start = command.p,
    };
}

bool imap_parser_refuse(struct imap_parser *in, const char *code, const char *wrong)
{
    in->code = code;
    in->wrong = wrong;
    return false;
}

void imap_parser_skip_spaces(struct imap_parser *in)
{
    while (in->p < in->end && *in->p == ' ')
        in->p++;
}

bool imap_parser_space(struct imap_parser *in)
{
    if (!imap_parser_peek(in, ' '))
        return false;
    imap_parser_skip_spaces(in);
    return true;
}

bool imap_parser_peek(const struct imap_parser *in, char c)
{
    return in->p < in->end && *in->p == c;
}

bool imap_parser_char(struct imap_parser *in, char c)
{
    if (!imap_parser_peek(in, c))
        return false;
    in->p++;
    return true;
}

bool imap_parser_end(struct imap_parser *in)
{
    const char *start = in->p;

    imap_parser_skip_spaces(in);
    if (imap_parser_peek(in, '\r'))
        in->p++;
    if (imap_parser_peek(in, '\n'))
        in->p++;
    if (in->p == in->end)
        return true;
    in->p = start;
    return false;
}

bool imap_parser_tag(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_TAG, out);
}

bool imap_parser_atom(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_ATOM, out);
}

bool imap_parser_word(struct imap_parser *in, str_t word)
{
    const char *start = in->p;
    str_t atom;

    if (imap_parser_atom(in, &atom) && str_eq_nocase(atom, word))
        return true;
    in->p = start;
    return false;
}

bool imap_parser_name(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_NAME, out);
}

/* The text between quotes at p..end, escapes removed. */
static bool unescape(struct imap_parser *in, const char *p, const char *end, str_t *out)
{
    char *copy = arena_alloc(in->arena, (size_t)(end - p) + 1);
    size_t n = 0;

    while (p < end) {
        if (*p == '\\' && p[1] != '\\' && p[1] != '"')
            return false;
        if (*p == '\\')
            p++;
        copy[n++] = *p++;
    }
    *out = str_n(copy, n);
    return true;
}

static bool take_quoted(struct imap_parser *in, str_t *out)
{
    const char *start = in->p + 1;
    const char *p = start;
    bool escaped = false;

    while (p < in->end && *p != '"') {
        if (*p == '\r' || *p == '\n' || *p == '\0')
            return false;
        if (*p == '\\') {
            escaped = true;
            p++;
        }
        p++;
    }
    if (p >= in->end)
        return false;
    *out = str_n(start, (size_t)(p - start));
    if (escaped && !unescape(in, start, p, out))
        return false;
    in->p = p + 1;
    return true;
}

/* "{n}" or "{n+}", end of line, n bytes: the framer has seen to it that they are there,
 * but a fuzzer has not. */
static bool take_literal(struct imap_parser *in, str_t *out)
{
    const char *start = in->p;
    uint64_t n;

    in->p++;
    if (imap_parser_number(in, UINT32_MAX, &n)) {
        imap_parser_char(in, '+');
        if (imap_parser_char(in, '}')) {
            imap_parser_char(in, '\r');
            if (imap_parser_char(in, '\n') && n <= (uint64_t)(in->end - in->p) &&
                memchr(in->p, '\0', (size_t)n) == NULL) {
                *out = str_n(in->p, (size_t)n);
                in->p += n;
                return true;
            }
        }
    }
    in->p = start;
    return false;
}

bool imap_parser_string(struct imap_parser *in, str_t *out)
{
    if (imap_parser_peek(in, '"'))
        return take_quoted(in, out);
    if (imap_parser_peek(in, '{'))
        return take_literal(in, out);
    return false;
}

bool imap_parser_astring(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_ASTRING, out) || imap_parser_string(in, out);
}

bool imap_parser_mailbox(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_MAILBOX, out) || imap_parser_string(in, out);
}

bool imap_parser_nstring(struct imap_parser *in, str_t *out)
{
    if (imap_parser_word(in, S("NIL"))) {
        *out = str_n(NULL, 0);
        return true;
    }
    return imap_parser_string(in, out);
}

bool imap_parser_pattern(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_PATTERN, out) || imap_parser_string(in, out);
}

bool imap_parser_number(struct imap_parser *in, uint64_t max, uint64_t *out)
{
    const char *p = in->p;

    while (p < in->end && *p >= '0' && *p <= '9')
        p++;
    if (!str_to_u64(str_n(in->p, (size_t)(p - in->p)), max, out))
        return false;
    in->p = p;
    return true;
}

bool imap_parser_flag(struct imap_parser *in, str_t *out)
{
    const char *start = in->p;
    str_t atom;

    imap_parser_char(in, '\\');
    if (!imap_parser_atom(in, &atom)) {
        in->p = start;
        return false;
    }
    *out = str_n(start, (size_t)(in->p - start));
    return true;
}

bool imap_parser_set_text(struct imap_parser *in, str_t *out)
{
    return take_run(in, CH_SET, out);
}
