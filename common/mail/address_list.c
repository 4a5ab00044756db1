/* address_list.c - a tokenizer for header fields, and what its tokens mean. */
#include "mail/address_list.h"

#include "base/arena.h"

#include <string.h>

enum token_kind { T_END, T_WORD, T_QUOTED, T_LITERAL, T_SPECIAL };

struct token {
    enum token_kind kind;
    str_t text;       /* unquoted */
    bool after_blank; /* blanks or a comment stood before it */
    char special;
};

struct lexer {
    struct arena *arena;
    str_t rest;
    str_t comment; /* the last one, as it is written, without its parentheses */
    bool unclosed; /* a comment, quoted string, literal or "<" never ended */
};

/* Skips a comment that begins at the next character; comments nest, so count instead of
 * recursing. */
static size_t comment_bytes(struct lexer *x)
{
    str_t s = x->rest;
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')' && --depth == 0) {
            x->comment = str_n(s.p + 1, i - 1);
            return i + 1;
        }
    }
    x->unclosed = true;
    return s.n;
}

static bool skip_blanks(struct lexer *x)
{
    size_t before = x->rest.n;

    while (x->rest.n > 0 && x->rest.p[0] != '\0' &&
           strchr(" \t\r\n(", x->rest.p[0]) != NULL)
        x->rest = str_skip(x->rest, x->rest.p[0] == '(' ? comment_bytes(x) : 1);
    return x->rest.n < before;
}

/* Offset of close, or the end. */
static size_t quoted_bytes(str_t s, char close)
{
    size_t i = 0;

    while (i < s.n && s.p[i] != close)
        i += s.p[i] == '\\' ? 2 : 1;
    return i < s.n ? i : s.n;
}

/* A copy without backslashes and folds. */
static str_t unquote(struct arena *a, str_t s)
{
    char *p = arena_alloc(a, s.n);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        if (s.p[i] != '\r' && s.p[i] != '\n')
            p[n++] = s.p[i];
    }
    return str_n(p, n);
}

/* The text between the opening character and close. */
static str_t take_quoted(struct lexer *x, char close)
{
    str_t rest = str_skip(x->rest, 1);
    str_t s = str_head(rest, quoted_bytes(rest, close));

    x->unclosed |= s.n == rest.n;
    x->rest = str_skip(rest, s.n + 1);
    return unquote(x->arena, s);
}

static bool is_special(char c)
{
    return c != '\0' && strchr("()<>@,;:\\\"[] \t\r\n", c) != NULL;
}

static void lex(struct lexer *x, struct token *out)
{
    size_t n = 0;
    char c;

    *out = (struct token){ .kind = T_END, .after_blank = skip_blanks(x) };
    if (x->rest.n == 0)
        return;
    c = x->rest.p[0];
    if (c == '"') {
        out->kind = T_QUOTED;
        out->text = take_quoted(x, '"');
        return;
    }
    if (c == '[') {
        str_t inner = take_quoted(x, ']');

        out->kind = T_LITERAL;
        out->text = str_of(arena_printf(x->arena, "[%.*s]", STR_ARG(inner)));
        return;
    }
    if (is_special(c)) {
        out->kind = T_SPECIAL;
        out->special = c;
        out->text = str_head(x->rest, 1);
        x->rest = str_skip(x->rest, 1);
        return;
    }
    while (n < x->rest.n && !is_special(x->rest.p[n]))
        n++;
    out->kind = T_WORD;
    out->text = str_head(x->rest, n);
    x->rest = str_skip(x->rest, n);
}

/* The list being parsed and the words read since the last separator. */
struct list {
    struct lexer lexer;
    struct address_item *items;
    size_t count, cap;
    struct buf words;  /* display name or bare local part */
    struct buf domain; /* after an '@' */
    bool has_at, in_group, angle_seen, spoiled;
    bool ambiguous; /* something was left out, or divides it */
    struct address_item angle;
};

static void list_add(struct list *l, struct address_item item)
{
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 8 : l->cap * 2;
        struct address_item *grown = arena_array(l->lexer.arena, cap, sizeof(*grown));

        if (l->count > 0)
            memcpy(grown, l->items, l->count * sizeof(*grown));
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->count++] = item;
}

static str_t keep(struct list *l, const struct buf *b)
{
    return arena_str(l->lexer.arena, buf_str(b));
}

static void forget(struct list *l)
{
    buf_clear(&l->words);
    buf_clear(&l->domain);
    l->has_at = l->angle_seen = l->spoiled = false;
    l->lexer.comment = S("");
}

/* In RFC 822's times the name of "user@domain (Real Name)" was a comment. */
static str_t name_of(struct list *l, str_t name)
{
    return name.n > 0 ? name : unquote(l->lexer.arena, str_trim(l->lexer.comment));
}

