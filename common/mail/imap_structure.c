/* imap_structure.c - the part tree of mime.c, spelled as IMAP wants it. */
#include "mail/imap_structure.h"

#include "base/arena.h"
#include "mail/address_list.h"
#include "mail/header.h"
#include "mail/mime.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_QUOTED_BYTES = 1024, MAX_NUMBER = 999999999 };

/* ---- strings ---- */

static bool fits_in_quotes(str_t s)
{
    if (s.n > MAX_QUOTED_BYTES)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '\0' || c == '\r' || c == '\n' || c > 127)
            return false;
    }
    return true;
}

static void put_string(struct buf *out, str_t s)
{
    if (!fits_in_quotes(s)) {
        buf_printf(out, "{%zu}\r\n", s.n);
        buf_put(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, s.p[i]);
    }
    buf_putc(out, '"');
}

void imap_structure_nstring(struct buf *out, str_t text)
{
    if (text.p == NULL)
        buf_puts(out, "NIL");
    else
        put_string(out, text);
}

/* NIL instead of an empty string, where empty says nothing. */
static void put_or_nil(struct buf *out, str_t s)
{
    imap_structure_nstring(out, s.n == 0 ? str_n(NULL, 0) : s);
}

/* A field's value, one space before it. */
static void put_field(struct arena *a, str_t header, str_t name, struct buf *out)
{
    buf_putc(out, ' ');
    imap_structure_nstring(out, header_value(a, header, name));
}

/* ---- ENVELOPE ---- */

static void put_address(const struct address_item *item, struct buf *out)
{
    buf_putc(out, '(');
    put_or_nil(out, item->name);
    buf_puts(out, " NIL ");
    switch (item->kind) {
    case ADDRESS_MAILBOX:
        put_string(out, item->mailbox);
        buf_putc(out, ' ');
        put_string(out, item->host); /* "" and not NIL, which would mean a group */
        break;
    case ADDRESS_GROUP_START:
        put_string(out, item->mailbox);
        buf_puts(out, " NIL");
        break;
    case ADDRESS_GROUP_END:
        buf_puts(out, "NIL NIL");
        break;
    }
    buf_putc(out, ')');
}

/* Returns false, writing nothing, if the field is absent or empty. */
static bool put_addresses(struct arena *a, str_t header, const char *name,
                          struct buf *out)
{
    struct address_item *items;
    struct header_field field;
    size_t count;

    if (!header_find(header, str_of(name), &field))
        return false;
    count = address_list_parse(a, field.value, &items);
    if (count == 0)
        return false;
    buf_puts(out, " (");
    for (size_t i = 0; i < count; i++)
        put_address(&items[i], out);
    buf_putc(out, ')');
    return true;
}

void imap_structure_envelope(struct arena *a, str_t message, struct buf *out)
{
    static const struct {
        const char *name, *instead;
    } lists[] = { { "From", NULL }, { "Sender", "From" }, { "Reply-To", "From" },
                  { "To", NULL },   { "Cc", NULL },       { "Bcc", NULL } };
    str_t header = str_head(message, header_end(message));

    buf_putc(out, '(');
    imap_structure_nstring(out, header_value(a, header, S("Date")));
    put_field(a, header, S("Subject"), out);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (!put_addresses(a, header, lists[i].name, out) &&
            (lists[i].instead == NULL ||
             !put_addresses(a, header, lists[i].instead, out)))
            buf_puts(out, " NIL");
    }
    put_field(a, header, S("In-Reply-To"), out);
    put_field(a, header, S("Message-ID"), out);
    buf_putc(out, ')');
}

/* ---- BODY and BODYSTRUCTURE ---- */

struct writer {
    struct arena *arena;
    const struct mime_tree *tree;
    bool extended;
    struct buf *out;
    size_t begin; /* offset in out */
};

static void put_params(const struct mime_type *t, struct buf *out)
{
    if (t->param_count == 0) {
        buf_puts(out, "NIL");
        return;
    }
    for (size_t i = 0; i < t->param_count; i++) {
        buf_putc(out, i == 0 ? '(' : ' ');
        put_string(out, t->params[i].name);
        buf_putc(out, ' ');
        put_string(out, t->params[i].value);
    }
    buf_putc(out, ')');
}

static void put_disposition(const struct writer *w, const struct mime_part *part)
{
    struct header_field field;
    struct mime_type type;

    buf_putc(w->out, ' ');
    if (!header_find(part->header, S("Content-Disposition"), &field) ||
        (mime_disposition_parse(w->arena, field.value, &type) != RC_OK &&
         type.type.n == 0)) {
        buf_puts(w->out, "NIL");
        return;
    }
    buf_putc(w->out, '(');
    put_string(w->out, type.type);
    buf_putc(w->out, ' ');
    put_params(&type, w->out);
    buf_putc(w->out, ')');
}

static void put_languages(const struct writer *w, const struct mime_part *part)
{
    str_t rest = header_value(w->arena, part->header, S("Content-Language")), one;
    size_t count = 0;

    buf_putc(w->out, ' ');
    while (str_split(&rest, ',', &one)) {
        one = str_trim(one);
        if (one.n == 0)
            continue;
        buf_putc(w->out, count++ == 0 ? '(' : ' ');
        put_string(w->out, one);
    }
    buf_puts(w->out, count == 0 ? "NIL" : ")");
}

/* What BODYSTRUCTURE adds for every kind of part. */
static void put_extension(const struct writer *w, const struct mime_part *part)
{
    put_disposition(w, part);
    put_languages(w, part);
    put_field(w->arena, part->header, S("Content-Location"), w->out);
}

/* A part that says multipart or message, but whose inside cannot be seen, must not be
 * spelled as one: the grammar would demand that inside. */
static bool is_opaque(const struct mime_part *part)
{
    return (str_eq_nocase(part->type.type, S("multipart")) && !part->is_multipart) ||
           (!part->is_message && (mime_type_is(&part->type, "message", "rfc822") ||
                                  mime_type_is(&part->type, "message", "global")));
}

static void put_type(const struct writer *w, const struct mime_part *part)
{
    if (is_opaque(part)) {
        buf_puts(w->out, "\"application\" \"octet-stream\"");
    } else {
        put_string(w->out, part->type.type);
        buf_putc(w->out, ' ');
        put_string(w->out, part->type.subtype);
    }
}

static void put_leaf_fields(const struct writer *w, const struct mime_part *part)
{
    str_t encoding = header_value(w->arena, part->header, S("Content-Transfer-Encoding"));

    put_type(w, part);
    buf_putc(w->out, ' ');
    if (part->type.param_count == 0 && !part->type_given &&
        str_eq(part->type.type, S("text")))
        buf_puts(w->out, "(\"charset\" \"us-ascii\")"); /* RFC 2045 5.2 */
    else
        put_params(&part->type, w->out);
    put_field(w->arena, part->header, S("Content-ID"), w->out);
    put_field(w->arena, part->header, S("Content-Description"), w->out);
    buf_putc(w->out, ' ');
    put_string(w->out, encoding.n == 0 ? S("7bit") : encoding);
    buf_printf(w->out, " %zu", part->body.n);
}

static void put_part(const struct writer *w, size_t index);

static void put_leaf(const struct writer *w, const struct mime_part *part)
{
    put_leaf_fields(w, part);
    if (part->is_message) {
        buf_putc(w->out, ' ');
        imap_structure_envelope(w->arena, w->tree->parts[part->first].header, w->out);
        buf_putc(w->out, ' ');
        put_part(w, part->first);
    }
    if (part->is_message || str_eq_nocase(part->type.type, S("text")))
        buf_printf(w->out, " %zu", part->lines);
    if (!w->extended)
        return;
    put_field(w->arena, part->header, S("Content-MD5"), w->out);
    put_extension(w, part);
}

static void put_multipart(const struct writer *w, const struct mime_part *part)
{
    for (size_t i = part->first; i != 0; i = w->tree->parts[i].next)
        put_part(w, i);
    if (part->children == 0) /* the grammar wants at least one */
        buf_puts(w->out, "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
    buf_putc(w->out, ' ');
    put_string(w->out, part->type.subtype);
    if (!w->extended)
        return;
    buf_putc(w->out, ' ');
    put_params(&part->type, w->out);
    put_extension(w, part);
}

/* Few bytes of a header can ask for many: an address of one letter is written with
 * seventeen, and up to three times.  When that has been enough, only sizes are told. */
static void put_size(const struct writer *w, const struct mime_part *part)
{
    buf_printf(w->out, "\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" %zu",
               part->body.n);
    if (w->extended)
        buf_puts(w->out, " NIL NIL NIL NIL");
}

/* Recursion is as deep as the tree, at most MIME_MAX_DEPTH. */
static void put_part(const struct writer *w, size_t index)
{
    const struct mime_part *part = &w->tree->parts[index];

    buf_putc(w->out, '(');
    if (w->out->n - w->begin > IMAP_STRUCTURE_MAX_BYTES)
        put_size(w, part);
    else if (part->is_multipart)
        put_multipart(w, part);
    else
        put_leaf(w, part);
    buf_putc(w->out, ')');
}

void imap_structure_body(struct arena *a, str_t message, bool extended, struct buf *out)
{
    struct mime_tree tree;
    struct writer w = { a, &tree, extended, out, out->n };

    mime_tree_parse(a, message, &tree);
    put_part(&w, 0);
}

/* ---- sections ---- */

static const struct {
    str_t word;
    enum imap_structure_what what;
} words[] = {
    /* Longest first: each is looked for at the beginning of the text. */
    { STR("HEADER.FIELDS.NOT"), IMAP_STRUCTURE_FIELDS_NOT },
    { STR("HEADER.FIELDS"), IMAP_STRUCTURE_FIELDS },
    { STR("HEADER"), IMAP_STRUCTURE_HEADER },
    { STR("TEXT"), IMAP_STRUCTURE_TEXT },
    { STR("MIME"), IMAP_STRUCTURE_MIME },
};

/* "1.2" and the dot behind it, if a word follows. */
static enum rc take_numbers(struct arena *a, str_t *s, struct imap_structure_section *out)
{
    unsigned found[IMAP_STRUCTURE_MAX_NUMBERS];
    size_t count = 0;

    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
        size_t n = 0;
        uint64_t value;

        while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
            n++;
        if (!str_to_u64(str_head(*s, n), MAX_NUMBER, &value) || value == 0)
            return RC_INVALID;
        if (count == IMAP_STRUCTURE_MAX_NUMBERS)
            return RC_LIMIT;
        found[count++] = (unsigned)value;
        *s = str_skip(*s, n);
        if (s->n == 0)
            break;
        if (s->p[0] != '.' || s->n == 1)
            return RC_INVALID;
        *s = str_skip(*s, 1);
    }
    out->numbers = arena_copy(a, found, count * sizeof(*found));
    out->number_count = count;
    return RC_OK;
}