/* At ',', ';' or the end: what was read is an address, or nothing. */
static void finish(struct list *l)
{
    if (l->angle_seen) {
        l->angle.name = name_of(l, keep(l, &l->words));
        list_add(l, l->angle);
    } else if (l->words.n > 0) {
        list_add(l, (struct address_item){ .kind = ADDRESS_MAILBOX,
                                           .name = name_of(l, S("")),
                                           .mailbox = keep(l, &l->words),
                                           .host = keep(l, &l->domain),
                                           .spoiled = l->spoiled });
    }
    forget(l);
}

/* What only quotes could make a local part of. */
static bool spoils(const struct token *t, bool in_domain)
{
    return t->kind == T_SPECIAL || (t->kind == T_LITERAL && !in_domain);
}

/* Words that blanks separate stay separate, or "a@b c" would become another address. */
static void append_word(struct buf *to, const struct token *t, bool in_domain,
                        bool *spoiled)
{
    if (to->n > 0 && t->after_blank) {
        buf_putc(to, ' ');
        *spoiled = true;
    }
    *spoiled |= spoils(t, in_domain);
    buf_put(to, t->text);
}

/* Read "<...>".  A source route "@a,@b:" before the address is dropped. */
static void read_angle(struct list *l)
{
    struct lexer *x = &l->lexer;
    struct buf local, domain;
    bool has_at = false, spoiled = false;
    str_t comment = x->comment; /* one inside is nobody's name */
    struct token t;

    l->ambiguous |= l->has_at; /* "a@x <b@y>" is a@x to some */
    buf_init_arena(&local, x->arena, x->rest.n * 2 + 2);
    buf_init_arena(&domain, x->arena, x->rest.n * 2 + 2);
    for (lex(x, &t); t.kind != T_END; lex(x, &t)) {
        if (t.kind == T_SPECIAL && t.special == '>')
            break;
        if (t.kind == T_SPECIAL && t.special == ':') {
            l->ambiguous = true;
            buf_clear(&local);
            buf_clear(&domain);
            has_at = spoiled = false;
        } else if (t.kind == T_SPECIAL && t.special == '@') {
            if (has_at)
                buf_putc(&domain, '@'); /* keeps a@b@c from looking like an address */
            has_at = true;
        } else {
            append_word(has_at ? &domain : &local, &t, has_at, &spoiled);
        }
    }
    x->unclosed |= t.kind == T_END;
    x->comment = comment;
    l->angle_seen = true;
    l->angle = (struct address_item){ .kind = ADDRESS_MAILBOX,
                                      .mailbox = keep(l, &local),
                                      .host = keep(l, &domain),
                                      .spoiled = spoiled };
}

static void start_group(struct list *l)
{
    list_add(l, (struct address_item){ .kind = ADDRESS_GROUP_START,
                                       .mailbox = keep(l, &l->words) });
    l->in_group = true;
    forget(l);
}

static void end_group(struct list *l)
{
    finish(l);
    if (l->in_group)
        list_add(l, (struct address_item){ .kind = ADDRESS_GROUP_END });
    l->in_group = false;
}

static void take_word(struct list *l, const struct token *t)
{
    if (l->angle_seen)
        l->ambiguous = true;
    else
        append_word(l->has_at ? &l->domain : &l->words, t, l->has_at, &l->spoiled);
}

static void take_special(struct list *l, const struct token *t)
{
    l->ambiguous |= l->angle_seen || (t->special != '@' && t->special != '<');
    switch (t->special) {
    case ',':
        finish(l);
        break;
    case ';':
        end_group(l);
        break;
    case ':':
        if (!l->in_group && !l->angle_seen)
            start_group(l);
        break;
    case '<':
        if (!l->angle_seen)
            read_angle(l);
        break;
    case '@':
        if (l->has_at)
            buf_putc(&l->domain, '@');
        l->has_at = true;
        break;
    default:
        take_word(l, t);
        break;
    }
}

/* Stops behind `most` of them. */
static void parse(struct list *l, struct arena *a, str_t value, size_t most)
{
    struct token t;

    *l = (struct list){ .lexer = { .arena = a, .rest = value } };
    buf_init_arena(&l->words, a, value.n * 2 + 2);
    buf_init_arena(&l->domain, a, value.n * 2 + 2);
    for (lex(&l->lexer, &t); t.kind != T_END && l->count < most; lex(&l->lexer, &t)) {
        if (t.kind == T_SPECIAL)
            take_special(l, &t);
        else
            take_word(l, &t);
    }
    if (l->in_group)
        end_group(l);
    else
        finish(l);
}

size_t address_list_parse(struct arena *a, str_t value, struct address_item **items)
{
    struct list l;

    parse(&l, a, value, SIZE_MAX);
    *items = l.items;
    return l.count;
}

bool address_list_single(struct arena *a, str_t value, struct address_item *out)
{
    struct list l;

    parse(&l, a, value, 2);
    if (l.count != 1 || l.ambiguous || l.lexer.unclosed)
        return false;
    *out = l.items[0];
    return true;
}