static bool is_printable(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 127)
            return false;
    }
    return true;
}

/* One name, quoted or not. */
static bool take_name(struct arena *a, str_t *s, str_t *out)
{
    size_t i = 1, n = 0;
    char *p;

    if (s->n == 0 || s->p[0] != '"') {
        while (n < s->n && (unsigned char)s->p[n] > ' ' && s->p[n] != ')' &&
               s->p[n] != '"' && s->p[n] != '(')
            n++;
        *out = arena_str(a, str_head(*s, n));
        *s = str_skip(*s, n);
        return n > 0 && is_printable(*out);
    }
    while (i < s->n && s->p[i] != '"')
        i += s->p[i] == '\\' ? 2 : 1;
    if (i >= s->n)
        return false;
    p = arena_alloc(a, i);
    for (size_t k = 1; k < i; k++)
        p[n++] = s->p[k] == '\\' ? s->p[++k] : s->p[k];
    *out = str_n(p, n);
    *s = str_skip(*s, i + 1);
    return is_printable(*out);
}

static int by_name(const void *a, const void *b)
{
    const str_t *x = a, *y = b;

    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int c = str_lower_char((unsigned char)x->p[i]);
        int d = str_lower_char((unsigned char)y->p[i]);

        if (c != d)
            return c - d;
    }
    return (x->n > y->n) - (x->n < y->n);
}

/* " (A B)" and nothing behind it.  Blanks before ")" are tolerated, as everywhere. */
static enum rc take_names(struct arena *a, str_t s, struct imap_structure_section *out)
{
    s = str_trim(s);
    if (s.n < 2 || s.p[0] != '(' || s.p[s.n - 1] != ')')
        return RC_INVALID;
    s = str_trim(str_n(s.p + 1, s.n - 2));
    if (s.n == 0)
        return RC_INVALID;
    out->fields = arena_array(a, s.n / 2 + 1, sizeof(*out->fields));
    while (s.n > 0) {
        if (!take_name(a, &s, &out->fields[out->field_count++]) ||
            (s.n > 0 && s.p[0] != ' '))
            return RC_INVALID;
        s = str_trim(s);
    }
    out->sorted = arena_copy(a, out->fields, out->field_count * sizeof(*out->fields));
    qsort(out->sorted, out->field_count, sizeof(*out->sorted), by_name);
    return RC_OK;
}

static enum rc take_what(struct arena *a, str_t s, struct imap_structure_section *out)
{
    size_t i = 0;

    if (s.n == 0) {
        out->what = IMAP_STRUCTURE_ALL;
        return RC_OK;
    }
    while (i < ARRAY_LEN(words) && !str_starts_nocase(s, words[i].word))
        i++;
    if (i == ARRAY_LEN(words))
        return RC_INVALID;
    out->what = words[i].what;
    s = str_skip(s, words[i].word.n);
    if (out->what == IMAP_STRUCTURE_FIELDS || out->what == IMAP_STRUCTURE_FIELDS_NOT)
        return take_names(a, s, out);
    if (s.n > 0 || (out->what == IMAP_STRUCTURE_MIME && out->number_count == 0))
        return RC_INVALID;
    return RC_OK;
}

enum rc imap_structure_section_parse(struct arena *a, str_t text,
                                     struct imap_structure_section *out)
{
    enum rc rc;

    *out = (struct imap_structure_section){ .number_count = 0 };
    rc = take_numbers(a, &text, out);
    return rc == RC_OK ? take_what(a, text, out) : rc;
}

bool imap_structure_section_is_header(const struct imap_structure_section *s)
{
    return s->number_count == 0 &&
           (s->what == IMAP_STRUCTURE_HEADER || s->what == IMAP_STRUCTURE_FIELDS ||
            s->what == IMAP_STRUCTURE_FIELDS_NOT);
}

static bool is_named(const struct imap_structure_section *s, str_t name)
{
    return bsearch(&name, s->sorted, s->field_count, sizeof(*s->sorted), by_name) != NULL;
}

static str_t select_fields(struct arena *a, str_t header,
                           const struct imap_structure_section *s)
{
    struct buf *out = arena_buf(a, header.n + 4);
    bool wanted = s->what == IMAP_STRUCTURE_FIELDS;
    struct header_field field;
    struct header_iter it;

    header_init(&it, header);
    while (header_next(&it, &field)) {
        if (is_named(s, field.name) == wanted)
            buf_put(out, field.whole);
    }
    if (out->n > 0 && out->p[out->n - 1] != '\n')
        buf_puts(out, "\r\n");
    buf_puts(out, "\r\n");
    return buf_str(out);
}

/* A message's header or text, for the words that ask for them. */
static str_t of_message(struct arena *a, str_t message, size_t body,
                        const struct imap_structure_section *s)
{
    switch (s->what) {
    case IMAP_STRUCTURE_ALL:
        return message;
    case IMAP_STRUCTURE_TEXT:
        return str_skip(message, body);
    case IMAP_STRUCTURE_FIELDS:
    case IMAP_STRUCTURE_FIELDS_NOT:
        return select_fields(a, str_head(message, body), s);
    default:
        return str_head(message, body);
    }
}

static bool is_message_root(const struct mime_tree *tree, size_t index)
{
    return index == 0 || tree->parts[tree->parts[index].parent].is_message;
}

/* The nth child, or 0. */
static size_t child(const struct mime_tree *tree, size_t index, unsigned n)
{
    size_t at = tree->parts[index].first;

    while (at != 0 && --n > 0)
        at = tree->parts[at].next;
    return at;
}

/* RFC 9051 6.4.5.1: a message that is no multipart has one part, 1, which is its body. */
static bool find_part(const struct mime_tree *tree,
                      const struct imap_structure_section *s, size_t *out)
{
    bool at_only_part = false; /* "1" was said and stands for the body of `at` itself */
    size_t at = 0;

    for (size_t i = 0; i < s->number_count; i++) {
        if (i > 0 && tree->parts[at].is_message) {
            at = tree->parts[at].first;
            at_only_part = false;
        }
        if (tree->parts[at].is_multipart) {
            at = child(tree, at, s->numbers[i]);
            if (at == 0)
                return false;
        } else {
            if (at_only_part || s->numbers[i] != 1 || !is_message_root(tree, at))
                return false;
            at_only_part = true;
        }
    }
    *out = at;
    return true;
}

enum rc imap_structure_section_get(struct arena *a, str_t message,
                                   const struct imap_structure_section *s, str_t *out)
{
    const struct mime_part *part;
    struct mime_tree tree;
    size_t index;

    *out = str_n(NULL, 0);
    if (s->number_count == 0) {
        *out = of_message(a, message, header_end(message), s);
        return RC_OK;
    }
    mime_tree_parse(a, message, &tree);
    if (!find_part(&tree, s, &index))
        return RC_NOT_FOUND;
    part = &tree.parts[index];
    if (s->what == IMAP_STRUCTURE_MIME || s->what == IMAP_STRUCTURE_ALL) {
        *out = s->what == IMAP_STRUCTURE_MIME ? part->header : part->body;
        return RC_OK;
    }
    if (!part->is_message)
        return RC_NOT_FOUND;
    *out = of_message(a, part->body, tree.parts[part->first].header.n, s);
    return RC_OK;
}

static bool is_atom(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127 ||
            strchr("(){%*\"\\]", s.p[i]) != NULL)
            return false;
    }
    return s.n > 0;
}

void imap_structure_section_format(const struct imap_structure_section *s,
                                   struct buf *out)
{
    for (size_t i = 0; i < s->number_count; i++)
        buf_printf(out, "%s%u", i == 0 ? "" : ".", s->numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i].what != s->what)
            continue;
        buf_puts(out, s->number_count == 0 ? "" : ".");
        buf_put(out, words[i].word);
    }
    for (size_t i = 0; i < s->field_count; i++) {
        buf_puts(out, i == 0 ? " (" : " ");
        if (is_atom(s->fields[i]))
            buf_put(out, s->fields[i]);
        else
            put_string(out, s->fields[i]);
    }
    buf_puts(out, s->field_count == 0 ? "" : ")");
}
